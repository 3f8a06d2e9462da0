"""Concurrent runs, interleaved at their outside calls in a given order."""

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, TypeVar

import httpx2
import requests.adapters

from batch_action.cli.main import enter
from tests.harness.workflow import WorkflowHarness

T = TypeVar("T")


class Turns:
    """Lets exactly one run proceed at a time; the next one is chosen at each outside call."""

    def __init__(self, names: Sequence[str], choose: Callable[[int], int]) -> None:
        self._turn = threading.Condition()
        self._names = frozenset(names)
        self._alive = list(names)
        self._choose = choose
        self._current = self._next()

    def _next(self) -> str | None:
        return self._alive[self._choose(len(self._alive))] if self._alive else None

    def wait(self, name: str) -> None:
        """Wait until it is this run's turn."""
        with self._turn:
            self._turn.wait_for(lambda: self._current == name)

    def pass_turn(self, name: str) -> None:
        """Let the next run proceed, perhaps the same; other threads of a run are not stopped."""
        with self._turn:
            if name not in self._names:
                return
            self._current = self._next()
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._current == name)

    def end(self, name: str) -> None:
        """Remove a run that has ended."""
        with self._turn:
            self._alive.remove(name)
            self._current = self._next()
            self._turn.notify_all()


@contextmanager
def interleave(turns: Turns) -> Iterator[None]:
    """Pass the turn before every outside call of a run's thread."""
    handle, send = httpx2.HTTPTransport.handle_request, requests.adapters.HTTPAdapter.send

    def over_httpx2(transport: Any, request: Any) -> Any:
        turns.pass_turn(threading.current_thread().name)
        return handle(transport, request)

    def over_requests(adapter: Any, request: Any, **options: Any) -> Any:
        turns.pass_turn(threading.current_thread().name)
        return send(adapter, request, **options)

    httpx2.HTTPTransport.handle_request = over_httpx2  # type: ignore[method-assign]
    requests.adapters.HTTPAdapter.send = over_requests  # type: ignore[method-assign]
    try:
        yield
    finally:
        httpx2.HTTPTransport.handle_request = handle  # type: ignore[method-assign]
        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]


def run_concurrently(
    workflow: WorkflowHarness,
    modes: Sequence[str],
    choose: Callable[[int], int],
    inputs: Sequence[Mapping[str, str]] = (),
) -> list[int]:
    """Run these modes concurrently, each as a workflow run of its own; return their exit codes."""
    names = [f"{number}-{mode}" for number, mode in enumerate(modes)]
    steps = [
        (run := workflow.open({}), workflow.step(run, mode, **more))
        for mode, more in zip_longest(modes, inputs, fillvalue={})
    ]
    turns = Turns(names, choose)
    codes: dict[str, int] = {}

    def run_mode(name: str, environ: dict[str, str]) -> None:
        turns.wait(name)
        try:
            codes[name] = enter(
                ["action"],
                environ,
                clock=workflow.now,
                sleep=workflow.advance,  # how long a run waits matters to the others
                write_interval=0.0,
            )
        finally:
            turns.end(name)

    output = io.StringIO()
    with interleave(turns), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        threads = [
            threading.Thread(target=run_mode, args=(name, environ), name=name)
            for name, (_, environ) in zip(names, steps, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    for run, _ in steps:
        workflow.sandbox.github.finish_run(run)
    assert "Traceback" not in output.getvalue(), output.getvalue()
    return [codes[name] for name in names]
