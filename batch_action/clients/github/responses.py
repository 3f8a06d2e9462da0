"""Parsing of GitHub's responses (JSON, error message, next page), and the retry policy."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from github import GithubException
from github.GithubRetry import GithubRetry
from urllib3.response import BaseHTTPResponse

from batch_action.clients.http import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, RETRIED_STATUSES


class CappedRetry(GithubRetry):
    """PyGithub's retry policy, which also gives up on a `Retry-After` beyond the longest wait."""

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *args: Any, **more: Any
    ) -> Any:
        """Raise GithubException for such a response; see urllib3 for the rest."""
        if isinstance(response, BaseHTTPResponse) and self.max_rate_limit_wait is not None:
            after = response.headers.get("Retry-After", "")
            if after.isdigit() and int(after) > self.max_rate_limit_wait:
                raise GithubException(response.status, None, dict(response.headers))
        return super().increment(method, url, response, *args, **more)


def retry_policy(max_wait: float) -> CappedRetry:
    """Return a policy that repeats GET and DELETE as `Retries` does, and never a write.

    It retries after a 5xx, a 429 and a broken connection. `max_wait`: seconds; a rate limit that
    lasts longer is an error at once.
    """
    return CappedRetry(
        max_rate_limit_wait=max_wait,
        total=MAX_ATTEMPTS - 1,
        # Other errors would be retried whatever the method.
        other=0,
        backoff_factor=0.5,
        backoff_max=MAX_PAUSE_SECONDS,
        allowed_methods=frozenset({"GET", "HEAD", "DELETE"}),
        status_forcelist=list(RETRIED_STATUSES),
        raise_on_status=False,
    )


def rate_limit_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds until a rate limit ends; a minute without headers, as GitHub advises."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, int(reset) - time.time()) + 1
    return 60.0


def next_page_query(link: str) -> dict[str, Any] | None:
    """Return the query of the `rel="next"` URL in a Link header; None on the last page."""
    for part in link.split(","):
        url, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return dict(parse_qsl(urlsplit(url.strip(" <>")).query, keep_blank_values=True))
    return None


def decode_json(text: str) -> Any:
    """Parse a body as JSON; other text (a proxy's page) becomes a `message`."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return {"message": text[:200]}


def error_message(data: Any) -> str:
    """Return the `message` of an error's body, with its `errors` appended."""
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
