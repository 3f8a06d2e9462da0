"""The git repository under review, opened and read through GitPython."""

from batch_action.clients.git.repository import GitRepo

__all__ = ["GitRepo"]
