"""Issues, comments and their revisions as the API writes them, in our own small words."""

from collections.abc import Sequence
from typing import Any

from batch_action.models.github import CommentText, IssueText, Revision


def issue(item: dict[str, Any]) -> IssueText:
    """An issue of the REST API."""
    labels = item.get("labels") or []
    return IssueText(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state=str(item.get("state") or "open"),
        state_reason=item.get("state_reason"),
        labels=tuple(str(x["name"] if isinstance(x, dict) else x) for x in labels),
        author=login(item),
        created_at=str(item.get("created_at") or ""),
        node_id=str(item.get("node_id") or ""),
        updated_at=str(item.get("updated_at") or ""),
        closed_at=str(item.get("closed_at") or ""),
        closed_by=str((item.get("closed_by") or {}).get("login") or ""),
        comments=int(item.get("comments") or 0),
    )


def comment(item: dict[str, Any], *, trusted: bool) -> CommentText:
    """A comment of the REST API, on an issue or on a pull request's lines."""
    reactions = item.get("reactions") or {}
    counts = {name: count for name, count in reactions.items() if isinstance(count, int)}
    return CommentText(
        id=int(item["id"]),
        url=str(item.get("html_url") or ""),
        body=str(item.get("body") or ""),
        author=login(item),
        trusted=trusted,
        node_id=str(item.get("node_id") or ""),
        reactions=tuple(n for n, count in counts.items() if count and n != "total_count"),
    )


def revision(node: dict[str, Any]) -> Revision:
    """A `UserContentEdit` of GraphQL; its `diff` is the whole text of that revision."""
    editor = node.get("editor") or {}
    person = editor.get("__typename") == "User"
    return Revision(
        editor=str(editor.get("login") or "") if person else "",
        text=None if node.get("deletedAt") else node.get("diff"),
    )


def login(item: dict[str, Any]) -> str:
    """The author's login."""
    # A deleted account leaves null, which GitHub shows as "ghost".
    return str((item.get("user") or {}).get("login") or "ghost")


def missing(found: IssueText, labels: Sequence[str]) -> list[str]:
    """Those of the labels that an issue does not have."""
    have = {label.casefold() for label in found.labels}
    return [label for label in labels if label.casefold() not in have]
