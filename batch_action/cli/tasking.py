"""The tasks as they were chosen, and what they bring along for settings that nobody made."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from batch_action.config.settings import Settings
from batch_action.edges.git_repo import GitRepo
from batch_action.errors import ConfigError
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task

MAX_PATCH = 30_000_000
UNLINKED = frozenset({"summary", "slack", "webhook"})
"""Destinations that do not point at lines of a commit: what a patch makes is in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A patch in place of commits: the one it makes while we look, and the one it applies to."""

    head: str
    base: str


def chosen(names: Iterable[str]) -> dict[str, Task]:
    """The tasks by name. Raises ConfigError with everything that is wrong with any of them."""
    found: dict[str, Task] = {}
    problems: list[ConfigError] = []
    for name in dict.fromkeys(names):
        try:
            found[name] = _task(name)
        except ConfigError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    return found


def _task(name: str) -> Task:
    tasks = all_tasks()
    if name not in tasks:
        raise ConfigError(f"`task` {name!r} does not exist.", fix=f"Tasks: {', '.join(tasks)}.")
    return tasks[name]


def fitted(settings: Settings, task: Task, patch: Patch | None) -> Settings:
    """The settings with the task's own defaults in place of the general ones.

    Raises ConfigError for what does not go with a patch.
    """
    own: dict[str, object] = {}
    if "report" not in settings.model_fields_set and (task.report or patch):
        own["report"] = ("summary",) if patch else task.report
    if patch is not None:
        own |= {"head": patch.head, "base": patch.base}
    settings = settings.model_copy(update=own)
    where = sorted({*settings.report} - UNLINKED)
    if patch is not None and (where or task.generates):
        what = f"`task: {task.name}`" if task.generates else f"`report: {', '.join(where)}`"
        raise ConfigError(
            f"`patch-file` does not go with {what}: its commit is on nobody's GitHub.",
            fix="Use `refactor-validation` or a task of findings, and `report: summary`.",
        )
    return settings


def patched(name: str, git: GitRepo, head: str, folder: Path, stack: ExitStack) -> Patch:
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
    return Patch(head=stack.enter_context(git.patched(head, patch)), base=head)
