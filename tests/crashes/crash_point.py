"""Simulate a crash in the middle of a call: before it is sent, or before its response arrives.

The crash is an exception that nothing catches, and no further call is sent: what `finally` blocks
still try has no effect, as after a SIGKILL.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import httpx2
import requests.adapters

T = TypeVar("T")


class SimulatedCrash(BaseException):
    """The process has crashed."""


class CrashPoint:
    """Records every outside call, and crashes at one of them."""

    def __init__(self, at: int | str | None = None, when: str = "before") -> None:
        """`at`: the number of a call, from 0, or the name of one."""
        self.at = at
        self.when = when
        self.calls: list[str] = []
        self.crashed = False

    def call(self, label: str, act: Callable[[], T]) -> T:
        """Make the call, or crash before or after it."""
        if self.crashed:
            raise SimulatedCrash
        number = len(self.calls)
        self.calls.append(label)
        self._perhaps(number, label, "before")
        answer = act()
        self._perhaps(number, label, "after")
        return answer

    def _perhaps(self, number: int, label: str, when: str) -> None:
        if self.at in (number, label) and self.when == when:
            self.crashed = True
            raise SimulatedCrash

    @contextmanager
    def installed(self, *files: Path) -> Iterator["CrashPoint"]:
        """Intercept both HTTP stacks, and writes to the files that the runner reads."""
        handle, send, opened = (
            httpx2.HTTPTransport.handle_request,
            requests.adapters.HTTPAdapter.send,
            Path.open,
        )
        watched = {path.resolve() for path in files}

        def over_httpx2(transport: Any, request: Any) -> Any:
            label = label_of(request.method, str(request.url))
            return self.call(label, lambda: handle(transport, request))

        def over_requests(adapter: Any, request: Any, **options: Any) -> Any:
            label = label_of(request.method, request.url)
            return self.call(label, lambda: send(adapter, request, **options))

        def into_file(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            if mode[0] not in "aw" or path.resolve() not in watched:
                return opened(path, mode, *args, **options)
            return self.call(
                f"write {path.name[:14]}", lambda: opened(path, mode, *args, **options)
            )

        httpx2.HTTPTransport.handle_request = over_httpx2  # type: ignore[method-assign]
        requests.adapters.HTTPAdapter.send = over_requests  # type: ignore[method-assign]
        Path.open = into_file  # type: ignore[method-assign,assignment]
        try:
            yield self
        finally:
            httpx2.HTTPTransport.handle_request = handle  # type: ignore[method-assign]
            requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]
            Path.open = opened  # type: ignore[method-assign]


def label_of(method: str, url: str) -> str:
    """Return a call's name without ids: equal for equal steps of different runs."""
    path = unquote(urlsplit(url).path)
    path = path.removeprefix("/api/v3").removeprefix("/twirp/github.actions.results.api.v1.")
    path = re.sub(r"^/repos/[^/]+/[^/]+", "", path)
    path = re.sub(r"^/actions-results/.*", "/blob", path)
    path = re.sub(r"msgbatch_[A-Za-z0-9]+", "{batch}", path)
    return f"{method} {re.sub(r'/[0-9]+', '/{n}', path)}"
