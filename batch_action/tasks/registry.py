"""The built-in tasks, each the `TASK` of a module with a prompt of its name; what else is asked."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module, resources

from batch_action.models.fact import Purpose
from batch_action.tasks.task import Task
from batch_action.tasks.verification import VERIFICATION

ABOUT_FINDINGS: Mapping[Purpose, Task] = {"verification": VERIFICATION}
"""What is asked about findings that are reported, by purpose of the request."""

_PACKAGE = "batch_action.tasks"


@cache
def task_names() -> tuple[str, ...]:
    """Return the names of the built-in tasks in alphabetical order, without importing them."""
    files = {file.name for file in resources.files(_PACKAGE).iterdir()}
    modules = (name.removesuffix(".py") for name in files if name.endswith(".py"))
    return tuple(sorted(name.replace("_", "-") for name in modules if f"{name}.md" in files))


def built_in_task(name: str) -> Task | None:
    """Import a built-in task; None if there is none of that name."""
    if name not in task_names():
        return None
    task: Task = import_module(f"{_PACKAGE}.{name.replace('-', '_')}").TASK
    return task


def all_tasks() -> dict[str, Task]:
    """Return the built-in tasks by name, in alphabetical order."""
    return {name: task for name in task_names() if (task := built_in_task(name))}
