"""Errors of GitHub's API, with a fix that names the missing permission or setting."""

import inspect
import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from batch_action.clients.network import PROXY_LOGIN_FIX
from batch_action.errors import GitHubError, advice

P = ParamSpec("P")
T = TypeVar("T")


class RefusedError(GitHubError):
    """GitHub responded with an error: the request had no effect."""

    def __init__(
        self,
        problem: str,
        *,
        fix: str = "",
        status: int,
        message: str = "",
        permanent: bool = False,
        wait: float | None = None,
    ) -> None:
        self.status = status
        """The HTTP status."""
        self.permanent = permanent
        """A permission or setting is missing: the next run would be refused as well."""
        self.message = message
        """GitHub's message."""
        self.wait = wait
        """Seconds until the rate limit ends; None when this is no rate limit."""
        super().__init__(problem, fix=fix)

    @property
    def is_locked(self) -> bool:
        """The conversation is locked: no comment can be added, while the text can be edited."""
        return self.status == HTTPStatus.FORBIDDEN and _LOCKED.search(self.message) is not None


class Ignored:
    """A context manager that ignores refusals with one of some statuses, as `suppress` does."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = statuses

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return isinstance(error, RefusedError) and error.status in self._statuses


class LostResponseError(GitHubError):
    """A write was sent and no response came: it may or may not have been carried out."""


class ArtifactRefusedError(GitHubError):
    """One artifact cannot be used (too large, damaged); others may be usable."""


class ForeignAnswerError(LostResponseError):
    """A success whose body GitHub does not send: a proxy's page, or another service's object."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"This is no answer of GitHub's: {what}.",
            fix="A proxy, a gateway or a sign-in page may have answered instead: check "
            "GITHUB_API_URL, HTTPS_PROXY and NO_PROXY; the next run goes on.",
        )


