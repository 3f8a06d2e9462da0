"""The records of the emulated GitHub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(slots=True, kw_only=True)
class User:
    """A user, bot or organization."""

    login: str
    id: int
    kind: str = "User"
    """The `type` of the API: `User`, `Bot` or `Organization`."""


@dataclass(slots=True, kw_only=True)
class Label:
    """A label of one repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(slots=True, kw_only=True)
class Edit:
    """One revision of a body; the first is recorded with the first change."""

    user: User
    text: str
    at: datetime
    deleted: bool = False
    """Whether the text of this revision was deleted from the history."""


@dataclass(slots=True, kw_only=True)
class Reaction:
    """A reaction to an issue or comment."""

    id: int
    user: User
    content: str
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    number: int
    """The number of its issue."""
    user: User
    body: str
    created_at: datetime
    updated_at: datetime
    by_app: bool = False
    """Whether it was created with a workflow token."""
    minimized: str | None = None
    """The classifier that it was minimized with."""
    edits: list[Edit] = field(default_factory=list)
    """Oldest first."""
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Event:
    """An event of an issue, such as `closed`, `reopened` or `labeled`."""

    id: int
    name: str
    actor: User
    created_at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ReviewComment:
    """A review comment on lines of a pull request."""

    id: int
    review_id: int | None
    user: User
    body: str
    path: str
    commit_id: str
    created_at: datetime
    updated_at: datetime
    line: int | None = None
    start_line: int | None = None
    side: str = "RIGHT"
    start_side: str | None = None
    subject_type: str = "line"
    diff_hunk: str = ""
    in_reply_to: int | None = None
    by_app: bool = False
    minimized: str | None = None
    edits: list[Edit] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Review:
    """A review of a pull request, with or without comments."""

    id: int
    user: User
    body: str
    state: str
    commit_id: str
    submitted_at: datetime | None


@dataclass(slots=True, kw_only=True)
class Pull:
    """The fields that only pull requests have."""

    head_ref: str
    base_ref: str
    head_sha: str
    base_sha: str
    head_repository: str
    """Full name of the repository of the head, which may be a fork."""
    draft: bool = False
    merged_at: datetime | None = None
    merge_commit: str | None = None
    """The merge commit; GitHub's test merge while the pull request is open."""
    reviews: list[Review] = field(default_factory=list)
    comments: list[ReviewComment] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue, or a pull request if `pull` is set; both share one sequence of numbers."""

    id: int
    number: int
    title: str
    body: str | None
    user: User
    created_at: datetime
    updated_at: datetime
    by_app: bool = False
    state: str = "open"
    state_reason: str | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    closed_at: datetime | None = None
    closed_by: User | None = None
    locked: bool = False
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    """Oldest first."""
    reactions: list[Reaction] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(slots=True, kw_only=True)
class Artifact:
    """An artifact of a run; lists contain finalized ones only."""

    id: int
    name: str
    run_id: int
    run_backend: str
    job_backend: str
    blob: str
    mime_type: str
    created_at: datetime
    expires_at: datetime
    size: int = 0
    digest: str | None = None
    finalized: bool = False


@dataclass(slots=True, kw_only=True)
class Upload:
    """An uploaded SARIF file."""

    id: str
    created_at: datetime
    errors: list[str]
    """The reasons why processing failed."""
    polled: bool = False


@dataclass(slots=True, kw_only=True)
class Analysis:
    """One run of an uploaded SARIF file."""

    id: int
    sarif_id: str
    commit_sha: str
    ref: str
    created_at: datetime
    sarif: dict[str, Any]
    category: str
    tool: str
    results: int


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository with its contents and settings."""

    id: int
    full_name: str
    private: bool = True
    default_branch: str = "main"
    renamed_branches: dict[str, str] = field(default_factory=dict)
    """Former name to name: GitHub redirects requests for the former one."""
    git_dir: Path | None = None
    """The real git repository behind the git-data endpoints."""
    has_issues: bool = True
    code_scanning: bool = False
    """Whether SARIF uploads are accepted: always if public, with a license if private."""
    actions_can_open_pull_requests: bool = False
    """The setting "Allow GitHub Actions to create and approve pull requests"; off by default."""
    created_at: datetime
    permissions: dict[str, str] = field(default_factory=dict)
    """The role of each login: admin, maintain, write, triage or read."""
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)
    analyses: list[Analysis] = field(default_factory=list)
    returns_full_sarif: bool = False
    """Return analyses as they were uploaded instead of the subset that GitHub stores."""
    alerts: dict[int, dict[str, Any]] = field(default_factory=dict)
    workflow_states: dict[str, str] = field(default_factory=dict)
    """By the path of the file: `disabled_inactivity` and the like; `active` when it is not here."""
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of `POST /dispatches`."""

    @property
    def owner(self) -> str:
        """The part before the slash."""
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        """The part after the slash."""
        return self.full_name.partition("/")[2]
