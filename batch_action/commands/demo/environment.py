"""Where the demo plays: a sandbox, one repository on it, and runs as GitHub would start them."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from batch_action.clients.actions_runner.commands import Runner
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.repository import DemoRepository
from batch_action.context import RunContext
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.state import Artifact, Issue, Repository
from batch_action.sandbox.server import Sandbox
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task

WORKFLOW = ".github/workflows/nightly.yml"
KEY = "sk-ant-sandbox"


class Opener(Protocol):
    """How a world is opened: the door's own way, handed in by the command line."""

    def __call__(
        self,
        environ: Mapping[str, str],
        flags: Mapping[str, Any],
        folder: Path,
        clock: Callable[[], datetime],
    ) -> AbstractContextManager[RunContext]:
        """Open the edges for one run."""
        ...


@dataclass(slots=True, kw_only=True)
class DemoEnvironment:
    """The sandbox with the repository under review."""

    box: Sandbox
    subject: DemoRepository
    task: str
    temp: Path
    console: DemoConsole
    opener: Opener
    summaries: list[str] = field(default_factory=list)
    """What each run wrote for its page."""
    asked: Task | None = None
    """The task of the runs, known once there was one."""

    @property
    def workspace(self) -> Path:
        """Where a run leaves its files: not in the repository, which is only read."""
        return self.temp / "workspace"

    @property
    def generates(self) -> bool:
        """Whether the task answers with files."""
        return self.asked is not None and self.asked.generates

    @property
    def repository(self) -> Repository:
        """The repository as the sandbox's GitHub knows it."""
        return self.box.github.repository(self.subject.name)

    @contextmanager
    def run(self) -> Iterator[RunContext]:
        """One scheduled run: a fresh runner, which is let go at the end."""
        run = self.box.github.start_run(
            self.subject.name,
            event="schedule",
            branch=self.subject.branch,
            head_sha=self.subject.head(),
            workflow_path=WORKFLOW,
        )
        environ = self._environ(run)
        summary, outputs = (Path(environ[f"GITHUB_{n}"]) for n in ("STEP_SUMMARY", "OUTPUT"))
        self.workspace.mkdir(exist_ok=True)
        runner = Runner(
            self.workspace,
            output_path=outputs,
            summary_path=summary,
            stream=sys.stdout,
        )
        clock = self.box.clock.now
        with self.opener(environ, self._flags(), self.subject.folder, clock) as ctx:
            self.asked = ctx.task
            yield replace(ctx, console=self.console, runner=runner)
        run.finish()
        self.summaries.append(summary.read_text("utf-8"))

    def newest_artifact(self) -> Artifact | None:
        """The last ledger that was stored."""
        stored = [item for item in self.repository.artifacts if item.finalized]
        return max(stored, key=lambda item: item.id, default=None)

    def artifact_bytes(self, artifact: Artifact) -> bytes:
        """The zip itself."""
        return self.box.blobs.get(artifact.blob) or b""

    def issue(self) -> Issue | None:
        """The rolling issue; None before the first finding."""
        return next(iter(self.repository.issues.values()), None)

    def running(self) -> bool:
        """Whether a batch has not ended yet."""
        return any(batch.ended is None for batch in self.box.claude.batches)

    def _environ(self, run: Run) -> dict[str, str]:
        environ = run.environ(self.subject.folder, self.temp / f"runner-{run.id}")
        # A person reads along: plain sentences instead of commands to the runner.
        del environ["GITHUB_ACTIONS"]
        return environ | {"ANTHROPIC_API_KEY": KEY, "GITHUB_TOKEN": run.token}

    def _report(self) -> str:
        """An issue for findings, files for files; rulings are read from the results."""
        task = all_tasks().get(self.task)
        if task is not None and task.generates:
            return "files\nsummary"
        plain = task is not None and not task.whole
        return "issue\nsummary" if plain else "issue\nsummary\nfiles"

    def _flags(self) -> dict[str, Any]:
        """The inputs; what a repository's own config file must not change here is said too."""
        return {
            "task": self.task,
            "base": self.subject.base,
            "first-run": self.subject.first_run,
            "anthropic-base-url": self.box.anthropic_url,
            "report": self._report(),
            "dry-run": False,
            "on-over-budget": "fill",
            "state-branch": self.subject.branch,
            "state-workflows": Path(WORKFLOW).name,
        }
