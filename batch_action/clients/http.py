"""What all HTTP clients share: the record of each call, and when one is repeated."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Self

import httpx2

from batch_action.clients.network import without_user

CALLS = logging.getLogger("batch_action.http")
"""Gets a record of each call: method, host and path, status and duration."""
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
MAX_ATTEMPTS = 4
MAX_PAUSE_SECONDS = 30.0
# As GitHub's own client of artifacts: 3 s, then random within [3 * 1.5^n, 3 * 1.5^(n+1)).
_FIRST_PAUSE_SECONDS = 3.0
_PAUSE_FACTOR = 1.5


class Closeable:
    """A client with connections. Use it as a context manager, or `close()` it."""

    def close(self) -> None:
        """Close all connections."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LoggedCall:
    """Records a call in `CALLS` at the end of the block: set its `status`, else it is the error.

    A call that a library repeats is recorded once per attempt. Of the URL only host and path are
    recorded: a query may be a secret.
    """

    current: ContextVar["LoggedCall | None"] = ContextVar("current", default=None)

    def __init__(self, method: str, url: str) -> None:
        self._name = f"{method} {without_user(url)}"
        self._started = time.perf_counter()
        self.status: object = None

    def __enter__(self) -> Self:
        self._token = self.current.set(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.current.reset(self._token)
        failure = error and (getattr(error, "status", None) or type(error).__name__)
        self.record(self.status or failure)

    def record(self, status: object) -> None:
        """Record an attempt that ends now."""
        CALLS.debug("%s %s, %.2f s", self._name, status, time.perf_counter() - self._started)

    def restart(self) -> None:
        """Begin the next attempt."""
        self._started = time.perf_counter()


class LoggedClient(httpx2.Client):
    """An HTTP client that records each call."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:  # noqa: D102
        with LoggedCall(request.method, str(request.url)) as call:
            response = super().send(request, **options)
            call.status = response.status_code
            return response


class Retries:
    """The pauses between the attempts of one call: growing, and each at most `MAX_PAUSE_SECONDS`.

    Only for reads, and for writes that change nothing when they are repeated. PyGithub and
    Anthropic's SDK repeat reads themselves.
    """

    def __init__(self, sleep: Callable[[float], None], attempts: int = MAX_ATTEMPTS) -> None:
        self._sleep = sleep
        self._attempts = attempts
        self._failed = 0

    def wait(self, at_least: float = 0.0) -> bool:
        """Wait after a failed attempt; return False, without waiting, when it was the last one.

        `at_least`: the seconds of a `Retry-After`.
        """
        self._failed += 1
        if self._failed == self._attempts:
            return False
        pause = _FIRST_PAUSE_SECONDS
        if self._failed > 1:
            pause *= _PAUSE_FACTOR ** (self._failed - 1)
            pause = random.uniform(pause, pause * _PAUSE_FACTOR)  # noqa: S311 - spreads clients
        self._sleep(min(max(pause, at_least), MAX_PAUSE_SECONDS))
        return True


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a `Retry-After`, 0 without one or with a date."""
    value = headers.get("retry-after", "")
    return float(value) if value.replace(".", "", 1).isdecimal() else 0.0
