"""The task as it was chosen, and what it brings along for settings that nobody made."""

from contextlib import ExitStack
from pathlib import Path

from batch_action.config.settings import Settings
from batch_action.edges.git_repo import GitRepo
from batch_action.errors import ConfigError
from batch_action.tasks.registry import all_tasks
from batch_action.tasks.task import Task

MAX_PATCH = 30_000_000
UNLINKED = frozenset({"summary", "slack", "webhook"})
"""Destinations that do not point at lines of a commit: what a patch makes is in none."""


def chosen(settings: Settings) -> Task:
    """The task of these settings. Raises ConfigError."""
    tasks = all_tasks()
    if settings.task not in tasks:
        raise ConfigError(
            f"`task` {settings.task!r} does not exist.", fix=f"Tasks: {', '.join(tasks)}."
        )
    return tasks[settings.task]


def fitted(settings: Settings, task: Task) -> Settings:
    """The settings with the task's own defaults in place of the general ones."""
    if "report" in settings.model_fields_set:
        return settings
    if settings.patch_file:
        return settings.model_copy(update={"report": ("summary",)})
    return settings.model_copy(update={"report": task.report}) if task.report else settings


def patched(
    settings: Settings, task: Task, git: GitRepo, head: str, folder: Path, stack: ExitStack
) -> Settings:
    """The settings for looking at what `patch-file` would change, until the stack is closed.

    Raises ConfigError.
    """
    if not settings.patch_file:
        return settings
    where = sorted({*settings.report} - UNLINKED)
    if where or task.generates:
        what = f"`task: {task.name}`" if task.generates else f"`report: {', '.join(where)}`"
        raise ConfigError(
            f"`patch-file` does not go with {what}: its commit is on nobody's GitHub.",
            fix="Use `refactor-validation` or a task of findings, and `report: summary`.",
        )
    place = folder / settings.patch_file
    try:
        if place.stat().st_size > MAX_PATCH:
            raise ConfigError(f"`patch-file` {settings.patch_file} is larger than a patch can be.")
        patch = place.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"`patch-file` {settings.patch_file} cannot be read: {error.strerror}.",
            fix="Give a path in the repository's folder.",
        ) from None
    made = stack.enter_context(git.patched(head, patch))
    return settings.model_copy(update={"head": made, "base": head})
