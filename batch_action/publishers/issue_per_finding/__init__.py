"""The destination `issue-per-finding`: one issue for each finding."""
