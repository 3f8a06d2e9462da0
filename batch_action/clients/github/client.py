"""The HTTP client of GitHub's REST and GraphQL APIs: authorized, throttled, never writing twice."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit

from github import Auth
from github.GithubObject import CompletableGithubObject, GithubObject
from github.Issue import Issue
from github.IssueComment import IssueComment
from github.PaginatedList import PaginatedList
from github.PullRequest import PullRequest
from github.PullRequestComment import PullRequestComment
from github.Repository import Repository as GithubRepository

from batch_action.clients.github.errors import (
    ForeignAnswerError,
    Ignored,
    LostResponseError,
    RefusedError,
    checked,
    reads,
)
from batch_action.clients.github.requester import CheckedRequester, error_message, retry_policy
from batch_action.clients.http import Closeable
from batch_action.clients.network import without_user
from batch_action.errors import ConfigError, GitHubError, advice, full_history
from batch_action.models.files import ChangeType, FileChange
from batch_action.models.github import ACTIONS_BOT, Repository

API_VERSION = "2022-11-28"
_PAGE_SIZE = 100
# No listing of ours has more; it ends the loop when a server's pages link in a circle.
_MAX_PAGES = 100

T = TypeVar("T", bound=GithubObject)
# https://docs.github.com/rest/commits/commits#compare-two-commits
_MAX_FILES = 300
_CHANGE_TYPES = {
    "added": ChangeType.ADDED,
    "modified": ChangeType.MODIFIED,
    "removed": ChangeType.DELETED,
    "renamed": ChangeType.RENAMED,
    "copied": ChangeType.COPIED,
    "changed": ChangeType.TYPE_CHANGED,
}

Editable = Issue | IssueComment | PullRequest | PullRequestComment


@checked
class GitHubClient(Closeable):
    """A client of one repository's API, which raises every failure as a `GitHubError`.

    `repo` is PyGithub's object; where that has no method, or a wrong one, use `request`.
    """

    def __init__(
        self,
        token: str | None,
        *,
        api_url: str,
        repository: str,
        timeout: int = 30,
        write_interval: float = 1.0,
        max_rate_limit_wait: float = 120.0,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Prepare requests to one repository.

        Args:
            token: a workflow's or a person's token; None reads what is public.
            api_url: base URL of the REST API.
            repository: `owner/name`.
            timeout: seconds for one request.
            write_interval: seconds between two writes.
            max_rate_limit_wait: seconds; a longer rate limit is an error.
            hide: replaces secrets in what is sent.

        Raises:
            ConfigError: the token is empty, or a URL or the name is invalid.
        """
        if token is not None and not token:
            raise ConfigError(
                "`github-token` is empty.",
                fix=advice("Set it, or leave the input out.", "Set or unset GITHUB_TOKEN."),
            )
        url = urlsplit(api_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError(f"GITHUB_API_URL is no URL: {without_user(api_url)!r}.")
        if repository.count("/") != 1:
            raise ConfigError(f"The repository must be `owner/name`, not {repository!r}.")
        self.repository = repository
        self.api_url = api_url.rstrip("/")
        self.write_interval = write_interval
        self.timeout = timeout
        # On import PyGithub sets its logger to INFO, which writes every refusal to stderr.
        logging.getLogger("github").setLevel(logging.WARNING)
        self._requester = CheckedRequester(
            auth=None if token is None else Auth.Token(token),
            base_url=self.api_url,
            timeout=timeout,
            user_agent="batch-action",
            per_page=_PAGE_SIZE,
            verify=True,
            retry=retry_policy(max_rate_limit_wait),
            pool_size=None,
            seconds_between_requests=min(0.25, write_interval),
            seconds_between_writes=write_interval,
            lazy=True,
            api_version=API_VERSION,
        )
        self._requester.max_wait = max_rate_limit_wait
        self._requester.hide = hide
        self.repo = GithubRepository(self._requester, url=f"/repos/{repository}")

    def close(self) -> None:  # noqa: D102 - see the base class
        self._requester.close()

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
        empty string for the repository itself). Errors as of `CheckedRequester`.
        """
        _, data = self._requester.requestJsonAndCheck(
            method, self._absolute(path), dict(parameters or {}), dict(headers or {}), input
        )
        return data

    def paginate(
        self, path: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the raw items of a listing for which PyGithub has no objects."""
        url, query = self._absolute(path), dict(parameters or {})
        return self.items(PaginatedList(_raw_item, self._requester, url, query))  # type: ignore[arg-type,type-var]

    def items(self, listing: PaginatedList[T]) -> Iterator[T]:
        """Yield all items of a listing; what GitHub left out of one is None, without a request.

        Raises:
            ForeignAnswerError: its pages link in a circle.
        """
        return chain.from_iterable(self.pages(listing))

    def pages(self, listing: PaginatedList[T]) -> Iterator[list[T]]:
        """Yield the same page by page, each when it is needed."""
        pages = 0
        while listing._couldGrow():  # noqa: SLF001 - the iterator has no end when no page has items
            if pages == _MAX_PAGES:
                raise ForeignAnswerError(f"a list has more than {_MAX_PAGES} pages")
            items = listing._grow()  # noqa: SLF001
            for item in items:
                if isinstance(item, CompletableGithubObject):
                    item._set_complete()  # noqa: SLF001 - else each absent key costs a request
            yield items
            pages += 1

    def edit(self, item: Editable, **changes: Any) -> None:
        """Change an object; after a lost response, check whether it was changed."""
        try:
            item.edit(**changes)
        except LostResponseError:
            data = self._requester.requestJsonAndCheck("GET", item.url)[1]
            if any(str(data.get(key) or "").strip() != changes[key].strip() for key in changes):
                raise

    def react(self, item: IssueComment | PullRequestComment, content: str) -> None:
        """React to a comment; retried, because a repeated reaction changes nothing."""
        try:
            item.create_reaction(content)
        except LostResponseError:
            item.create_reaction(content)

    def redirect_location(self, path: str) -> str | None:
        """Return the URL that a GET redirects to, without following it; None when it is gone."""
        with Ignored(404, 410):
            status, headers, _ = self._requester.send("GET", self._absolute(path))
            if "location" not in headers:
                problem = f"GitHub answered {status} to GET {path}, without a redirect URL."
                raise GitHubError(problem)
            return headers["location"]
        return None

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL query or mutation and return its `data`.

        Raises:
            RefusedError: the response has `errors`.
        """
        body = {"query": query, "variables": dict(variables or {})}
        _, response = self._requester.requestJsonAndCheck(
            "POST", self._requester.graphql_url, input=body
        )
        errors, data = response.get("errors"), response.get("data")
        if errors:
            message = error_message(response)
            problem = f"GitHub's GraphQL API refused: {message}."
            raise RefusedError(problem, status=200, message=message)
        if not isinstance(data, dict):
            raise ForeignAnswerError("the GraphQL API returned no data")
        return data

    def repository_info(self) -> Repository:
        """Return the repository's properties; needs no more than `metadata: read`."""
        # PyGithub's object would ask once more for each key that a server leaves out.
        return _parse_repository(self.request("GET", ""))

    @reads("tag")
    def newest_version(self, major: str) -> tuple[str, str]:
        """Return the newest tag `vX.Y.Z` of a major version (`v1`), and its commit.

        Raises:
            GitHubError: the repository has none.
        """
        tags = {
            ref["ref"].removeprefix("refs/tags/"): ref["object"]
            for ref in self.paginate(f"git/matching-refs/tags/{major}")
        }
        versions = [name for name in tags if re.fullmatch(rf"{major}\.\d+\.\d+", name)]
        if not versions:
            raise GitHubError(f"{self.repository} has no release of {major}.")
        newest = max(versions, key=lambda name: [int(part) for part in name[1:].split(".")])
        tagged = tags[newest]
        if tagged["type"] == "tag":  # an annotated tag, which has an object of its own
            tagged = self.request("GET", f"git/tags/{tagged['sha']}")["object"]
        if not re.fullmatch(r"[0-9a-f]{40}", tagged["sha"]):
            raise ValueError(tagged["sha"])
        return newest, tagged["sha"]

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
                login = _parse_login(self.request("GET", "/user"))
            except RefusedError:
                raise lost from None
        except RefusedError:
            login = ACTIONS_BOT
            with Ignored(403, 404, 405):
                login = _parse_login(self.request("GET", "/user"))
        return ACTIONS_BOT if login == "github-actions" else login

    def _viewer_login(self) -> str:
        query = "{ viewer { login } }"
        try:
            data = self.graphql(query)
        except LostResponseError:
            # A query changes nothing: unlike a mutation it may be repeated.
            data = self.graphql(query)
        return _parse_login(data.get("viewer"))

    def compare(self, base: str, head: str, *, forked: bool = False) -> list[FileChange]:
        """Return what changed from `base` to `head`, for a clone that is too shallow to tell.

        GitHub compares from the merge base and lists at most 300 files. Modes and the blobs of
        `base` are missing: see `parse_comparison`.

        Raises:
            GitHubError: the list is incomplete; or, unless `forked` (what `head` changed since it
                left `base` is wanted), it is not the difference between the two trees.
        """
        # PyGithub's method asks for the commits as well.
        data = self.request("GET", f"compare/{base}...{head}", parameters={"per_page": 1})
        return parse_comparison(data, base, head, forked=forked)

    def _absolute(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"/repos/{self.repository}/{path}".rstrip("/")


def timestamp(moment: datetime | None) -> str:
    """Return a time as GitHub writes it, in UTC; empty for None."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


@reads("login")
def _parse_login(data: Any) -> str:
    if not isinstance(data["login"], str):
        raise TypeError
    return data["login"]


@reads("repository")
def _parse_repository(data: Mapping[str, Any]) -> Repository:
    return Repository(
        id=str(data["id"]),
        private=bool(data["private"]),
        default_branch=str(data["default_branch"]),
        pushed_at=data.get("pushed_at"),
    )


@reads("comparison")
def parse_comparison(
    data: dict[str, Any], base: str, head: str, *, forked: bool = False
) -> list[FileChange]:
    """Return the changes in `GET /compare/base...head`, in GitHub's order.

    The API returns no modes and no old blobs: `mode` is `100644` for every file that exists (look
    it up in the tree of `head`), and `old_blob` is None but for deleted and only renamed files.

    Raises:
        GitHubError: `head` does not descend from `base` and is not `forked` from it, or 300 files
            or more changed.
    """
    status = data["status"]
    between = f"between {base[:12]} and {head[:12]}"
    if status not in ("ahead", "identical") and not forked:
        raise GitHubError(
            f"GitHub can only compare from a common ancestor, and the history {between} has "
            f"{status}.",
            fix=full_history(", so that git itself can compare"),
        )
    files = data["files"]
    if len(files) >= _MAX_FILES:
        raise GitHubError(
            f"GitHub lists only the first 300 files changed {between}.",
            fix=full_history(", so that git itself can compare"),
        )
    return [_change(file) for file in files if file.get("status") in _CHANGE_TYPES]


def _change(file: dict[str, Any]) -> FileChange:
    status = _CHANGE_TYPES[file["status"]]
    blob = str(file.get("sha") or "0" * 40)
    is_renamed = status in (ChangeType.RENAMED, ChangeType.COPIED)
    is_deleted = status is ChangeType.DELETED
    return FileChange(
        path=str(file["filename"]),
        status=status,
        mode="000000" if is_deleted else "100644",
        blob="0" * len(blob) if is_deleted else blob,
        old_path=file.get("previous_filename") if is_renamed else None,
        old_blob=blob if is_deleted or (is_renamed and file.get("changes") == 0) else None,
    )


def _raw_item(_requester: object, _headers: object, item: dict[str, Any]) -> dict[str, Any]:
    return item
