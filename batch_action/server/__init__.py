"""The service of `serve`: webhooks in, workflow runs out."""
