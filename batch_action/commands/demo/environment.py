"""The environment of the demo: the sandbox, one repository on it, and scheduled runs."""

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
from batch_action.sandbox.github.records import Artifact, Issue, Repository
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.server import Sandbox
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task

WORKFLOW = ".github/workflows/nightly.yml"
KEY = "sk-ant-sandbox"


class ContextOpener(Protocol):
    """The function of the command line that opens a context."""

    def __call__(
        self,
        environ: Mapping[str, str],
        flags: Mapping[str, Any],
        folder: Path,
        clock: Callable[[], datetime],
    ) -> AbstractContextManager[RunContext]:
        """Open the context of one run."""
        ...


@dataclass(slots=True, kw_only=True)
class DemoEnvironment:
    """The sandbox and the reviewed repository."""

    sandbox: Sandbox
    target: DemoRepository
    task: str
    temp: Path
    console: DemoConsole
    open_context: ContextOpener
    summaries: list[str] = field(default_factory=list)
    """The job summary of each run."""
    loaded_task: Task | None = None
    """The task; None before the first run."""

    @property
    def workspace(self) -> Path:
        """The folder for the files of a run; the reviewed repository is only read."""
        return self.temp / "workspace"

    @property
    def generates_files(self) -> bool:
        """Whether the task generates files."""
        return self.loaded_task is not None and self.loaded_task.generates_files

    @property
    def repository(self) -> Repository:
        """The repository on the sandbox's GitHub."""
        return self.sandbox.github.repository(self.target.name)

    @contextmanager
    def run(self) -> Iterator[RunContext]:
        """Start a scheduled run, yield its context, and finish it at the end."""
        run = self.sandbox.github.start_run(
            self.target.name,
            event="schedule",
            branch=self.target.branch,
            head_sha=self.target.head(),
            workflow_path=WORKFLOW,
        )
        environ = self._environ(run)
        summary, output = (Path(environ[f"GITHUB_{n}"]) for n in ("STEP_SUMMARY", "OUTPUT"))
        self.workspace.mkdir(exist_ok=True)
        runner = Runner(
            self.workspace,
            output_path=output,
            summary_path=summary,
            stream=sys.stdout,
        )
        clock = self.sandbox.clock.now
        with self.open_context(environ, self._flags(), self.target.folder, clock) as ctx:
            self.loaded_task = ctx.task
            yield replace(ctx, console=self.console, runner=runner)
        self.sandbox.github.finish_run(run)
        self.summaries.append(summary.read_text("utf-8"))

    def newest_artifact(self) -> Artifact | None:
        """Return the ledger that was stored last."""
        stored = [item for item in self.repository.artifacts if item.finalized]
        return max(stored, key=lambda item: item.id, default=None)

    def artifact_bytes(self, artifact: Artifact) -> bytes:
        """Return the zip file."""
        return self.sandbox.blobs.get(artifact.blob) or b""

    def issue(self) -> Issue | None:
        """Return the rolling issue; None before the first finding."""
        return next(iter(self.repository.issues.values()), None)

    def has_running_batch(self) -> bool:
        """Return whether a batch has not ended yet."""
        return any(batch.ended is None for batch in self.sandbox.anthropic.batches)

    def _environ(self, run: Run) -> dict[str, str]:
        environ = self.sandbox.github.step_environment(
            run, self.target.folder, self.temp / f"runner-{run.id}"
        )
        # Plain lines instead of workflow commands.
        del environ["GITHUB_ACTIONS"]
        return environ | {"ANTHROPIC_API_KEY": KEY, "GITHUB_TOKEN": run.token}

    def _report(self) -> str:
        """Return the destinations: verdicts are read from the results file."""
        task = all_tasks().get(self.task)
        if task is not None and task.generates_files:
            return "files\nsummary"
        finds_only = task is not None and not task.needs_whole_file
        return "issue\nsummary" if finds_only else "issue\nsummary\nfiles"

    def _flags(self) -> dict[str, Any]:
        """Return all inputs that the repository's config file must not change."""
        return {
            "task": self.task,
            "base": self.target.base,
            "first-run": self.target.first_run,
            "anthropic-base-url": self.sandbox.anthropic_url,
            "report": self._report(),
            "dry-run": False,
            "on-over-budget": "fill",
            "state-branch": self.target.branch,
            "state-workflows": Path(WORKFLOW).name,
        }
