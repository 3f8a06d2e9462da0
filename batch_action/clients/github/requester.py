"""How PyGithub's objects and we send requests: one retry policy, and our errors."""

import json
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from github import GithubException
from github.GithubRetry import GithubRetry
from github.Requester import Requester
from urllib3.response import BaseHTTPResponse

from batch_action.clients.github.errors import (
    ForeignAnswerError,
    LostResponseError,
    error_of,
    is_rate_limited,
    rate_limit_wait,
)
from batch_action.clients.http import (
    MAX_ATTEMPTS,
    MAX_PAUSE_SECONDS,
    RETRIED_STATUSES,
    LoggedCall,
)
from batch_action.clients.network import connection_fix, without_user
from batch_action.errors import GitHubError
from batch_action.text import fit_body

_ACCEPTED, _MOVED, _FOUND = 202, 301, 302
# The paths that are answered with a JSON array; most others with an object.
_LISTINGS = re.compile(
    r"/(?:repos/[^/]+/[^/]+|repositories/\d+)/(?:issues|pulls|activity|commits/\w+/pulls"
    r"|(?:issues|pulls)/\d+/(?:comments|events|files|reviews)|code-scanning/(?:alerts|analyses)"
    r"|git/matching-refs/tags/\w+)"
)

_ISSUE = re.compile(r"(/repos/[^/]+/[^/]+)/issues/\d+")
_MOVED_ISSUE = re.compile(r"/repositories/(\d+)/issues/\d+")

# Each object of GitHub's has one of these.
_KEYS = frozenset({"id", "url", "sha", "permission", "processing_status", "workflow_run_id"}) | {
    *("commit",),  # a branch
    *("data", "errors"),  # GraphQL
    "runs",  # SARIF
    "commit",  # a branch
}


class CappedRetry(GithubRetry):
    """Repeats GET and DELETE as `Retries` does, and never a write.

    It retries after a 5xx, a 429 and a broken connection, but not after a `Retry-After` beyond
    `max_rate_limit_wait` (seconds). Two answers to a GET are left to us: PyGithub drops the query
    at a 301, and asks without end after a 202.
    """

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *args: Any, **more: Any
    ) -> Any:
        """Raise GithubException for such a response; see urllib3 for the rest."""
        call = LoggedCall.current.get()
        if isinstance(response, BaseHTTPResponse) and self.max_rate_limit_wait is not None:
            after = response.headers.get("Retry-After", "")
            is_too_long = after.isdigit() and int(after) > self.max_rate_limit_wait
            if is_too_long or response.status in (_ACCEPTED, _MOVED):
                raise GithubException(response.status, None, dict(response.headers))
        result = super().increment(method, url, response, *args, **more)
        if call:
            call.record(getattr(response, "status", None) or "no response")
        return result

    def sleep(self, response: Any = None) -> None:
        """Wait before the next attempt, which begins then."""
        super().sleep(response)
        if call := LoggedCall.current.get():
            call.restart()


def retry_policy(max_wait: float) -> CappedRetry:
    """Return the policy with our numbers; a rate limit longer than `max_wait` is an error."""
    return CappedRetry(
        max_rate_limit_wait=max_wait,
        total=MAX_ATTEMPTS - 1,
        # Other errors would be retried whatever the method.
        other=0,
        backoff_factor=0.5,
        backoff_max=MAX_PAUSE_SECONDS,
        allowed_methods=frozenset({"GET", "HEAD", "DELETE"}),
        status_forcelist=[*RETRIED_STATUSES, _ACCEPTED, _MOVED],
        raise_on_status=False,
    )


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


