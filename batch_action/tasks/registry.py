"""The built-in tasks, each the `TASK` of the module of its name; and what else is asked."""

from collections.abc import Mapping
from importlib import import_module

from batch_action.config.inputs import BUILT_IN_TASKS
from batch_action.models.fact import Purpose
from batch_action.tasks.explanation import EXPLANATION
from batch_action.tasks.task import Task
from batch_action.tasks.verification import VERIFICATION

ABOUT_FINDINGS: Mapping[Purpose, Task] = {
    "explanation": EXPLANATION,
    "verification": VERIFICATION,
}
"""What is asked about findings that are reported, by purpose of the request."""


def built_in_task(name: str) -> Task | None:
    """Import a built-in task; None if there is none of that name."""
    if name not in BUILT_IN_TASKS:
        return None
    task: Task = import_module(f"batch_action.tasks.{name.replace('-', '_')}").TASK
    return task


def all_tasks() -> dict[str, Task]:
    """Return the built-in tasks by name, in alphabetical order."""
    return {name: task for name in sorted(BUILT_IN_TASKS) if (task := built_in_task(name))}
