"""GitHub's REST and GraphQL API; nothing else imports `github`."""
