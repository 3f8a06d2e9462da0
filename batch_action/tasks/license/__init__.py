"""Licenses: headers of files, notices in texts, and the licenses of a repository."""
