"""GitHub resources, reduced to the fields that this package uses; their types are checked."""

from datetime import datetime

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

_LATE = ConfigDict(defer_build=True)
"""A run without a token builds none of them."""
ACTIONS_BOT = "github-actions[bot]"
"""The account that a workflow's token acts as."""
TOOL_NAME = "batch-action"
"""The tool name of this package's SARIF analyses in code scanning."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository."""

    id: str
    """GitHub's numeric id as text; it survives renames."""
    private: bool
    default_branch: str
    pushed_at: datetime | None = None
    """When somebody pushed to it last, in UTC."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue."""

    number: int
    url: str
    title: str
    body: str
    state: str
    """`open` or `closed`."""
    state_reason: str | None
    """`completed`, `not_planned`, `duplicate`, `reopened`, or None."""
    labels: tuple[str, ...]
    author: str
    created_at: str
    """ISO 8601 in UTC, as GitHub writes it."""
    node_id: str = ""
    """Id for GraphQL."""
    updated_at: str = ""
    closed_at: str = ""
    """Empty while it is open."""
    closed_by: str = ""
    """Login of the person who closed it; empty while it is open, or when unknown."""
    comments: int = 0
    """Number of comments."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class BodyRevision:
    """One revision of an edited issue or comment body."""

    editor: str
    """Login of the editor; empty for a bot or when GitHub does not return one."""
    text: str | None
    """The whole body in this revision; None when the revision was deleted."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class IssueComment:
    """A comment on an issue or pull request."""

    id: int
    url: str
    body: str
    author: str
    trusted: bool
    """Whether its author is the token's own account or one of `trusted-authors`."""
    node_id: str = ""
    """Id for GraphQL."""
    reactions: tuple[str, ...] = ()
    """Distinct reactions, as the API spells them: `+1`, `eyes`, …"""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class Artifact:
    """A workflow artifact of the repository; any run, also a fork's, may have uploaded it."""

    id: int
    name: str
    size: int
    """Size of the zip in bytes."""
    expired: bool
    created_at: str
    expires_at: str
    digest: str | None
    """`sha256:<hex>` of the zip; None when the service has none."""
    run_id: str
    """Empty when GitHub no longer has the run."""
    repository_id: str
    head_repository_id: str
    """Differs from `repository_id` when a fork's run uploaded it."""
    head_branch: str
    head_sha: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """A workflow run, with what decides whether its artifacts are trusted."""

    id: str
    event: str
    path: str
    """Path of the workflow file, `.github/workflows/x.yml`, without `owner/repo/` and `@ref`."""
    head_branch: str
    head_sha: str
    head_repository_id: str
    """Empty when the head repository was deleted."""
    pull_requests: tuple[int, ...] = ()
    """Numbers of the open pull requests of its branch or commit."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class StartedRun:
    """A workflow run as GitHub reports it when it is started."""

    id: str
    url: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class StoredArtifact:
    """An artifact of the current run, as the artifact service lists it."""

    id: int
    name: str
    size: int
    created_at: str
    digest: str | None
    run_backend: str
    job_backend: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class GitCommit:
    """A commit object of the Git database API."""

    sha: str
    tree: str
    message: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class DraftPullRequest:
    """A pull request opened by `propose`."""

    number: int
    url: str
    title: str
    body: str
    state: str
    """`open` or `closed`."""
    author: str
    head_ref: str
    """Name of its branch."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request under review."""

    number: int
    url: str
    open: bool
    merged: bool
    merge_commit: str
    """Id of the merge commit; empty while it is open or when it was closed without a merge."""
    head: str
    """Newest commit of its branch."""
    head_ref: str
    head_repository_id: str
    """Empty when the head repository was deleted."""
    base: str
    base_ref: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class PullRequestReview:
    """A review of a pull request."""

    id: int
    url: str
    body: str
    trusted: bool


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class ReviewComment:
    """A comment on lines of a pull request."""

    comment: IssueComment
    in_reply_to: int | None
    """Id of the first comment of its thread; None for the first one itself."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class ReviewCommentDraft:
    """A review comment to be posted on the new side of the diff."""

    path: str
    start_line: int
    end_line: int
    body: str


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class CodeScanningAnalysis:
    """An uploaded analysis, as code scanning lists it."""

    id: int
    commit: str
    """The reviewed commit."""
    results: int
    error: str
    """Error of its processing; empty when there was none."""


@dataclass(config=_LATE, frozen=True, slots=True, kw_only=True)
class CodeScanningAlert:
    """A code scanning alert raised by this package."""

    number: int
    url: str
    """Page of the alert."""
    state: str
    """`open`, `dismissed` or `fixed`."""
    rule: str
    message: str
    """Message of its most recent instance."""
    path: str
    dismissed_by: str
    """Login of the person who dismissed it; empty while it is not dismissed."""
    dismissed_reason: str
    """Reason of the dismissal, with the person's comment."""
    fixed_at: str
    """ISO 8601; empty while it is not fixed."""
