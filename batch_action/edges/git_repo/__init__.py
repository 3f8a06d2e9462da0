"""The git repository under review, through GitPython's command runner."""

from batch_action.edges.git_repo.trees import Trees

__all__ = ["GitRepo"]


class GitRepo(Trees):
    """A repository on disk: its commits (history), trees (trees) and blobs (objects).

    Every method may raise `ConfigError` with git's own last words when git fails.
    """
