"""The built-in tasks: every module of this package that defines `TASK`; and what else is asked."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from batch_action import tasks
from batch_action.models.fact import Purpose
from batch_action.tasks.task import Task
from batch_action.tasks.verification import VERIFICATION

ABOUT_FINDINGS: Mapping[Purpose, Task] = {"verification": VERIFICATION}
"""What is asked about findings that are reported, by purpose of the request."""


@cache
def all_tasks() -> dict[str, Task]:
    """Return the built-in tasks by name, in alphabetical order."""
    modules = (
        import_module(f"{tasks.__name__}.{module.name}")
        for module in pkgutil.iter_modules(tasks.__path__)
    )
    found = [task for m in modules if isinstance(task := getattr(m, "TASK", None), Task)]
    return {task.name: task for task in sorted(found, key=lambda task: task.name)}
