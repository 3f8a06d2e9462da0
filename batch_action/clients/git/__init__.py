"""The git repository under review, read through GitPython's command runner."""

from batch_action.clients.git.repository import GitRepo

__all__ = ["GitRepo"]
