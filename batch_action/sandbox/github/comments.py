"""Comments on issues and pull requests."""

from datetime import datetime

from batch_action.sandbox.github import issue_shapes, revisions
from batch_action.sandbox.github.issues import body_text
from batch_action.sandbox.github.shapes import Json
from batch_action.sandbox.github.state import Comment, Issue
from batch_action.sandbox.github.wire import Answer, Call, Refusal, not_found, on


def _shape(call: Call, comment: Comment) -> Json:
    return issue_shapes.comment(call.instance, call.repository, comment)


def _of_issue(call: Call) -> Answer:
    return call.page(_since(call, call.issue().comments), lambda found: _shape(call, found))


def _of_repository(call: Call) -> Answer:
    everything = [
        comment for issue in call.repository.issues.values() for comment in issue.comments
    ]
    found = _since(call, sorted(everything, key=lambda comment: comment.id))
    if call.query("sort") == "updated":
        found.sort(key=lambda comment: comment.updated_at)
    if call.query("sort") and call.query("direction", "desc") == "desc":
        found.reverse()
    return call.page(found, lambda comment: _shape(call, comment))


def _since(call: Call, comments: list[Comment]) -> list[Comment]:
    since = call.query("since")
    after = datetime.fromisoformat(since) if since else None
    return [one for one in comments if after is None or one.updated_at >= after]


def _create(call: Call) -> Answer:
    issue = call.issue()
    _may_write(call, issue)
    if issue.pull is None and not call.repository.has_issues:
        raise Refusal(410, "Issues has been disabled in this repository.")
    text = body_text("IssueComment", call.body().get("body"))
    now = call.instance.now()
    comment = Comment(
        id=call.instance.new_id(),
        number=issue.number,
        user=call.instance.author(call.actor),
        body=text,
        created_at=now,
        updated_at=now,
        by_app=call.actor.is_workflow,
    )
    issue.comments.append(comment)
    issue.updated_at = now
    return Answer(status=201, data=_shape(call, comment))


def _may_write(call: Call, issue: Issue) -> None:
    needs = ("issues=write", "pull_requests=write") if issue.pull else ("issues=write",)
    call.insist(*needs, person="read")


def find(call: Call) -> tuple[Issue, Comment]:
    """The comment in the path, with what it is on."""
    wanted = call.number("comment")
    for issue in call.repository.issues.values():
        for comment in issue.comments:
            if comment.id == wanted:
                return issue, comment
    raise not_found()


def _get(call: Call) -> Answer:
    return Answer(data=_shape(call, find(call)[1]))


def _own_or_rank(call: Call) -> tuple[Issue, Comment]:
    issue, comment = find(call)
    _may_write(call, issue)
    if not call.actor.is_workflow and comment.user.login != call.actor.login:
        call.insist("issues=write")
    return issue, comment


def _edit(call: Call) -> Answer:
    _issue, comment = _own_or_rank(call)
    revisions.rewrite(call, comment, body_text("IssueComment", call.body().get("body")))
    return Answer(data=_shape(call, comment))


def _delete(call: Call) -> Answer:
    issue, comment = _own_or_rank(call)
    issue.comments.remove(comment)
    return Answer(status=204)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    on("GET ~/issues/comments", _of_repository, *_READ),
    on("GET ~/issues/comments/{comment}", _get, *_READ),
    on("PATCH ~/issues/comments/{comment}", _edit),
    on("DELETE ~/issues/comments/{comment}", _delete),
    on("GET ~/issues/{number}/comments", _of_issue, *_READ),
    on("POST ~/issues/{number}/comments", _create),
)
