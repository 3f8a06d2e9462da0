"""The environment of the demo: a sample or the user's repository on the sandbox, and its runs."""

import hashlib
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from batch_action.clients.actions_runner import Runner
from batch_action.clients.git import GitRepo
from batch_action.commands.demo.console import DemoConsole
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.sandbox.github.records import Artifact, Issue, Label, Repository
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.sample_repositories import SAMPLES, Sample, create_repository
from batch_action.sandbox.server import Sandbox
from batch_action.tasks.registry import built_in_task
from batch_action.tasks.task import Task

WORKFLOW = ".github/workflows/nightly.yml"
KEY = "sk-ant-sandbox"
MORE_COMMITS = 5
"""Commits that the demo proposes to review when nothing is selected."""
GITHUB_REMOTE = re.compile(r"(?:^|[/@])github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRepository:
    """The repository that the demo reviews."""

    folder: Path
    git: GitRepo
    name: str
    """`owner/name` on the sandbox's GitHub."""
    branch: str
    base: str | None = None
    saves_state: bool = False
    """Whether the next demo continues from the state of this one."""
    on_github: bool = False
    """Whether `name` is its name on github.com."""
    sample: Sample | None = None
    """The sample; None for the user's repository."""


def create_sample(folder: Path, now: datetime, name: str) -> DemoRepository:
    """Create a sample repository below *folder*."""
    sample = SAMPLES[name]
    repository_name = sample.folder.replace("_", "-")
    try:
        create_repository(folder / repository_name, now, sample)
    except FileNotFoundError:
        raise ConfigError("The program git was not found.", fix="Install git.") from None
    return DemoRepository(
        folder=folder / repository_name,
        git=GitRepo(folder / repository_name),
        name=f"octo/{repository_name}",
        branch="main",
        sample=sample,
    )


def open_user_repository(repo: str, base: str | None) -> DemoRepository:
    """Open the user's repository. Raises ConfigError when there is nothing to review."""
    folder = Path(repo).resolve()
    try:
        git = GitRepo(folder)
    except ConfigError as error:
        if "no git repository" not in error.problem:
            raise
        raise ConfigError(
            f"`--repo` {repo} is not a git repository.",
            fix="Give the folder of a clone, or omit `--repo` for the sample repository.",
        ) from None
    if not last_commits(git):
        raise ConfigError(
            f"`--repo` {repo} has no commit yet.", fix="Commit something, then run the demo again."
        )
    if git.is_shallow() and base is None:
        raise ConfigError(
            f"`--repo` {repo} is a shallow clone: the changes of its last commits are missing.",
            fix="Fetch the history with `git fetch --unshallow`, or give `--base`.",
        )
    github_name = _name_on_github(git)
    return DemoRepository(
        folder=folder,
        git=git,
        name=github_name or f"you/{re.sub(r'[^A-Za-z0-9_.-]+', '-', folder.name) or 'repository'}",
        branch=git.current_branch() or git.default_branch_guess() or "main",
        base=_base(git, base) if base else None,
        saves_state=True,
        on_github=github_name is not None,
    )


def _base(git: GitRepo, base: str) -> str:
    try:
        return git.resolve(base)
    except ConfigError:
        raise ConfigError(
            f"`--base` {base} is not a commit of this repository.",
            fix="Give a commit, a branch or a tag; HEAD~5 needs a history of six commits.",
        ) from None


def last_commits(git: GitRepo) -> list[str]:
    """Return the last commits of the branch, newest first; none in an empty repository."""
    code, out, _ = git.runner.call(
        "rev-list", "--first-parent", f"--max-count={MORE_COMMITS + 1}", "HEAD", "--"
    )
    return out.decode("ascii").split() if code == 0 else []


def _name_on_github(git: GitRepo) -> str | None:
    code, out, _ = git.runner.call("config", "--get", "remote.origin.url")
    match = GITHUB_REMOTE.search(out.decode("utf-8", "replace").strip()) if code == 0 else None
    return match[1] if match else None


ContextOpener = Callable[
    [Mapping[str, str], Mapping[str, Any], Path, Callable[[], datetime]],
    AbstractContextManager[RunContext],
]
"""The function of the command line that opens a context: environment, flags, folder, clock."""


@dataclass(slots=True, kw_only=True)
class DemoEnvironment:
    """The sandbox and the reviewed repository."""

    sandbox: Sandbox
    target: DemoRepository
    task: str
    temp: Path
    console: DemoConsole
    note: str
    """What answers in place of Claude."""
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
            head_sha=self.target.git.resolve("HEAD"),
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
        task = built_in_task(self.task)
        if task is not None and task.generates_files:
            return "files\nsummary"
        finds_only = task is not None and not task.needs_whole_file
        return "issue\nsummary" if finds_only else "issue\nsummary\nfiles"

    def _flags(self) -> dict[str, Any]:
        """Return all inputs that the repository's config file must not change."""
        return {
            "task": self.task,
            "base": self.target.base,
            "anthropic-base-url": self.sandbox.anthropic_url,
            "report": self._report(),
            "dry-run": False,
            "on-over-budget": "fill",
            "state-branch": self.target.branch,
            "state-workflows": Path(WORKFLOW).name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """The part of the sandbox's state that the next demo restores."""

    origin: str
    """The address of the sandbox's GitHub; links in texts contain it."""
    name: str
    last_id: int
    artifact: str
    ledger: str
    """The artifact's zip in base64."""
    issues: dict[int, Issue]
    labels: dict[str, Label]


STATE_ADAPTER = TypeAdapter(SavedState)


def state_path(out: Path, git: GitRepo, task: str) -> Path:
    """Return the file for this repository and task."""
    key = hashlib.sha256(f"{git.runner.common_dir.resolve()}\n{task}".encode("utf-8", "replace"))
    return out / "state" / f"{key.hexdigest()[:16]}.json"


def save_state(environment: DemoEnvironment, path: Path) -> None:
    """Save the newest ledger and the issue."""
    artifact = environment.newest_artifact()
    if artifact is None:
        return
    saved = SavedState(
        origin=environment.sandbox.github_url,
        name=environment.target.name,
        last_id=environment.sandbox.github.instance.new_id(),
        artifact=artifact.name,
        ledger=b64encode(environment.artifact_bytes(artifact)).decode("ascii"),
        issues=environment.repository.issues,
        labels=environment.repository.labels,
    )
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(STATE_ADAPTER.dump_json(saved))
    temporary.replace(path)


def restore_state(environment: DemoEnvironment, path: Path) -> bool:
    """Restore the state as an earlier run of the workflow left it; return False without one."""
    try:
        saved = STATE_ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValidationError:
        environment.console.print(f"{path} cannot be read: this demo starts without it.")
        return False
    instance = environment.sandbox.github.instance
    while instance.new_id() <= saved.last_id:
        pass  # no id may be used twice: the ledger contains some
    for issue in saved.issues.values():
        issue.body = _relocate_links(issue.body or "", saved, environment)
        for comment in issue.comments:
            comment.body = _relocate_links(comment.body, saved, environment)
    environment.repository.issues.update(saved.issues)
    environment.repository.labels.update(saved.labels)
    with environment.run() as earlier:
        if earlier.artifacts is not None:
            earlier.artifacts.upload(saved.artifact, b64decode(saved.ledger), 90)
    environment.summaries.clear()
    return True


def _relocate_links(text: str, saved: SavedState, environment: DemoEnvironment) -> str:
    old, new = (
        f"{saved.origin}/{saved.name}/",
        f"{environment.sandbox.github_url}/{environment.target.name}/",
    )
    return text.replace(old, new)
