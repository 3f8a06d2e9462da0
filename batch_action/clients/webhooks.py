"""Incoming webhooks of other services: one POST each, tried again while that cannot double it.

An address is a secret: whoever has it can post there. It stands in no sentence and in no log.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx2
from standardwebhooks import Webhook

_PAUSES = (1.0, 4.0, 10.0)
_LONGEST_PAUSE = 30.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
_LONGEST_REASON = 200


class UndeliveredError(Exception):
    """The receiver refused the message, or could not be reached; its text names no address."""


class Webhooks:
    """Posts messages to addresses that are secret; follows no redirect."""

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, timeout: float = 10.0
    ) -> None:
        self._sleep = sleep
        self._timeout = timeout

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, repeatable: bool) -> None:
        """Post JSON. *repeatable*: the receiver drops a message that it gets twice.

        Raises UndeliveredError, after a few tries where the trouble may pass.
        """
        # At INFO it logs every address.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        given = {"content-type": "application/json", "user-agent": "batch-action", **headers}
        with httpx2.Client(timeout=self._timeout, headers=given) as client:
            for pause in (*_PAUSES, None):
                problem, wait = self._send(client, url, body, repeatable=repeatable)
                if not problem:
                    return
                if wait is None or pause is None:
                    raise UndeliveredError(problem)
                self._sleep(min(max(pause, wait), _LONGEST_PAUSE))

    def _send(
        self, client: httpx2.Client, url: str, body: bytes, *, repeatable: bool
    ) -> tuple[str, float | None]:
        """What went wrong (empty: nothing), and how long to wait before another try, if ever."""
        try:
            with client.stream("POST", url, content=body) as answer:
                if answer.is_success:
                    return "", None
                said = _said(answer)
                wait = _wait(answer) if answer.status_code in _AGAIN else None
                return f"it answered {answer.status_code}{said}", wait
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return f"it cannot be reached ({type(error).__name__})", 0.0
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # It may have been read: only a receiver that knows ids may get it again.
            return f"its answer was lost ({type(error).__name__})", 0.0 if repeatable else None


def signature(secret: str, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks specification."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        # It takes any moment for UTC.
        "webhook-signature": Webhook(secret).sign(id, at.astimezone(UTC), body.decode()),
    }


def _said(answer: httpx2.Response) -> str:
    """A word or two of the answer: Slack names the reason there."""
    try:
        start = next(answer.iter_bytes(_LONGEST_REASON), b"")
    except httpx2.HTTPError:
        return ""
    words = start.decode("utf-8", "replace").strip()
    return f" ({words})" if words.isascii() and words.replace("_", "").isalnum() else ""


def _wait(answer: httpx2.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0
