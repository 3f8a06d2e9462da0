"""GitHub's refusals as sentences that name the missing permission or setting."""

import re
from collections.abc import Mapping

from batch_action.clients.github.responses import wait_of
from batch_action.errors import GitHubError


class RefusedError(GitHubError):
    """GitHub answered with an error; whatever was asked has not happened."""

    def __init__(
        self,
        problem: str,
        *,
        fix: str = "",
        status: int,
        said: str = "",
        lasting: bool = False,
        wait: float | None = None,
    ) -> None:
        self.status = status
        """The HTTP status."""
        self.lasting = lasting
        """A permission or setting is missing: the next run would be refused just the same."""
        self.said = said
        """GitHub's own words."""
        self.wait = wait
        """Seconds until a rate limit ends; None when it was no rate limit."""
        super().__init__(problem, fix=fix)


class LostAnswerError(GitHubError):
    """A write was sent and its answer never came: it may or may not have happened."""


# GET needs `read`, everything else `write`. First match wins; paths without `/repos/<o>/<r>`.
_SCOPES = (
    (re.compile(r"^/(issues|labels|milestones)\b"), "issues"),
    (re.compile(r"^/pulls\b"), "pull-requests"),
    (re.compile(r"^/code-scanning\b"), "security-events"),
    (re.compile(r"^/(check-runs|check-suites)\b"), "checks"),
    (re.compile(r"^/actions\b"), "actions"),
    (re.compile(r"^/(compare|contents|git|commits|branches|merges)\b"), "contents"),
)
_NOT_PERMITTED = re.compile(
    r"not accessible by|must have (push|admin|write)|read-only", re.IGNORECASE
)
_LIMITED = re.compile(
    r"rate limit|abuse detection|wait a few minutes|retry your request", re.IGNORECASE
)
_LASTING = frozenset({401, 403, 404, 410})
_QUOTED_LENGTH = 300
_UNAUTHORISED = (
    "`github-token` is wrong or has expired: leave it out to use the workflow's own token, or "
    "renew the one you gave."
)


def needed_permission(method: str, path: str) -> str:
    """Give the `permissions:` line an endpoint is known to need; empty when unknown.

    `path` is an API path such as `/repos/o/r/issues`; rule: the table of minimal permissions in
    GitHub's documentation of the workflow token.
    """
    below = re.sub(r"^/repos/[^/]+/[^/]+", "", path)
    level = "read" if method == "GET" else "write"
    for pattern, scope in _SCOPES:
        if pattern.search(below):
            return f"{scope}: {level}"
    return "contents: read" if below == "" else ""


def accepted_permissions(header: str) -> str:
    """Turn `issues=write; pull_requests=write` (`;` means or) into workflow words."""
    ways = []
    for way in header.split(";"):
        pairs = [pair.strip().partition("=") for pair in way.split(",") if "=" in pair]
        lines = [f"{name.replace('_', '-')}: {level}" for name, _, level in pairs]
        if lines:
            ways.append(" and ".join(f"`{line}`" for line in lines))
    return " or ".join(ways)


def rate_limited(status: int, headers: Mapping[str, str], said: str) -> bool:
    """Tell whether a refusal means "later", not "never"."""
    if status == 429:  # noqa: PLR2004 - HTTP
        return True
    spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return status == 403 and (spent or _LIMITED.search(said) is not None)  # noqa: PLR2004 - HTTP


def refusal(
    status: int, headers: Mapping[str, str], said: str, method: str, path: str
) -> RefusedError | LostAnswerError:
    """Make the error for an answer of 300 and more.

    `headers` have lower-case names, `said` is GitHub's `message` with its `errors` appended.
    A 5xx to a write may come from a proxy after the write was done: that is a lost answer.
    """
    said = said[:_QUOTED_LENGTH]
    what = f"GitHub refused {method} {path} with {status}"
    if said:
        what += f" ({said})"
    if status >= 500:  # noqa: PLR2004 - HTTP
        problem = f"GitHub failed on {method} {path} with {status}."
        fix = "Nothing is lost: the next run goes on. See https://www.githubstatus.com."
        if method != "GET":
            return LostAnswerError(problem, fix=fix)
        return RefusedError(problem, fix=fix, status=status, said=said)
    return RefusedError(
        what + ".",
        fix=_advice(status, headers, said, method, path),
        status=status,
        said=said,
        lasting=status in _LASTING and not rate_limited(status, headers, said),
        wait=wait_of(headers) if rate_limited(status, headers, said) else None,
    )


def _advice(status: int, headers: Mapping[str, str], said: str, method: str, path: str) -> str:
    if status < 400:  # noqa: PLR2004 - HTTP
        return "The repository has moved: use its new owner/name."
    if rate_limited(status, headers, said):
        return (
            "The rate limit of this token is spent: the next run goes on. If it happens every "
            "night, move the schedule or lower `max-findings`."
        )
    if status == 403:  # noqa: PLR2004 - HTTP
        return _forbidden(headers, said, method, path)
    return {401: _UNAUTHORISED, 404: _missing(method, path), 410: _gone(path)}.get(
        status, _unprocessable(said)
    )


def _forbidden(headers: Mapping[str, str], said: str, method: str, path: str) -> str:
    if "sso" in headers.get("x-github-sso", "") or "SAML" in said:
        return "Authorise this token for the organisation's single sign-on."
    if "create or approve pull requests" in said:
        return (
            'Turn on "Allow GitHub Actions to create and approve pull requests" in the '
            "repository's or organisation's Actions settings."
        )
    if "must be enabled" in said or "is not enabled" in said:
        return "Turn the feature on in the repository's settings, or leave out that report."
    header = accepted_permissions(headers.get("x-accepted-github-permissions", ""))
    known = needed_permission(method, path)
    lines = header or (f"`{known}`" if known else "")
    if lines and (header or _NOT_PERMITTED.search(said) or not said):
        return (
            f"Add {lines} to the job's `permissions:` (a personal token needs the same). A pull "
            "request from a fork only ever gets a read-only token."
        )
    return "Check what `github-token` is allowed to do."


def _missing(method: str, path: str) -> str:
    known = needed_permission(method, path)
    lines = f" `{known}`" if known else " the right permission"
    return (
        "It does not exist, or the token cannot see it: check the repository's name, and in a "
        f"private repository add{lines} to the job's `permissions:`."
    )


def _gone(path: str) -> str:
    if "/issues" in path:
        return (
            "Issues are disabled in this repository: turn them on in Settings > General > "
            "Features, or choose another `report`."
        )
    return "It was deleted or has expired."


def _unprocessable(said: str) -> str:
    if "too long" in said or "too large" in said:
        return "The text is over GitHub's limit: lower `max-findings`."
    return "This looks like a bug of batch-action: please report it with this line."
