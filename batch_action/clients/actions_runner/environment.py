"""Inputs, event payload and context of a step, from plain mappings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch_action.models.github_context import GitHubContext, PullRequestContext

# GitHub cuts webhook payloads at 25 MB.
_MAX_EVENT_BYTES = 32 * 1024 * 1024
_INPUT_PREFIX = "INPUT_"


def read_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that were set, by their lower-case names.

    The runner upper-cases a name and turns only spaces into `_`, so `api-key` arrives as
    `INPUT_API-KEY`. It sets every declared input: an empty one counts as unset.
    """
    values = {
        name.removeprefix(_INPUT_PREFIX).replace(" ", "_").lower(): value.strip()
        for name, value in environ.items()
        if name.startswith(_INPUT_PREFIX)
    }
    return {name: value for name, value in values.items() if name and value}


def read_event(path: Path | None) -> dict[str, Any]:
    """Return the payload in `event.json`; a missing, huge or broken file is an empty payload."""
    try:
        if path is None or path.stat().st_size > _MAX_EVENT_BYTES:
            return {}
        payload = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def github_context(environ: Mapping[str, str], payload: Mapping[str, Any]) -> GitHubContext:
    """Return the context from the GITHUB_ variables and the event; nothing is required.

    For a pull request `sha` and `branch` are those of its head: GITHUB_SHA is then a test merge
    commit that is on no branch.
    """
    repository = environ.get("GITHUB_REPOSITORY") or None
    event_repository = _mapping(payload.get("repository"))
    pull = _mapping(payload.get("pull_request"))
    head = _mapping(pull.get("head"))
    private = event_repository.get("private")
    return GitHubContext(
        workspace=Path(environ.get("GITHUB_WORKSPACE") or "."),
        repository=repository,
        repository_id=environ.get("GITHUB_REPOSITORY_ID")
        or str(event_repository.get("id") or "local"),
        run_id=environ.get("GITHUB_RUN_ID") or "local",
        run_attempt=_number(environ.get("GITHUB_RUN_ATTEMPT")),
        event=environ.get("GITHUB_EVENT_NAME") or "local",
        sha=_text(head.get("sha")) or environ.get("GITHUB_SHA") or None,
        branch=_text(head.get("ref")) or _branch(environ),
        default_branch=_text(event_repository.get("default_branch")),
        server_url=(environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
        api_url=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
        private=private if isinstance(private, bool) else None,
        from_fork=bool(pull) and _is_fork(head, repository),
        pull_request=_pull(pull),
    )


def _pull(pull: Mapping[str, Any]) -> PullRequestContext | None:
    number, head, base = pull.get("number"), _mapping(pull.get("head")), _mapping(pull.get("base"))
    commit, into = _text(head.get("sha")), _text(base.get("sha"))
    if not isinstance(number, int) or commit is None or into is None:
        return None
    return PullRequestContext(
        number=number,
        head=commit,
        base=into,
        base_ref=_text(base.get("ref")) or "",
        author=_text(_mapping(pull.get("user")).get("login")) or "",
        title=_text(pull.get("title")) or "",
        body=_text(pull.get("body")) or "",
    )


def _is_fork(head: Mapping[str, Any], repository: str | None) -> bool:
    # For a deleted fork GitHub sends null.
    name = _text(_mapping(head.get("repo")).get("full_name"))
    return name is None or name.casefold() != (repository or "").casefold()


def _branch(environ: Mapping[str, str]) -> str | None:
    ref = environ.get("GITHUB_REF") or ""
    if ref.startswith("refs/heads/"):
        return ref.removeprefix("refs/heads/")
    return environ.get("GITHUB_HEAD_REF") or None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 1
