"""What a worker process does: cells against its own sandbox."""

import logging

from batch_action.sandbox.server import Sandbox
from tests.crashes import cells, signals

_sandbox: Sandbox | None = None


def begin() -> None:
    # A call that is hung for a killed process is cut off with a traceback that means nothing here.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    global _sandbox  # noqa: PLW0603 - one sandbox a worker process
    _sandbox = Sandbox()
    _sandbox.__enter__()


def play(cell: cells.Cell) -> list[str]:
    assert _sandbox is not None
    try:
        return cells.play(_sandbox, cell)
    except Exception as error:  # noqa: BLE001 - a cell that breaks is a failed cell
        return [f"{type(error).__name__}: {error}"]


def kill(end: signals.End) -> list[str]:
    try:
        return signals.play(end)
    except Exception as error:  # noqa: BLE001 - as above
        return [f"{type(error).__name__}: {error}"]
