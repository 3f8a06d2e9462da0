"""Comments on issues and pull requests."""

from datetime import datetime

from batch_action.sandbox.github import content_edits, issue_objects
from batch_action.sandbox.github.issues import validate_body
from batch_action.sandbox.github.json_objects import Json
from batch_action.sandbox.github.records import Comment, Issue
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found


def _shape(call: Call, comment: Comment) -> Json:
    return issue_objects.comment_json(call.instance, call.repository, comment)


def _of_issue(call: Call) -> ApiResponse:
    return call.page(_since(call, call.issue().comments), lambda comment: _shape(call, comment))


def _of_repository(call: Call) -> ApiResponse:
    all_comments = [
        comment for issue in call.repository.issues.values() for comment in issue.comments
    ]
    comments = _since(call, sorted(all_comments, key=lambda comment: comment.id))
    if call.query("sort") == "updated":
        comments.sort(key=lambda comment: comment.updated_at)
    if call.query("sort") and call.query("direction", "desc") == "desc":
        comments.reverse()
    return call.page(comments, lambda comment: _shape(call, comment))


def _since(call: Call, comments: list[Comment]) -> list[Comment]:
    since = call.query("since")
    after = datetime.fromisoformat(since) if since else None
    return [comment for comment in comments if after is None or comment.updated_at >= after]


def _create(call: Call) -> ApiResponse:
    issue = call.issue()
    _may_write(call, issue)
    if issue.pull is None and not call.repository.has_issues:
        raise GitHubError(410, "Issues has been disabled in this repository.")
    text = validate_body("IssueComment", call.body().get("body"))
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
    return ApiResponse(status=201, data=_shape(call, comment))


def _may_write(call: Call, issue: Issue) -> None:
    needs = ("issues=write", "pull_requests=write") if issue.pull else ("issues=write",)
    call.require_permission(*needs, person_role="read")


def find_comment(call: Call) -> tuple[Issue, Comment]:
    """Find the comment in the path, with its issue."""
    number = call.path_number("comment")
    for issue in call.repository.issues.values():
        for comment in issue.comments:
            if comment.id == number:
                return issue, comment
    raise not_found()


def _get(call: Call) -> ApiResponse:
    return ApiResponse(data=_shape(call, find_comment(call)[1]))


def _own_or_rank(call: Call) -> tuple[Issue, Comment]:
    issue, comment = find_comment(call)
    _may_write(call, issue)
    if not call.actor.is_workflow and comment.user.login != call.actor.login:
        call.require_permission("issues=write")
    return issue, comment


def _edit(call: Call) -> ApiResponse:
    _issue, comment = _own_or_rank(call)
    content_edits.edit_body(call, comment, validate_body("IssueComment", call.body().get("body")))
    return ApiResponse(data=_shape(call, comment))


def _delete(call: Call) -> ApiResponse:
    issue, comment = _own_or_rank(call)
    issue.comments.remove(comment)
    return ApiResponse(status=204)


_READ = ("issues=read", "pull_requests=read")
ENDPOINTS = (
    endpoint("GET ~/issues/comments", _of_repository, *_READ),
    endpoint("GET ~/issues/comments/{comment}", _get, *_READ),
    endpoint("PATCH ~/issues/comments/{comment}", _edit),
    endpoint("DELETE ~/issues/comments/{comment}", _delete),
    endpoint("GET ~/issues/{number}/comments", _of_issue, *_READ),
    endpoint("POST ~/issues/{number}/comments", _create),
)
