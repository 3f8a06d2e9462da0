"""The reaction endpoints; repeating a reaction has no effect."""

from batch_action.sandbox.github import comments, review_comments
from batch_action.sandbox.github.content_edits import Editable
from batch_action.sandbox.github.json_objects import Json, format_time, user_json
from batch_action.sandbox.github.records import Reaction
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    Endpoint,
    endpoint,
    invalid,
    not_found,
)

CONTENTS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def _record(call: Call) -> Editable:
    if "number" in call.request.path_params:
        return call.issue()
    if "/pulls/" in call.request.url.path:
        return review_comments.find_comment(call)[2]
    return comments.find_comment(call)[1]


def _shape(call: Call, reaction: Reaction) -> Json:
    return {
        "id": reaction.id,
        "node_id": f"REA_{reaction.id}",
        "user": user_json(call.instance, reaction.user),
        "content": reaction.content,
        "created_at": format_time(reaction.created_at),
    }


def _list(call: Call) -> ApiResponse:
    content = call.query("content")
    reactions = [
        reaction for reaction in _record(call).reactions if content in {"", reaction.content}
    ]
    return call.page(reactions, lambda reaction: _shape(call, reaction))


def _create(call: Call) -> ApiResponse:
    record, content = _record(call), call.body().get("content")
    if content not in CONTENTS:
        raise invalid("Reaction", "content", "invalid")
    author = call.instance.author(call.actor)
    for existing in record.reactions:
        if existing.user is author and existing.content == content:
            return ApiResponse(data=_shape(call, existing))
    reaction = Reaction(
        id=call.instance.new_id(), user=author, content=str(content), created_at=call.instance.now()
    )
    record.reactions.append(reaction)
    return ApiResponse(status=201, data=_shape(call, reaction))


def _delete(call: Call) -> ApiResponse:
    record, number = _record(call), call.path_number("reaction")
    for reaction in record.reactions:
        if reaction.id == number:
            if reaction.user.login != call.actor.login:
                call.require_permission("issues=write")
            record.reactions.remove(reaction)
            return ApiResponse(status=204)
    raise not_found()


def _below(path: str, scope: str) -> tuple[Endpoint, ...]:
    return (
        endpoint(f"GET {path}/reactions", _list, f"{scope}=read"),
        endpoint(f"POST {path}/reactions", _create, f"{scope}=write", person_role="read"),
        endpoint(
            f"DELETE {path}/reactions/{{reaction}}", _delete, f"{scope}=write", person_role="read"
        ),
    )


ENDPOINTS = (
    *_below("~/issues/{number}", "issues"),
    *_below("~/issues/comments/{comment}", "issues"),
    *_below("~/pulls/comments/{comment}", "pull_requests"),
)
