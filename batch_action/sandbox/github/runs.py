"""Workflow runs: one record per attempt, with the tokens its steps get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypedDict

from batch_action.sandbox.github import environment
from batch_action.sandbox.github.state import Repository, User
from batch_action.sandbox.github.tokens import Actor

if TYPE_CHECKING:
    from batch_action.sandbox.github.instance import GitHubInstance


class RunOptions(TypedDict, total=False):
    """What may be said of a run when it starts; all but the event has a sensible default."""

    event: Required[str]
    branch: str
    head_sha: str
    workflow_path: str
    permissions: Mapping[str, str]
    head_repository: str | None
    """A fork's full name: its runs live in our list too."""
    rerun_of: "Run | int | None"
    payload: Mapping[str, Any]
    """Merged over the event's own payload."""
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
    title: str = ""
    """What `run-name` came to; empty where nobody asked."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    merge_sha: str = ""
    """What is checked out for a pull request: GitHub's test merge, not its head."""
    run_backend: str
    job_backend: str
    token: str = field(default="", repr=False)
    """The workflow token (`github.token`)."""
    runtime_token: str = field(default="", repr=False)
    """What the artifact service accepts."""
    id_token_request_token: str = field(default="", repr=False)
    token_actor: Actor | None = None
    instance: "GitHubInstance" = field(repr=False)

    def finish(self, conclusion: str = "success") -> None:
        """End the run; its tokens are refused from now on."""
        with self.instance.lock:
            self.status, self.conclusion = "completed", conclusion
            self.updated_at = self.instance.now()
            if self.token_actor:
                self.token_actor.alive = False

    @property
    def alive(self) -> bool:
        """Whether its tokens are still good."""
        return self.token_actor is not None and self.token_actor.alive

    def environ(self, workspace: Path, temp: Path) -> dict[str, str]:
        """The whole environment of a container action's step, its files created below `temp`."""
        return environment.of_step(self, workspace, temp)
