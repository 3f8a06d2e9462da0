"""What GitHub says about issues, comments, runs and artifacts, in our own small words."""

from dataclasses import dataclass

TOOL = "batch-action"
"""The name under which code scanning knows us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryInfo:
    """The repository as GitHub knows it today."""

    id: str
    """GitHub's numeric id as text: it survives renames."""
    private: bool
    default_branch: str
    has_issues: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueInfo:
    """An issue as it stands on GitHub."""

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
    """Its name in GraphQL."""
    updated_at: str = ""
    closed_at: str = ""
    """Empty while it is open."""
    closed_by: str = ""
    """Who closed it; empty while it is open, or when GitHub does not say."""
    comments: int = 0
    """How many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRevision:
    """One state of a text that was edited."""

    editor: str
    """The login of the person who wrote it; empty for a bot, or when nobody is named."""
    text: str | None
    """The whole text as it was then; None when somebody deleted this revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentInfo:
    """A comment on an issue or pull request."""

    id: int
    url: str
    body: str
    author: str
    trusted: bool
    """Written by us (the token's own account) or by one of the `trusted-authors`."""
    node_id: str = ""
    """Its name in GraphQL."""
    reactions: tuple[str, ...] = ()
    """Which reactions it has from anybody, as the API spells them: `+1`, `eyes`, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInfo:
    """A workflow artifact in the repository's list; any run, a fork's too, may have made it."""

    id: int
    name: str
    size: int
    """Bytes of the zip."""
    expired: bool
    created_at: str
    expires_at: str
    digest: str | None
    """`sha256:<hex>` of the zip, when the service recorded one."""
    run_id: str
    """Empty when GitHub no longer knows the run."""
    repository_id: str
    head_repository_id: str
    """Unequal to `repository_id` when a fork's run made it."""
    head_branch: str
    head_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRunInfo:
    """A workflow run, for the question whether to trust what it left."""

    id: str
    event: str
    path: str
    """The workflow's file, `.github/workflows/x.yml`: without `owner/repo/` and `@ref`."""
    head_branch: str
    head_sha: str
    head_repository_id: str
    """Empty when the head repository was deleted."""
    run_attempt: int
    status: str
    created_at: str
    pulls: tuple[int, ...] = ()
    """Open pull requests of its branch or commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArtifact:
    """An artifact of this very run, as the artifact service lists it."""

    id: int
    name: str
    size: int
    created_at: str
    digest: str | None
    run_backend: str
    job_backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """A commit's message and tree."""

    sha: str
    tree: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPullRequestInfo:
    """A pull request as it stands on GitHub."""

    number: int
    url: str
    title: str
    body: str
    state: str
    """`open` or `closed`."""
    author: str
    head_ref: str
    """The branch it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestInfo:
    """What a pull request is about, and whether it still is."""

    number: int
    url: str
    open: bool
    merged: bool
    merge_commit: str
    """What it was merged as; empty while it is open, or closed without a merge."""
    head: str
    """The newest commit of its branch."""
    head_ref: str
    head_repository_id: str
    """Empty when the repository it came from was deleted."""
    base: str
    base_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewInfo:
    """A review of a pull request."""

    id: int
    url: str
    body: str
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCommentInfo:
    """A comment on lines of a pull request."""

    comment: CommentInfo
    reply_to: int | None
    """The comment whose thread it is in; None for the one that began it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCommentDraft:
    """A comment as it is to be posted, on the new side of the diff."""

    path: str
    first: int
    last: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisInfo:
    """An uploaded analysis as code scanning lists it."""

    id: int
    commit: str
    """The reviewed commit."""
    results: int
    error: str
    """What went wrong while it was processed; empty when nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertInfo:
    """A code-scanning alert of ours, as it stands."""

    number: int
    url: str
    """Its page."""
    state: str
    """`open`, `dismissed` or `fixed`."""
    rule: str
    text: str
    """The message of the result it was last seen in."""
    path: str
    dismissed_by: str
    """A login; empty while nobody dismissed it."""
    reason: str
    """Of the dismissal, with the person's comment."""
    fixed_at: str
    """ISO 8601; empty while it is not fixed."""
