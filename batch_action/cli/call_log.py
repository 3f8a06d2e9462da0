"""`--verbose`: print each HTTP call."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from batch_action.cli.invocation import Invocation
from batch_action.clients.actions_runner import Runner


@contextmanager
def printed_calls(invocation: Invocation) -> Iterator[None]:
    """Print each HTTP call, with `--verbose`."""
    if not invocation.output.verbose:
        yield
        return
    from batch_action.clients.http import CALLS

    handler = _CallPrinter(invocation.runner(invocation.workspace(None)))
    CALLS.addHandler(handler)
    CALLS.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        CALLS.removeHandler(handler)
        CALLS.setLevel(logging.NOTSET)


class _CallPrinter(logging.Handler):
    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self._runner = runner

    def emit(self, record: logging.LogRecord) -> None:
        self._runner.log(record.getMessage())
