"""The edit history of bodies, which only GraphQL returns."""

from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.github.json_objects import Json, format_time
from batch_action.sandbox.github.records import Comment, Edit, Issue, ReviewComment, User
from batch_action.sandbox.github.rest import Call

Editable = Issue | Comment | ReviewComment


def edit_body(call: Call, record: Editable, text: str | None) -> None:
    """Change the body of a record and add to its edit history; an equal body is no edit."""
    if (text or "") == (record.body or ""):
        return
    instance = call.instance
    if not record.edits:
        first = Edit(user=record.user, text=record.body or "", at=record.created_at)
        record.edits.append(first)
    author = instance.author(call.actor)
    record.edits.append(Edit(user=author, text=text or "", at=instance.now()))
    record.body = text or ""
    record.updated_at = instance.now()


def edits_connection(record: Editable, arguments: Mapping[str, Any]) -> Json:
    """Return `userContentEdits`, newest first; the `diff` of each is its full text."""
    newest_first = [
        _edit(edit, f"UCE_{record.id}_{number}") for number, edit in enumerate(record.edits)
    ][::-1]
    size = int(arguments.get("first") or arguments.get("last") or 100)
    return {
        "__typename": "UserContentEditConnection",
        "totalCount": len(newest_first),
        "nodes": newest_first[:size],
    }


def _edit(edit: Edit, node: str) -> Json:
    return {
        "__typename": "UserContentEdit",
        "id": node,
        "createdAt": format_time(edit.at),
        "editedAt": format_time(edit.at),
        "deletedAt": format_time(edit.at) if edit.deleted else None,
        "diff": None if edit.deleted else edit.text,
        "editor": graphql_actor(edit.user),
    }


def graphql_actor(person: User) -> Json:
    """Return an actor object; GraphQL leaves `[bot]` out of the login of bots."""
    login = person.login.removesuffix("[bot]")
    return {"__typename": person.kind, "login": login, "databaseId": person.id}
