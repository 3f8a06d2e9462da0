"""The git repository under review, opened and read through GitPython."""

from batch_action.clients.git.open_objects import OpenObjects
from batch_action.clients.git.repository import GitRepo
from batch_action.clients.git.runner import may_be_same_text
from batch_action.clients.git.versions import versions

__all__ = ["GitRepo", "OpenObjects", "may_be_same_text", "versions"]
