"""The GitHub context of a run: repository, event, commit and pull request; what it reviews."""

from dataclasses import dataclass
from pathlib import Path

PULL_REQUEST_EVENT = "pull_request"
"""The event whose runs write the ledger of pull requests, and no other ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubContext:
    """Context of a run as GitHub's runner or the command line defines it."""

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
    """The commit to review."""
    branch: str | None
    """None on a tag."""
    workflow: str
    """Path of the workflow file, as of `WorkflowRun`; empty when not in Actions."""
    default_branch: str | None
    server_url: str
    api_url: str
    private: bool | None
    """None when the event does not include it."""
    from_fork: bool
    """Whether the pull request is from another repository: no secrets, read-only token."""
    pull_request: "PullRequestContext | None" = None
    """The pull request of the event."""

    @property
    def run(self) -> str:
        """`<run id>.<attempt>`, as facts store it."""
        return f"{self.run_id}.{self.run_attempt}"

    @property
    def branch_ref(self) -> str:
        """The ref of the run's branch, else of the default branch."""
        return f"refs/heads/{self.branch or self.default_branch or 'main'}"

    @property
    def run_url(self) -> str | None:
        """URL of the run on GitHub; None for a local run."""
        if self.repository is None or self.run_id == "local":
            return None
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestContext:
    """A pull request as its event describes it."""

    number: int
    head: str
    """Newest commit of its branch (not GitHub's merge commit)."""
    base: str
    """Commit of the branch that it is to be merged into."""
    base_ref: str = ""
    """Name of that branch."""
    author: str = ""
    """Login of the person who opened it."""
    title: str = ""
    body: str = ""
    """Description by its author: untrusted text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRun:
    """A run that reviews a branch, and publishes the answers about all pull requests."""

    rules_commit: str | None = None
    """The commit whose guidelines, attributes and baseline apply; None for the reviewed one."""

    @property
    def pull_number(self) -> None:
        """The number of the pull request that it reviews: none."""
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestRun:
    """A run that reviews one pull request, and uses the ledger of pull requests."""

    pull_number: int
    head: str
    base: str
    """Commit of the branch that it is to be merged into."""
    base_ref: str
    """Name of that branch."""
    rules_commit: str | None
    """A pull request must not change the rules of its own review: this commit's apply."""


Run = BranchRun | PullRequestRun
