"""The tasks as they were chosen, and what they bring along for settings that nobody made."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batch_action.clients.git import GitRepo
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError
from batch_action.tasks import custom
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task

MAX_PATCH = 30_000_000
UNLINKED = frozenset({"summary", "slack", "webhook"})
"""Destinations that do not point at lines of a commit: what a patch makes is in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFile:
    """A patch in place of commits: the one it makes while we look, and the one it applies to."""

    head: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLoader:
    """The tasks that ship, and those that a commit of the repository has."""

    git: GitRepo
    commit: str | None
    """None where nothing of the repository may be believed."""

    def chosen(self, names: Iterable[str]) -> dict[str, Task]:
        """The tasks by name. Raises ConfigError with everything that is wrong with any of them."""
        found: dict[str, Task] = {}
        problems: list[ConfigError] = []
        for name in dict.fromkeys(names):
            try:
                found[name] = self._task(name)
            except ConfigError as error:
                problems.append(error)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise ConfigError("\n".join(str(problem) for problem in problems))
        return found

    def prompted(self, name: str, folder: Path | None) -> Task:
        """The task in `prompt-file`: of the commit, or of a *folder* where a person says so."""
        try:
            data = (folder / name).read_bytes() if folder else self._read(name)
        except OSError as error:
            raise ConfigError(f"`prompt-file` {name} cannot be read: {error.strerror}.") from None
        if data is None:
            raise ConfigError(
                f"`prompt-file` {name} is not in the reviewed commit.",
                fix="Commit it; a pull request is reviewed with the default branch's file.",
            )
        return custom.parse(name, _text(name, data), all_tasks())

    def _task(self, name: str) -> Task:
        tasks = all_tasks()
        if name in tasks:
            return tasks[name]
        path = custom.path_of(name)
        data = self._read(path) if custom.NAME.fullmatch(name) else None
        if data is None:
            known = [*tasks, *(f"{one} (your own)" for one in self._own())]
            raise ConfigError(f"`task` {name!r} does not exist.", fix=f"Tasks: {', '.join(known)}.")
        return custom.parse(path, _text(path, data), tasks, name=name)

    def _read(self, path: str) -> bytes | None:
        return self.git.file_at(self.commit, path) if self.commit else None

    def _own(self) -> list[str]:
        tree = self.git.tree(self.commit) if self.commit else []
        there = (PurePosixPath(entry.path) for entry in tree)
        return sorted(p.stem for p in there if str(p.parent) == custom.FOLDER and p.suffix == ".md")


def _text(path: str, data: bytes) -> str:
    if len(data) > custom.LARGEST:
        raise ConfigError(f"The task {path} is larger than a prompt can be.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"The task {path} is not UTF-8.") from None


def with_task_defaults(settings: Settings, task: Task, patch: PatchFile | None) -> Settings:
    """The settings with the task's own defaults in place of the general ones.

    Raises ConfigError for what does not go with a patch.
    """
    brought: dict[str, object] = dict(task.defaults)
    if task.report or patch:
        brought["report"] = ("summary",) if patch else task.report
    made = settings.model_fields_set
    update = {name: value for name, value in brought.items() if name not in made}
    if patch is not None:
        update |= {"head": patch.head, "base": patch.base}
    settings = settings.model_copy(update=update)
    where = sorted({*settings.report} - UNLINKED)
    if patch is not None and (where or task.generates):
        what = f"`task: {task.name}`" if task.generates else f"`report: {', '.join(where)}`"
        raise ConfigError(
            f"`patch-file` does not go with {what}: its commit is on nobody's GitHub.",
            fix="Use `refactor-validation` or a task of findings, and `report: summary`.",
        )
    return settings


def apply_patch(name: str, git: GitRepo, head: str, folder: Path, stack: ExitStack) -> PatchFile:
    """The patch of this file on a commit, until the stack is closed. Raises ConfigError."""
    try:
        if (folder / name).stat().st_size > MAX_PATCH:
            raise ConfigError(f"`patch-file` {name} is larger than a patch can be.")
        patch = (folder / name).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"`patch-file` {name} cannot be read: {error.strerror}.",
            fix="Give a path in the repository's folder.",
        ) from None
    return PatchFile(head=stack.enter_context(git.patched(head, patch)), base=head)
