"""How an answer of GitHub is read: its JSON, its words, its next page, and when to come back."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from github import GithubException
from github.GithubRetry import GithubRetry
from urllib3.response import BaseHTTPResponse


class CappedRetry(GithubRetry):
    """PyGithub's retry, which also gives up at once on a `Retry-After` beyond the longest wait."""

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *args: Any, **more: Any
    ) -> Any:
        """Raise GithubException for such an answer; see urllib3 for the rest."""
        if isinstance(response, BaseHTTPResponse) and self.max_rate_limit_wait is not None:
            after = response.headers.get("Retry-After", "")
            if after.isdigit() and int(after) > self.max_rate_limit_wait:
                raise GithubException(response.status, None, dict(response.headers))
        return super().increment(method, url, response, *args, **more)


def retry_policy(max_wait: float) -> CappedRetry:
    """Repeat GET and DELETE thrice on 5xx, 429 and broken connections, and never a write.

    `max_wait`: seconds; a rate limit that lasts longer is an error at once.
    """
    return CappedRetry(
        max_rate_limit_wait=max_wait,
        total=3,
        # Errors that are neither connect nor read would be repeated whatever the method.
        other=0,
        backoff_factor=0.5,
        allowed_methods=frozenset({"GET", "HEAD", "DELETE"}),
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )


def wait_of(headers: Mapping[str, str]) -> float:
    """Seconds until a rate limit ends; a minute when GitHub does not say, as its docs ask."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, int(reset) - time.time()) + 1
    return 60.0


def next_query(link: str) -> dict[str, Any] | None:
    """Give the query of the `rel="next"` address in a Link header; None on the last page."""
    for part in link.split(","):
        address, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return dict(parse_qsl(urlsplit(address.strip(" <>")).query, keep_blank_values=True))
    return None


def decoded(text: str) -> Any:
    """Read a body as JSON; other text (a proxy's page) becomes a `message`."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return {"message": text[:200]}


def said_in(data: Any) -> str:
    """Give the `message` of an error's body, with its `errors` appended."""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    details = [
        str(e.get("message") or " ".join(str(e[k]) for k in ("field", "code") if k in e))
        if isinstance(e, dict)
        else str(e)
        for e in (errors if isinstance(errors, list) else [])
    ]
    return ": ".join([str(data.get("message") or ""), *filter(None, details)]).strip(": ")