def _translated(
    function: Callable[P, T], noun: str, kinds: tuple[type[Exception], ...]
) -> Callable[P, T]:
    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except kinds as error:
            raise ForeignAnswerError(f"it contains no valid {noun}") from error

    @wraps(function)
    def iterated(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            yield from function(*args, **kwargs)  # type: ignore[misc]
        except kinds as error:
            raise ForeignAnswerError(f"it contains no valid {noun}") from error

    return iterated if inspect.isgeneratorfunction(function) else checked


def reads(noun: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function that reads one resource, such as an `issue`, from an answer.

    It raises ForeignAnswerError when a field is missing or has a wrong type.
    """
    from github import BadAttributeException  # noqa: PLC0415 - errors are caught without a client

    kinds = (BadAttributeException, LookupError, TypeError, ValueError, AttributeError)
    return lambda parse: _translated(parse, noun, kinds)


def checked(client: type[T]) -> type[T]:
    """Decorate a client that calls PyGithub: its methods raise ForeignAnswerError as well.

    PyGithub checks a time when it is received, and any other field when it is read.
    """
    from github import BadAttributeException  # noqa: PLC0415 - as in `reads`

    for name, method in list(vars(client).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            kinds = (BadAttributeException, AssertionError, KeyError)
            setattr(client, name, _translated(method, "resource", kinds))
    return client


# Paths are below `/repos/<owner>/<name>`; the first match wins. GET needs `read`, the rest `write`.
_SCOPES = (
    (re.compile(r"^/(issues|labels|milestones)\b"), "issues"),
    (re.compile(r"^/pulls\b"), "pull-requests"),
    (re.compile(r"^/code-scanning\b"), "security-events"),
    (re.compile(r"^/(check-runs|check-suites)\b"), "checks"),
    (re.compile(r"^/actions\b"), "actions"),
    (re.compile(r"^/(activity|compare|contents|git|commits|branches|merges)\b"), "contents"),
)
_NOT_PERMITTED = re.compile(
    r"not accessible by|must have (push|admin|write)|read-only", re.IGNORECASE
)
_LIMITED = re.compile(
    r"rate limit|abuse detection|wait a few minutes|retry your request|submitted too quickly",
    re.IGNORECASE,
)
_LOCKED = re.compile(r"\b(?:is|was|conversation) locked", re.IGNORECASE)
_PERMANENT_STATUSES = frozenset({401, 403, 404, 410, 451})
_MAX_MESSAGE_CHARS = 300


def rate_limit_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds until a rate limit ends; a minute without headers, as GitHub advises."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, int(reset) - time.time()) + 1
    return 60.0


def is_rate_limited(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Return whether an error is a rate limit, which passes."""
    if status == HTTPStatus.FORBIDDEN:
        is_exhausted = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
        return is_exhausted or _LIMITED.search(message) is not None
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        # A secondary limit on new content comes as a validation error too.
        return "submitted too quickly" in message
    return status == HTTPStatus.TOO_MANY_REQUESTS


def error_of(
    status: int, headers: Mapping[str, str], message: str, method: str, path: str
) -> RefusedError | LostResponseError:
    """Return the error for a response with a status of 300 or more.

    `headers` have lower-case names, `message` is GitHub's `message` with its `errors` appended.
    A 5xx to a write may come from a proxy after the write was carried out: a lost response.
    """
    message = message[:_MAX_MESSAGE_CHARS]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = f"GitHub failed on {method} {path} with {status}."
        fix = "Nothing is lost: the next run goes on. See https://www.githubstatus.com."
        if method != "GET":
            return LostResponseError(problem, fix=fix)
        return RefusedError(problem, fix=fix, status=status, message=message)
    is_limited = is_rate_limited(status, headers, message)
    said = f" ({message})" if message else ""
    return RefusedError(
        f"GitHub refused {method} {path} with {status}{said}.",
        fix=_advice(status, headers, message, method, path),
        status=status,
        message=message,
        permanent=status in _PERMANENT_STATUSES and not is_limited,
        wait=rate_limit_wait(headers) if is_limited else None,
    )


_RATE_LIMIT_FIX = (
    "The rate limit of this token is used up: the next run goes on. If it happens often, move the "
    "schedule or lower `max-findings`."
)
_REDIRECT_FIX = (
    "The repository has moved: use its new owner/name. Or a proxy wants a person to sign in."
)
_TOO_LONG = re.compile(r"(?:\b(\w+) )?is too (?:long|large)")
_TOO_LONG_FIXES: Mapping[str, str] = {
    "body": "The text is over GitHub's limit: lower `max-findings`.",
    "name": "A name is over GitHub's limit: a label has at most 50 characters.",
}
_BUG_FIX = "This looks like a bug of batch-action: please report it with this line."
_ISSUES_FIX = (
    "Issues are disabled in this repository: turn them on in Settings > General > Features, or "
    "choose another `report`."
)
_DELETED_FIX = "It is gone: the next run opens a new one."
_SSO_FIX = "Authorize this token for the organization's single sign-on."
# What a 403 says, and what to do; the first match wins.
_FORBIDDEN_FIXES = (
    (re.compile("SAML"), _SSO_FIX),
    (
        re.compile("create or approve pull requests"),
        (
            'Turn on "Allow GitHub Actions to create and approve pull requests" in the '
            "repository's or organization's Actions settings."
        ),
    ),
    (
        re.compile("archived"),
        (
            "The repository is archived, so nothing can be written to it: unarchive it in "
            "Settings > General, or stop reviewing it."
        ),
    ),
    (
        re.compile("access blocked"),
        "GitHub has blocked this repository: its owner has to contact GitHub's support.",
    ),
    (_LOCKED, "Unlock the conversation, or close it to start a new one."),
    (
        re.compile("must be enabled|is not enabled"),
        "Turn the feature on in the repository's settings, or leave out that report.",
    ),
)
_FIXES: Mapping[int, str] = {
    404: "It does not exist, or the token cannot see it: check the repository's name, and in a "
    "private repository {grant}.",
    407: PROXY_LOGIN_FIX,
    410: "It was deleted or has expired.",
    413: "It is over the size limit of GitHub or of a proxy: raise `min-severity`, or narrow "
    "`paths`.",
    451: "GitHub has blocked this repository for legal reasons.",
}


def _advice(status: int, headers: Mapping[str, str], message: str, method: str, path: str) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return _REDIRECT_FIX
    if is_rate_limited(status, headers, message):
        return _RATE_LIMIT_FIX
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(headers, message, method, path)
    if status == HTTPStatus.GONE and "/issues" in path:
        return _ISSUES_FIX if "disabled" in message else _DELETED_FIX
    if status == HTTPStatus.UNAUTHORIZED:
        return advice(
            "`github-token` is wrong or has expired: leave it out to use the workflow's own "
            "token, or renew it.",
            "GITHUB_TOKEN is wrong or has expired: renew it, or unset it to work without GitHub.",
        )
    fix = _FIXES.get(status, _BUG_FIX)
    if status not in _FIXES and (too_long := _TOO_LONG.search(message)):
        field = (too_long[1] or "body").lower()
        fix = _TOO_LONG_FIXES.get(field, f"The field `{field}` is over GitHub's limit: shorten it.")
    return fix.replace("{grant}", _grant(_required_permission(method, path)))


def _grant(permissions: str) -> str:
    """Return how to give the token permissions, such as "`issues: write`"; empty for unknown."""
    return advice(
        f"add {permissions or 'the right permission'} to the job's `permissions:`",
        f"give GITHUB_TOKEN {permissions or 'the right permission'}, or use `gh auth token`",
    )


def _forbidden(headers: Mapping[str, str], message: str, method: str, path: str) -> str:
    if "sso" in headers.get("x-github-sso", ""):
        return _SSO_FIX
    if fix := next((fix for pattern, fix in _FORBIDDEN_FIXES if pattern.search(message)), ""):
        return fix
    named = _accepted_permissions(headers.get("x-accepted-github-permissions", ""))
    lines = named or _required_permission(method, path)
    if lines and (named or _NOT_PERMITTED.search(message) or not message):
        fix = _grant(lines)
        fork = " A pull request from a fork only ever gets a read-only token."
        return f"{fix[0].upper()}{fix[1:]}.{advice(fork, '')}"
    return f"Check what {advice('`github-token`', 'GITHUB_TOKEN')} is allowed to do."


def _required_permission(method: str, path: str) -> str:
    """Return the `permissions:` line that an endpoint needs; empty when unknown.

    `path` is an API path such as `/repos/o/r/issues`. Source: the table of minimal permissions in
    GitHub's documentation of the workflow token.
    """
    below = re.sub(r"^/repos/[^/]+/[^/]+", "", path)
    level = "read" if method == "GET" else "write"
    scope = next((scope for pattern, scope in _SCOPES if pattern.search(below)), "")
    if not below:
        return "`contents: read`"
    return f"`{scope}: {level}`" if scope else ""


def _accepted_permissions(header: str) -> str:
    """Turn `issues=write; pull_requests=write` (`;` means or) into `permissions:` lines."""
    alternatives = []
    for alternative in header.split(";"):
        pairs = [pair.strip().partition("=") for pair in alternative.split(",") if "=" in pair]
        lines = [f"`{name.replace('_', '-')}: {level}`" for name, _, level in pairs]
        alternatives.append(" and ".join(lines))
    return " or ".join(filter(None, alternatives))
