"""Several runs at one time, interleaved at their outside calls by a given order of turns."""

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import requests.adapters

from batch_action.cli.main import enter
from tests.harness.workflow import WorkflowHarness

T = TypeVar("T")


class Turns:
    """Exactly one run is under way at a time; at each outside call the next one is chosen."""

    def __init__(self, names: Sequence[str], choose: Callable[[int], int]) -> None:
        self._turn = threading.Condition()
        self._names = frozenset(names)
        self._alive = list(names)
        self._choose = choose
        self._current = self._next()

    def _next(self) -> str | None:
        return self._alive[self._choose(len(self._alive))] if self._alive else None

    def wait(self, name: str) -> None:
        """Until it is this run's turn."""
        with self._turn:
            self._turn.wait_for(lambda: self._current == name)

    def give(self, name: str) -> None:
        """Let somebody go on, perhaps the same. A run's own helpers go on while it has its turn."""
        with self._turn:
            if name not in self._names:
                return
            self._current = self._next()
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._current == name)

    def leave(self, name: str) -> None:
        """This run has ended."""
        with self._turn:
            self._alive.remove(name)
            self._current = self._next()
            self._turn.notify_all()


@contextmanager
def interleaved(turns: Turns) -> Iterator[None]:
    """Every outside call of a run's thread is preceded by a change of turns."""
    handle, send = httpx2.HTTPTransport.handle_request, requests.adapters.HTTPAdapter.send

    def over_httpx2(transport: Any, request: Any) -> Any:
        turns.give(threading.current_thread().name)
        return handle(transport, request)

    def over_requests(adapter: Any, request: Any, **options: Any) -> Any:
        turns.give(threading.current_thread().name)
        return send(adapter, request, **options)

    httpx2.HTTPTransport.handle_request = over_httpx2  # type: ignore[method-assign]
    requests.adapters.HTTPAdapter.send = over_requests  # type: ignore[method-assign]
    try:
        yield
    finally:
        httpx2.HTTPTransport.handle_request = handle  # type: ignore[method-assign]
        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]


def at_once(
    workflow: WorkflowHarness, modes: Sequence[str], choose: Callable[[int], int]
) -> list[int]:
    """Run these modes at one time, each as a workflow run of its own. Returns their exit codes."""
    names = [f"{number}-{mode}" for number, mode in enumerate(modes)]
    steps = [(run := workflow.open({}), workflow.step(run, mode)) for mode in modes]
    turns = Turns(names, choose)
    codes: dict[str, int] = {}

    def story(name: str, environ: dict[str, str]) -> None:
        turns.wait(name)
        try:
            codes[name] = enter(
                ["action"], environ, clock=workflow.now, sleep=lambda _: None, write_interval=0.0
            )
        finally:
            turns.leave(name)

    noise = io.StringIO()
    with interleaved(turns), contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
        threads = [
            threading.Thread(target=story, args=(name, environ), name=name)
            for name, (_, environ) in zip(names, steps, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    for run, _ in steps:
        workflow.sandbox.github.finish_run(run)
    assert "Traceback" not in noise.getvalue(), noise.getvalue()
    return [codes[name] for name in names]
