"""Pagination with cursors, newest first."""

from collections.abc import Mapping, Sequence
from typing import Any

from batch_action.sandbox.anthropic.errors import ApiError

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000


def paginate(entries: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page of a list that the query requests.

    Raises ApiError: when a parameter is not valid.
    """
    limit = _parse_limit(query.get("limit", str(DEFAULT_LIMIT)))
    after, before = query.get("after_id"), query.get("before_id")
    if after and before:
        raise ApiError(400, "Only one of after_id and before_id may be given")
    if before:
        newer = entries[: _index_of(entries, before, "before_id")]
        page, more = newer[-limit:], len(newer) > limit
    else:
        older = entries[_index_of(entries, after, "after_id") + 1 :] if after else entries
        page, more = older[:limit], len(older) > limit
    return {
        "data": list(page),
        "has_more": more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _parse_limit(text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise ApiError(400, "limit: Input should be a valid integer")
    if int(text) < 1:
        raise ApiError(400, "limit: Input should be greater than or equal to 1")
    if int(text) > MAX_LIMIT:
        raise ApiError(400, f"limit: Input should be less than or equal to {MAX_LIMIT}")
    return int(text)


def _index_of(entries: Sequence[Mapping[str, Any]], cursor: str, name: str) -> int:
    ids = [entry["id"] for entry in entries]
    if cursor not in ids:
        raise ApiError(400, f"{name}: no object with id '{cursor}'")
    return ids.index(cursor)
