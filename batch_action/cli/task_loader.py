"""Load the tasks of a run, apply their defaults to the settings, apply `patch-file`."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batch_action.clients.git import GitRepo
from batch_action.config.inputs import BUILT_IN_TASKS
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError
from batch_action.tasks import custom
from batch_action.tasks.registry import built_in_task
from batch_action.tasks.task import Task

MAX_PATCH_BYTES = 30_000_000
REPORTS_OF_PATCHES = frozenset({"files", "summary", "slack", "webhook"})
"""Destinations that need no commit on GitHub: that of a patch is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCommit:
    """The temporary commit with the patch applied (*head*), and the commit it applies to."""

    head: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLoader:
    """Load built-in tasks, and custom tasks from a commit of the repository."""

    git: GitRepo
    commit: str | None
    """None when the repository's files are not trusted: there are only built-in tasks then."""

    def load_tasks(self, names: Iterable[str]) -> dict[str, Task]:
        """Return the tasks by name. Raises ConfigError with the problems of all of them."""
        tasks: dict[str, Task] = {}
        problems: list[ConfigError] = []
        for name in dict.fromkeys(names):
            try:
                tasks[name] = self._load_task(name)
            except ConfigError as error:
                problems.append(error)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise ConfigError("\n".join(str(problem) for problem in problems))
        return tasks

    def load_prompt_file(self, name: str, folder: Path | None) -> Task:
        """Return the task in `prompt-file`, read from *folder* if given, else from the commit."""
        try:
            data = (folder / name).read_bytes() if folder else self._read(name)
        except OSError as error:
            raise ConfigError(f"`prompt-file` {name} cannot be read: {error.strerror}.") from None
        if data is None:
            raise ConfigError(
                f"`prompt-file` {name} is not in the reviewed commit.",
                fix="Commit it; a pull request is reviewed with the default branch's file.",
            )
        return custom.parse(name, _text(name, data), BUILT_IN_TASKS)

    def _load_task(self, name: str) -> Task:
        task = built_in_task(name)
        if task is not None:
            return task
        path = custom.path_of(name)
        data = self._read(path) if custom.NAME_PATTERN.fullmatch(name) else None
        if data is None:
            known = [
                *sorted(BUILT_IN_TASKS),
                *(f"{custom_name} (custom)" for custom_name in self._custom_task_names()),
            ]
            raise ConfigError(
                f"`task` {name!r} does not exist.",
                fix=f"Tasks: {', '.join(known)}. Your own are Markdown files in {custom.FOLDER}.",
            )
        return custom.parse(path, _text(path, data), BUILT_IN_TASKS, name=name)

    def _read(self, path: str) -> bytes | None:
        return self.git.file_at(self.commit, path) if self.commit else None

    def _custom_task_names(self) -> list[str]:
        tree = self.git.tree(self.commit) if self.commit else []
        paths = (PurePosixPath(entry.path) for entry in tree)
        return sorted(p.stem for p in paths if str(p.parent) == custom.FOLDER and p.suffix == ".md")


def _text(path: str, data: bytes) -> str:
    if len(data) > custom.MAX_FILE_BYTES:
        raise ConfigError(f"The task {path} is too large for a prompt.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"The task {path} is not UTF-8.") from None


def with_task_defaults(settings: Settings, task: Task, patch: PatchCommit | None) -> Settings:
    """Return the settings with the task's defaults for inputs that were not set.

    Raises ConfigError when the task or a destination cannot be combined with a patch.
    """
    defaults: dict[str, object] = dict(task.default_settings)
    if task.default_report or patch:
        defaults["report"] = ("files", "summary") if patch else task.default_report
    update = {
        name: value for name, value in defaults.items() if name not in settings.model_fields_set
    }
    if patch is not None:
        update |= {"head": patch.head, "base": patch.base}
    settings = settings.model_copy(update=update)
    refused = sorted({*settings.report} - REPORTS_OF_PATCHES)
    if patch is not None and (refused or task.generates_files):
        option = (
            f"`task: {task.name}`" if task.generates_files else f"`report: {', '.join(refused)}`"
        )
        raise ConfigError(
            f"`patch-file` cannot be combined with {option}: its commit is not on GitHub.",
            fix="Use `refactor-validation` or a task with findings, and `report: files, summary`.",
        )
    return settings


def apply_patch(name: str, git: GitRepo, head: str, folder: Path, stack: ExitStack) -> PatchCommit:
    """Apply a patch file to a commit, until the stack is closed. Raises ConfigError."""
    try:
        if (folder / name).stat().st_size > MAX_PATCH_BYTES:
            raise ConfigError(f"`patch-file` {name} is larger than {MAX_PATCH_BYTES:,} bytes.")
        patch = (folder / name).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"`patch-file` {name} cannot be read: {error.strerror}.",
            fix="Give a path in the repository's folder.",
        ) from None
    return PatchCommit(head=stack.enter_context(git.patched(head, patch)), base=head)
