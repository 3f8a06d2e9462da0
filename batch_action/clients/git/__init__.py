"""The git repository under review, opened and read through GitPython."""

from batch_action.clients.git.open_objects import BlobReader, OpenObjects, read_small
from batch_action.clients.git.repository import GitRepo
from batch_action.clients.git.runner import may_be_same_text
from batch_action.clients.git.versions import versions

__all__ = [
    "BlobReader",
    "GitRepo",
    "OpenObjects",
    "may_be_same_text",
    "read_small",
    "versions",
]
