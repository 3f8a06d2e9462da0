"""The runner of GitHub Actions: what a step reads from it, and what a step writes to it."""
