"""Which of our modules a submit and a collect of the demo enter, in order: `make trace`.

A module counts when one of its functions runs between the start and the end of the command, with
its context already built; importing it does not count, nor do the sandbox and the demo themselves.
Each line names the function by which the module was entered first.
"""

import inspect
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console as RichConsole

from batch_action.cli.execution import open_demo_context
from batch_action.commands.collect import collect
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.environment import DemoEnvironment, create_sample
from batch_action.commands.submit import submit
from batch_action.sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parent.parent / "batch_action"
NOT_COUNTED = ("sandbox/", "commands/demo/")
AIMS = {"submit": 45, "collect": 65}


@contextmanager
def trace() -> Iterator[dict[str, str]]:
    """Record the modules that are entered, with the function by which each was entered first."""
    entered: dict[str, str] = {}
    prefix = f"{ROOT}/"

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        # Bodies of modules and classes run when they are imported; they have local names by value.
        if (
            event == "call"
            and code.co_filename.startswith(prefix)
            and (code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.endswith(".py"))
        ):
            module = code.co_filename.removeprefix(prefix)
            if not module.startswith(NOT_COUNTED):
                entered.setdefault(module, code.co_qualname)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


@contextmanager
def demo_environment() -> Iterator[DemoEnvironment]:
    """Open the environment of `make demo` with its Python sample; output goes nowhere."""
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-trace-") as temp,
        Sandbox(batch_seconds=0.0) as sandbox,
    ):
        target = create_sample(Path(temp), sandbox.clock.now(), "python")
        sandbox.github.add_repository(
            target.name, private=True, default_branch=target.branch, git_dir=target.folder
        )
        yield DemoEnvironment(
            sandbox=sandbox,
            target=target,
            task="code-review",
            temp=Path(temp),
            console=DemoConsole(RichConsole(file=StringIO())),
            note="",
            open_context=open_demo_context,
        )


def modules_of(environment: DemoEnvironment, command: Callable[..., int]) -> dict[str, str]:
    """Run one command in a run of its own; return the modules it entered."""
    stdout, sys.stdout = sys.stdout, StringIO()
    try:
        with environment.run() as ctx, trace() as entered:
            command(ctx)
    finally:
        sys.stdout = stdout
    return entered


def main() -> None:
    """Print the modules of a submit and of a collect."""
    with demo_environment() as environment:
        traces = {"submit": modules_of(environment, submit)}
        while environment.has_running_batch():
            time.sleep(0.05)
        traces["collect"] = modules_of(environment, collect)
    for name, entered in traces.items():
        print(f"{name}: {len(entered)} modules (aim: at most {AIMS[name]})")
        for module, function in entered.items():
            print(f"  {module:45} {function}")


if __name__ == "__main__":
    main()
