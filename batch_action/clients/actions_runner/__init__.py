"""The runner of GitHub Actions: what it tells a step, and what a step may tell it."""
