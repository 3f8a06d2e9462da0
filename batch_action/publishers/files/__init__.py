"""The destination `files`: results in the workspace."""
