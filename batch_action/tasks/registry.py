"""The built-in tasks: every module of this package that defines `TASK`."""

import pkgutil
from functools import cache
from importlib import import_module

from batch_action import tasks
from batch_action.tasks.task import Task


@cache
def all_tasks() -> dict[str, Task]:
    """Return the built-in tasks by name, in alphabetical order."""
    modules = (
        import_module(f"{tasks.__name__}.{module.name}")
        for module in pkgutil.iter_modules(tasks.__path__)
    )
    found = [task for m in modules if isinstance(task := getattr(m, "TASK", None), Task)]
    return {task.name: task for task in sorted(found, key=lambda task: task.name)}
