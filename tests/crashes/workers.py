"""A worker process: run cells against its own sandbox."""

import logging

from batch_action.sandbox.server import Sandbox
from tests.crashes import cells, signals

_sandbox: Sandbox | None = None


def start_sandbox() -> None:
    # Uvicorn logs a traceback for the hanging call of a killed process.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    global _sandbox  # noqa: PLW0603 - one sandbox a worker process
    _sandbox = Sandbox()
    _sandbox.__enter__()


def run_cell(cell: cells.Cell) -> list[str]:
    assert _sandbox is not None
    try:
        return cells.run_cell(_sandbox, cell)
    except Exception as error:  # noqa: BLE001 - a cell that raises has failed
        return [f"{type(error).__name__}: {error}"]


def run_signal_case(case: signals.SignalCase) -> list[str]:
    try:
        return signals.run_case(case)
    except Exception as error:  # noqa: BLE001 - as above
        return [f"{type(error).__name__}: {error}"]