class CheckedRequester(Requester):
    """PyGithub's requester, which raises every failure as a `GitHubError` of ours.

    GET and DELETE are repeated after a 5xx or a broken connection; POST, PATCH and PUT only after a
    rate limit, when nothing was carried out.
    """

    max_wait: float
    """Seconds; a longer rate limit is an error."""
    hide: Callable[[str], str]
    """Replaces secrets in what is sent."""

    def requestJsonAndCheck(  # noqa: N802 - every object of PyGithub calls this
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        input: Any | None = None,
        follow_302_redirect: bool = False,  # noqa: ARG002 - never
    ) -> tuple[dict[str, Any], Any]:
        """Send a request and return the response's headers and JSON.

        Raises:
            RefusedError: GitHub responded with an error.
            LostResponseError: no response came to a write.
            ForeignAnswerError: the response is a success, but not one of GitHub's.
        """
        data = input
        if isinstance(input, dict) and isinstance(body := input.get("body"), str):
            # GitHub would refuse a body that is too long in every run.
            data = {**input, "body": fit_body(body)}
        status, received, data = self.send(verb, url, parameters, headers, data)
        path = self._path(url)
        if status >= 300:  # noqa: PLR2004 - HTTP
            raise error_of(status, received, "", verb, path)
        if not _is_plausible(verb, path, status, data):
            raise ForeignAnswerError(f"{verb} {path} was answered with {status} and another body")
        if verb == "GET" and isinstance(data, dict):
            data.setdefault("url", url)
        return received, data

    def send(
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        input: Any | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """Send a request; also return the status, which may be that of a redirect (302)."""
        path = self._path(url)
        for is_last in (False, False, True):
            status, received, data = self._send_once(verb, url, path, parameters, headers, input)
            message = error_message(data)
            if status < 300 or (status == _FOUND and "location" in received):  # noqa: PLR2004 - HTTP
                return status, received, data
            if status == _MOVED and self._is_ours(received.get("location", "")) and not is_last:
                if self._is_transferred(path, received["location"]):
                    raise error_of(410, received, "This issue was transferred", verb, path)
                # The repository was renamed: ask the same at its new address.
                query = urlsplit(url).query
                url = received["location"].partition("?")[0] + (f"?{query}" if query else "")
                continue
            wait = rate_limit_wait(received)
            can_wait = is_rate_limited(status, received, message) and wait <= self.max_wait
            if is_last or verb == "GET" or not can_wait:
                raise error_of(status, received, message, verb, path)
            time.sleep(wait)
        raise AssertionError  # pragma: no cover - the last attempt raises or returns

    def _send_once(
        self,
        verb: str,
        url: str,
        path: str,
        parameters: dict[str, Any] | None,
        headers: dict[str, str] | None,
        input: Any | None,
    ) -> tuple[int, dict[str, str], Any]:
        try:
            with LoggedCall(verb, url if "://" in url else f"{self.base_url}{path}") as call:
                status, received, text = self.requestJson(
                    verb, url, {**(parameters or {})}, {**(headers or {})},
                    self._without_secrets(input),
                )  # fmt: skip
                call.status = status
        except GithubException as error:
            received = {str(k).lower(): str(v) for k, v in (error.headers or {}).items()}
            if error.status in (_ACCEPTED, _MOVED):
                return error.status, received, None
            _check_refusal(error.status, received, error.data, verb, path)
            raise error_of(error.status, received, error_message(error.data), verb, path) from error
        except (requests.RequestException, OSError, ValueError, OverflowError) as error:
            problem = f"GitHub did not answer {verb} {path}: {type(error).__name__}."
            fix = f"Check that {without_user(self.base_url)} can be reached; the next run goes on."
            kind = GitHubError if verb in ("GET", "DELETE") else LostResponseError
            raise kind(problem, fix=connection_fix(error, fix)) from error
        except (AssertionError, RuntimeError) as error:
            raise GitHubError(
                f"GitHub redirected {verb} {path} to another host: {error}"
            ) from error
        received = {k: str(v) for k, v in received.items()}
        try:
            data = json.loads(text) if text else None
        except (ValueError, RecursionError):
            data = text
        _check_refusal(status, received, data, verb, path)
        return status, received, data

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {key: self._without_secrets(item) for key, item in value.items()}
        return [*map(self._without_secrets, value)] if isinstance(value, (list, tuple)) else value

    def _is_ours(self, location: str) -> bool:
        return location.startswith((f"{self.base_url}/", "/"))

    def _is_transferred(self, path: str, location: str) -> bool:
        """Return whether an issue is in another repository now: its number there is not ours.

        The redirects of a renamed repository keep the repository's id.
        """
        asked, moved = _ISSUE.match(path), _MOVED_ISSUE.search(location)
        if not (asked and moved):
            return False
        _, _, repository = self.send("GET", asked[1])
        return str(repository.get("id")) != moved[1]

    def _path(self, url: str) -> str:
        """Return the path below the API of a URL that we or GitHub made."""
        path = urlsplit(url).path
        return path if url.startswith("/") else path.removeprefix(urlsplit(self.base_url).path)


def _check_refusal(
    status: int, headers: Mapping[str, str], data: Any, verb: str, path: str
) -> None:
    """Raise ForeignAnswerError for a page of somebody on the way.

    Its 404 says nothing about GitHub's resource, its 403 nothing about our permissions. An error
    of GitHub's own has a `message`.
    """
    is_refusal = 400 <= status < 500 and not is_rate_limited(status, headers, "")  # noqa: PLR2004 - HTTP
    if (
        is_refusal
        and status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        and not (isinstance(data, dict) and "message" in data)
    ):
        raise ForeignAnswerError(f"{verb} {path} was refused with {status} and no reason")


def _is_plausible(verb: str, path: str, status: int, data: Any) -> bool:
    """Return whether a success has the kind of body that GitHub sends.

    A foreign object must not pass for an empty listing: nothing found means it is created again.
    """
    if verb == "DELETE" or (status == 204 and path.endswith("/dispatches")):  # noqa: PLR2004 - HTTP
        return True
    if verb == "GET" and path.endswith("/actions/artifacts"):
        data = data.get("artifacts") if isinstance(data, dict) else None
    elif verb == "GET" and _LISTINGS.fullmatch(path):
        pass
    elif isinstance(data, dict):
        return not _KEYS.isdisjoint(data)
    elif "/contents/" not in path and not path.endswith("/labels"):
        return False
    return isinstance(data, list) and all(isinstance(item, dict) for item in data)
