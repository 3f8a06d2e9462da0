"""GitHub's REST and GraphQL API, through PyGithub's requester."""
