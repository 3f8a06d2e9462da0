"""Death in the middle of a call: the process is gone before it is sent, or before it is answered.

In process a death is an exception that nothing catches, after which no further call gets out: what
`finally` blocks still try reaches nobody, as after a SIGKILL.
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


class Death(BaseException):
    """This process is no more."""


class Reaper:
    """Counts every outside call, and dies at one of them."""

    def __init__(self, at: int | str | None = None, when: str = "before") -> None:
        """`at`: the number of a call, from 0, or the name of one."""
        self.at = at
        self.when = when
        self.calls: list[str] = []
        self.dead = False

    def call(self, label: str, act: Callable[[], T]) -> T:
        """Do it, or die before or after it."""
        if self.dead:
            raise Death
        number = len(self.calls)
        self.calls.append(label)
        self._perhaps(number, label, "before")
        answer = act()
        self._perhaps(number, label, "after")
        return answer

    def _perhaps(self, number: int, label: str, when: str) -> None:
        if self.at in (number, label) and self.when == when:
            self.dead = True
            raise Death

    @contextmanager
    def watching(self, *files: Path) -> Iterator["Reaper"]:
        """Stand before the world: both HTTP stacks, and the files the runner reads."""
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
    """A call's name without the ids in it: equal for equal steps of different runs."""
    path = unquote(urlsplit(url).path)
    path = path.removeprefix("/api/v3").removeprefix("/twirp/github.actions.results.api.v1.")
    path = re.sub(r"^/repos/[^/]+/[^/]+", "", path)
    path = re.sub(r"^/actions-results/.*", "/blob", path)
    path = re.sub(r"msgbatch_[A-Za-z0-9]+", "{batch}", path)
    return f"{method} {re.sub(r'/[0-9]+', '/{n}', path)}"
