"""The one connection to GitHub: authorised, throttled, never writing twice."""

import logging
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException

from batch_action.clients.github.comparison import changes
from batch_action.clients.github.errors import LostAnswerError, RefusedError, rate_limited, refusal
from batch_action.clients.github.responses import (
    decoded,
    next_query,
    retry_policy,
    said_in,
    wait_of,
)
from batch_action.errors import ConfigError, GitHubError
from batch_action.models.files import FileChange
from batch_action.models.github import RepositoryInfo

API_VERSION = "2022-11-28"
# Nothing we read has more: a server that links its pages in a circle must not hold us for ever.
_MAX_PAGES = 100
BOT = "github-actions[bot]"
"""Whom a workflow's token acts as."""


class GitHubClient:
    """Requests to one repository's API, with every failure as a `GitHubError`.

    GET and DELETE are repeated on 5xx and broken connections; POST, PATCH and PUT never are, but
    for a rate limit, which says that nothing was done. Use as a context manager, or `close()`.
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
        """Raise ConfigError for an empty token, or an address or name that cannot be one."""
        if not token:
            raise ConfigError(
                "`github-token` is empty.", fix="Give it, or leave the input out of the workflow."
            )
        address = urlsplit(api_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(f"GITHUB_API_URL is no web address: {api_url!r}.")
        if repository.count("/") != 1:
            raise ConfigError(f"The repository must be `owner/name`, not {repository!r}.")
        self.repository = repository
        self.api_url = api_url.rstrip("/")
        self.write_interval = write_interval
        self.timeout = timeout
        self._max_wait = max_rate_limit_wait
        # On import it sets itself to INFO and writes every refusal to stderr.
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
        if urlsplit(self._graphql_url).netloc != address.netloc:
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
        """Send one request and give the decoded JSON of its answer, None for an empty one.

        `path` is absolute below the API (`/user`), or relative to the repository (`issues/5`, the
        empty string for the repository itself). Raises RefusedError with the status, and
        LostAnswerError for a write whose answer was lost.
        """
        _, _, data = self._answer(method, self._at(path), input, parameters, headers)
        return data

    def pages(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give the items of a listing, of all its pages; `key` names the list inside an object."""
        query: dict[str, Any] | None = {"per_page": 100, **(parameters or {})}
        for _ in range(_MAX_PAGES):
            _, headers, data = self._answer("GET", self._at(path), None, query, None)
            items = data[key] if key else data
            yield from items
            query = next_query(headers.get("link", ""))
            if query is None:
                return

    def location(self, path: str) -> str | None:
        """Give the address a GET redirects to, without going there; None when it is gone."""
        try:
            status, headers, _ = self._answer("GET", self._at(path), None, None, None)
        except RefusedError as refused:
            if refused.status in (404, 410):
                return None
            raise
        if "location" not in headers:
            raise GitHubError(f"GitHub answered {status} to GET {path}, without an address.")
        return headers["location"]

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL query or mutation and give its `data`; RefusedError for its `errors`."""
        request_key = {"query": query, "variables": dict(variables or {})}
        _, _, answer = self._answer("POST", self._graphql_url, request_key, None, None)
        if not isinstance(answer, dict) or answer.get("errors") or "data" not in answer:
            errors = answer.get("errors") if isinstance(answer, dict) else None
            said = "; ".join(str(e.get("message", "")) for e in errors or [])
            problem = f"GitHub's GraphQL API refused: {said or 'no data'}."
            raise RefusedError(problem, status=200, said=said)
        data: dict[str, Any] = answer["data"]
        return data

    def repository_facts(self) -> RepositoryInfo:
        """Ask what kind of repository this is; needs no more than `metadata: read`."""
        data = self.request("GET", "")
        return RepositoryInfo(
            id=str(data["id"]),
            private=bool(data.get("private", True)),
            default_branch=str(data.get("default_branch") or "main"),
            has_issues=bool(data.get("has_issues", True)),
        )

    def viewer(self) -> str:
        """Give the login our token acts as, as REST spells it.

        A workflow token may not GET /user (403), so GraphQL is asked first. A server that knows
        neither only serves workflow tokens: then it is the workflow's bot.
        """
        try:
            login = self._viewer_login()
        except LostAnswerError as lost:
            # Never guessed: whom we take ourselves for decides whose issues we believe.
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
                login = BOT
        return BOT if login == "github-actions" else login

    def _viewer_login(self) -> str:
        query = "{ viewer { login } }"
        try:
            data = self.graphql(query)
        except LostAnswerError:
            # A question changes nothing: unlike a mutation it may be put again.
            data = self.graphql(query)
        return str(data["viewer"]["login"])

    def compare(self, base: str, head: str, *, forked: bool = False) -> list[FileChange]:
        """Give what changed from `base` to `head`, when the local clone is too shallow to tell.

        GitHub compares from the merge base and stops at 300 files: GitHubError naming
        `fetch-depth: 0` where its answer would not be the difference of the two trees, unless
        *forked*: what `head` changed since it left `base` is wanted. Modes and the blobs of `base`
        are not told: see `comparing.changes`.
        """
        data = self.request("GET", f"compare/{base}...{head}", parameters={"per_page": 1})
        return changes(data, base, head, forked=forked)

    def _at(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"/repos/{self.repository}/{path}".rstrip("/")

    def _answer(
        self,
        method: str,
        path: str,
        input: Any,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[int, dict[str, str], Any]:
        for last in (False, False, True):
            status, got, data = self._send(method, path, input, parameters, headers)
            said = said_in(data)
            if status < 300 or (status == 302 and "location" in got):  # noqa: PLR2004 - HTTP
                return status, got, data
            wait = wait_of(got)
            limited = rate_limited(status, got, said) and wait <= self._max_wait
            if last or method == "GET" or not limited:
                raise refusal(status, got, said, method, urlsplit(path).path)
            time.sleep(wait)
        raise AssertionError  # pragma: no cover - the last round raises or returns

    def _send(
        self,
        method: str,
        path: str,
        input: Any,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[int, dict[str, str], Any]:
        """Pass one request to PyGithub; its exceptions are turned into ours here and only here."""
        try:
            status, got, text = self._requester.requestJson(
                method, path, dict(parameters or {}), dict(headers or {}), input
            )
        except GithubException as error:
            got = {str(k).lower(): str(v) for k, v in (error.headers or {}).items()}
            raise refusal(error.status, got, said_in(error.data), method, path) from error
        except (requests.RequestException, OSError) as error:
            problem = f"GitHub did not answer {method} {path}: {type(error).__name__}."
            fix = f"Check that {self.api_url} can be reached; the next run goes on."
            if method in ("GET", "DELETE"):
                raise GitHubError(problem, fix=fix) from error
            raise LostAnswerError(problem, fix=fix) from error
        except (AssertionError, RuntimeError) as error:
            raise GitHubError(f"GitHub sent {method} {path} to a foreign place: {error}") from error
        return status, {k: str(v) for k, v in got.items()}, decoded(text)
