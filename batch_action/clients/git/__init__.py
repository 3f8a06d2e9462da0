"""The git repository under review, through GitPython's command runner."""

from batch_action.clients.git.patching import Patching

__all__ = ["GitRepo"]


class GitRepo(Patching):
    """A repository on disk: its commits (history), trees, blobs (objects), a patch (patching).

    Every method may raise `ConfigError` with git's own last words when git fails.
    """
