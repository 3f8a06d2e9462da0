"""The destination `draft-pr`: generated files as a draft pull request."""
