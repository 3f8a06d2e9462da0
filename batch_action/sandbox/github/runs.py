"""Workflow runs: one record per attempt, with the tokens of its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Required, TypedDict

from batch_action.sandbox.github.records import Repository, User
from batch_action.sandbox.github.tokens import Actor


class RunOptions(TypedDict, total=False):
    """Options of a new run; only the event is required."""

    event: Required[str]
    branch: str
    ref_type: str
    """`branch`, or `tag` when `branch` is the name of a tag."""
    head_sha: str
    workflow_path: str
    permissions: Mapping[str, str]
    head_repository: str | None
    """Full name of the fork; its runs are listed in the base repository, too."""
    rerun_of: "Run | int | None"
    payload: Mapping[str, Any]
    """Merged over the default payload of the event."""
    actor: str


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One attempt of a workflow run."""

    id: int
    number: int
    attempt: int
    repository: Repository
    event: str
    head_branch: str
    head_sha: str
    workflow_path: str
    workflow_id: int
    head_repository: str
    head_repository_id: int
    actor: User
    permissions: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    status: str = "in_progress"
    conclusion: str | None = None
    ref_type: str = "branch"
    title: str = ""
    """The evaluated `run-name`; empty for runs that no dispatch created."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    merge_sha: str = ""
    """GitHub's test merge, which a pull request run checks out instead of the head."""
    run_backend: str
    job_backend: str
    token: str = field(default="", repr=False)
    """The workflow token (`github.token`)."""
    runtime_token: str = field(default="", repr=False)
    """The token for the artifact service (`ACTIONS_RUNTIME_TOKEN`)."""
    id_token_request_token: str = field(default="", repr=False)
    token_actor: Actor | None = None

    @property
    def ref(self) -> str:
        """The full name of the branch or tag that it runs on."""
        folder = "tags" if self.ref_type == "tag" else "heads"
        return f"refs/{folder}/{self.head_branch}"

    @property
    def active(self) -> bool:
        """Whether the tokens of the run are still valid."""
        return self.token_actor is not None and self.token_actor.active
