"""Outgoing webhooks: one POST each, retried while that cannot deliver a message twice.

A URL is a secret, because whoever has it can post there: no message and no log contains it.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx2
from standardwebhooks import Webhook

from batch_action.clients.http import RETRIED_STATUSES, LoggedClient, Retries, retry_after

_MAX_REASON_BYTES = 200


class UndeliveredError(Exception):
    """The receiver refused the message, or could not be reached; the text contains no URL."""


class Webhooks:
    """A client that posts messages to secret URLs and follows no redirect."""

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, timeout: float = 10.0
    ) -> None:
        self._sleep = sleep
        self._timeout = timeout

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, repeatable: bool) -> None:
        """Post JSON; `repeatable`: the receiver ignores a message that it gets twice.

        Raises:
            UndeliveredError: it was refused, or a temporary failure outlasted the retries.
        """
        # At INFO it logs every URL.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        all_headers = {"content-type": "application/json", "user-agent": "batch-action", **headers}
        with LoggedClient(timeout=self._timeout, headers=all_headers) as client:
            retries = Retries(self._sleep)
            while True:
                problem, wait = self._send(client, url, body, repeatable=repeatable)
                if not problem:
                    return
                if wait is None or not retries.wait(wait):
                    raise UndeliveredError(problem)

    def _send(
        self, client: httpx2.Client, url: str, body: bytes, *, repeatable: bool
    ) -> tuple[str, float | None]:
        """Return the problem (empty: none), and the seconds to wait before a retry, if any."""
        try:
            with client.stream("POST", url, content=body) as response:
                status = response.status_code
                start = _start_of(response)
                if response.is_success and not start.startswith("<"):
                    return "", None
                if response.is_success:
                    return f"it answered {status} with a page: a proxy, or a sign-in page?", None
                # Slack names the reason in one word.
                is_word = start.isascii() and start.replace("_", "").isalnum()
                reason = f" ({start})" if is_word else ""
                wait = retry_after(response.headers) if status in RETRIED_STATUSES else None
                return f"it answered {status}{reason}", wait
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return f"it cannot be reached ({type(error).__name__})", 0.0
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # It may have been received: only a receiver that compares ids may get it again.
            return f"its response was lost ({type(error).__name__})", 0.0 if repeatable else None


def signature_headers(secret: str, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        # The library takes any time zone for UTC.
        "webhook-signature": Webhook(secret).sign(id, at.astimezone(UTC), body.decode()),
    }


def _start_of(response: httpx2.Response) -> str:
    """Return the start of a response's text; empty when it cannot be read."""
    try:
        start = next(response.iter_bytes(_MAX_REASON_BYTES), b"")
    except httpx2.HTTPError:
        return ""
    return start.decode("utf-8", "replace").strip()
