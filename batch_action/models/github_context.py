"""Where we run: the repository, the run and the commit, as the door read them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubContext:
    """What the runner (or the command line) says about this run."""

    workspace: Path
    repository: str | None
    """`owner/name`; None for a plain directory on the command line."""
    repository_id: str
    """GitHub's numeric id as text, or `local`."""
    run_id: str
    """GitHub's run id as text, or `local`."""
    run_attempt: int
    event: str
    """GitHub's event name, or `local`."""
    sha: str | None
    """The commit the run is about."""
    branch: str | None
    default_branch: str | None
    server_url: str
    api_url: str
    private: bool | None
    """None when the event does not tell."""
    fork: bool
    """A pull request from another repository: no secrets, read-only token."""
    pull: "PullRequestContext | None" = None
    """The pull request the event is about."""
    pulls: bool = False
    """The ledger of pull requests is meant, not that of branches."""

    @property
    def run(self) -> str:
        """`<run id>.<attempt>`, the name facts use."""
        return f"{self.run_id}.{self.run_attempt}"

    @property
    def run_url(self) -> str | None:
        """The run's page on GitHub."""
        if self.repository is None or self.run_id == "local":
            return None
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestContext:
    """A pull request as its event describes it."""

    number: int
    head: str
    """The newest commit of its branch (not GitHub's merge commit)."""
    base: str
    """The commit of the branch it is to be merged into."""
    into: str = ""
    """The name of that branch."""
    author: str = ""
    """The login of who opened it."""
    title: str = ""
    body: str = ""
    """What its author wrote: anybody's words."""
