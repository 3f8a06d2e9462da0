"""The HTTP client of GitHub's REST and GraphQL APIs: authorized, throttled, never writing twice."""

import logging
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException

from batch_action.clients.github.comparison import parse_comparison
from batch_action.clients.github.errors import (
    LostResponseError,
    RefusedError,
    error_of,
    is_rate_limited,
)
from batch_action.clients.github.responses import (
    decode_json,
    error_message,
    next_page_query,
    rate_limit_wait,
    retry_policy,
)
from batch_action.clients.http import connection_fix
from batch_action.errors import ConfigError, GitHubError
from batch_action.models.files import FileChange
from batch_action.models.github import Repository

API_VERSION = "2022-11-28"
# No listing of ours has more; it also ends a loop when a server's pages link in a circle.
_MAX_PAGES = 100
ACTIONS_BOT = "github-actions[bot]"
"""The account that a workflow's token acts as."""


class GitHubClient:
    """A client of one repository's API, which raises every failure as a `GitHubError`.

    GET and DELETE are retried after a 5xx or a broken connection; POST, PATCH and PUT only after a
    rate limit, when nothing was carried out. Use as a context manager, or `close()`.
    """

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        repository: str,
        graphql_url: str | None = None,
        timeout: int = 30,
        write_interval: float = 1.0,
        max_rate_limit_wait: float = 120.0,
    ) -> None:
        """Prepare requests to one repository.

        Args:
            token: a workflow's or a person's token.
            api_url: base URL of the REST API.
            repository: `owner/name`.
            graphql_url: URL of the GraphQL API, derived from `api_url` if not given.
            timeout: seconds for one request.
            write_interval: seconds between two writes.
            max_rate_limit_wait: seconds; a longer rate limit is an error.

        Raises:
            ConfigError: the token is empty, or a URL or the name is invalid.
        """
        if not token:
            raise ConfigError(
                "`github-token` is empty.", fix="Set it, or leave the input out of the workflow."
            )
        url = urlsplit(api_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError(f"GITHUB_API_URL is no URL: {api_url!r}.")
        if repository.count("/") != 1:
            raise ConfigError(f"The repository must be `owner/name`, not {repository!r}.")
        self.repository = repository
        self.api_url = api_url.rstrip("/")
        self.write_interval = write_interval
        self.timeout = timeout
        self._max_wait = max_rate_limit_wait
        # On import PyGithub sets its logger to INFO, which writes every refusal to stderr.
        logging.getLogger("github").setLevel(logging.WARNING)
        self._github = Github(
            auth=Auth.Token(token),
            base_url=self.api_url,
            timeout=timeout,
            user_agent="batch-action",
            per_page=100,
            retry=retry_policy(max_rate_limit_wait),
            seconds_between_requests=min(0.25, write_interval),
            seconds_between_writes=write_interval,
            api_version=API_VERSION,
        )
        self._requester = self._github.requester
        self._graphql_url = graphql_url or self._requester.graphql_url
        if urlsplit(self._graphql_url).netloc != url.netloc:
            raise ConfigError("GITHUB_GRAPHQL_URL and GITHUB_API_URL must name the same host.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._github.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        input: Any = None,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request and return its response's JSON, None for an empty response.

        `path` is absolute below the API (`/user`), or relative to the repository (`issues/5`, the
        empty string for the repository itself).

        Raises:
            RefusedError: GitHub responded with an error.
            LostResponseError: no response came to a write.
        """
        _, _, data = self._send_with_retries(
            method, self._absolute(path), input, parameters, headers
        )
        return data

    def paginate(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages of a listing; `key`: the list's key inside an object."""
        query: dict[str, Any] | None = {"per_page": 100, **(parameters or {})}
        for _ in range(_MAX_PAGES):
            _, headers, data = self._send_with_retries(
                "GET", self._absolute(path), None, query, None
            )
            items = data[key] if key else data
            yield from items
            query = next_page_query(headers.get("link", ""))
            if query is None:
                return

    def redirect_location(self, path: str) -> str | None:
        """Return the URL that a GET redirects to, without following it; None when it is gone."""
        try:
            status, headers, _ = self._send_with_retries(
                "GET", self._absolute(path), None, None, None
            )
        except RefusedError as refused:
            if refused.status in (404, 410):
                return None
            raise
        if "location" not in headers:
            raise GitHubError(f"GitHub answered {status} to GET {path}, without a redirect URL.")
        return headers["location"]

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL query or mutation and return its `data`.

        Raises:
            RefusedError: the response has `errors`, or no `data`.
        """
        body = {"query": query, "variables": dict(variables or {})}
        _, _, response = self._send_with_retries("POST", self._graphql_url, body, None, None)
        if not isinstance(response, dict) or response.get("errors") or "data" not in response:
            errors = response.get("errors") if isinstance(response, dict) else None
            message = "; ".join(str(error.get("message", "")) for error in errors or [])
            problem = f"GitHub's GraphQL API refused: {message or 'no data'}."
            raise RefusedError(problem, status=200, message=message)
        data: dict[str, Any] = response["data"]
        return data

    def repository_info(self) -> Repository:
        """Return the repository's properties; needs no more than `metadata: read`."""
        data = self.request("GET", "")
        return Repository(
            id=str(data["id"]),
            private=bool(data.get("private", True)),
            default_branch=str(data.get("default_branch") or "main"),
            has_issues=bool(data.get("has_issues", True)),
        )

    def viewer(self) -> str:
        """Return the login that our token acts as, as REST spells it.

        A workflow token may not GET /user (403), so GraphQL comes first. A server that supports
        neither only serves workflow tokens: then the login is the workflow's bot.
        """
        try:
            login = self._viewer_login()
        except LostResponseError as lost:
            # Never guess: our login decides whose issues we trust.
            try:
                login = str(self.request("GET", "/user")["login"])
            except RefusedError:
                raise lost from None
        except (RefusedError, KeyError, TypeError):
            try:
                login = str(self.request("GET", "/user")["login"])
            except RefusedError as refused:
                if refused.status not in (403, 404, 405):
                    raise
                login = ACTIONS_BOT
        return ACTIONS_BOT if login == "github-actions" else login

    def _viewer_login(self) -> str:
        query = "{ viewer { login } }"
        try:
            data = self.graphql(query)
        except LostResponseError:
            # A query changes nothing: unlike a mutation it may be repeated.
            data = self.graphql(query)
        return str(data["viewer"]["login"])

    def compare(self, base: str, head: str, *, forked: bool = False) -> list[FileChange]:
        """Return what changed from `base` to `head`, for a clone that is too shallow to tell.

        GitHub compares from the merge base and lists at most 300 files. Modes and the blobs of
        `base` are missing: see `parse_comparison`.

        Raises:
            GitHubError: the list is incomplete; or, unless `forked` (what `head` changed since it
                left `base` is wanted), it is not the difference between the two trees.
        """
        data = self.request("GET", f"compare/{base}...{head}", parameters={"per_page": 1})
        return parse_comparison(data, base, head, forked=forked)

    def _absolute(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"/repos/{self.repository}/{path}".rstrip("/")

    def _send_with_retries(
        self,
        method: str,
        path: str,
        input: Any,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[int, dict[str, str], Any]:
        for is_last in (False, False, True):
            status, received, data = self._send(method, path, input, parameters, headers)
            message = error_message(data)
            if status < 300 or (status == 302 and "location" in received):  # noqa: PLR2004 - HTTP
                return status, received, data
            wait = rate_limit_wait(received)
            can_wait = is_rate_limited(status, received, message) and wait <= self._max_wait
            if is_last or method == "GET" or not can_wait:
                raise error_of(status, received, message, method, urlsplit(path).path)
            time.sleep(wait)
        raise AssertionError  # pragma: no cover - the last attempt raises or returns

    def _send(
        self,
        method: str,
        path: str,
        input: Any,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[int, dict[str, str], Any]:
        """Send one request through PyGithub and translate its exceptions into ours."""
        try:
            status, received, text = self._requester.requestJson(
                method, path, dict(parameters or {}), dict(headers or {}), input
            )
        except GithubException as error:
            received = {str(k).lower(): str(v) for k, v in (error.headers or {}).items()}
            raise error_of(
                error.status, received, error_message(error.data), method, path
            ) from error
        except (requests.RequestException, OSError) as error:
            problem = f"GitHub did not answer {method} {path}: {type(error).__name__}."
            fix = connection_fix(
                error, f"Check that {self.api_url} can be reached; the next run goes on."
            )
            if method in ("GET", "DELETE"):
                raise GitHubError(problem, fix=fix) from error
            raise LostResponseError(problem, fix=fix) from error
        except (AssertionError, RuntimeError) as error:
            raise GitHubError(
                f"GitHub redirected {method} {path} to another host: {error}"
            ) from error
        return status, {k: str(v) for k, v in received.items()}, decode_json(text)
