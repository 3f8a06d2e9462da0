"""The review comment endpoints; only lines in the diff can have comments."""

from typing import Any

from batch_action.sandbox.github import content_edits, diffs, issue_objects, pull_branches
from batch_action.sandbox.github.diffs import patch_lines
from batch_action.sandbox.github.git import Git
from batch_action.sandbox.github.git_data import git_of
from batch_action.sandbox.github.issues import validate_body
from batch_action.sandbox.github.json_objects import Json, api_url, format_time, user_json
from batch_action.sandbox.github.pulls import changed_files, find_pull_request
from batch_action.sandbox.github.records import Issue, Pull, Repository, ReviewComment
from batch_action.sandbox.github.rest import (
    ApiResponse,
    Call,
    GitHubError,
    endpoint,
    invalid,
    not_found,
)

_OWN = {"LEFT": "-", "RIGHT": "+"}
_OUTSIDE = "pull_request_review_thread.line must be part of the diff"


def review_comment_json(call: Call, issue: Issue, comment: ReviewComment) -> Json:
    """Return a review comment object."""
    url = f"{api_url(call.instance, call.repository)}/pulls"
    page = f"{call.instance.origin}/{call.repository.full_name}/pull/{issue.number}"
    line = current_line(call.repository, issue, comment)
    start = None if line is None or comment.line is None else comment.start_line
    result: Json = {
        "id": comment.id,
        "node_id": f"PRRC_{comment.id}",
        "pull_request_review_id": comment.review_id,
        "url": f"{url}/comments/{comment.id}",
        "html_url": f"{page}#discussion_r{comment.id}",
        "pull_request_url": f"{url}/{issue.number}",
        "user": user_json(call.instance, comment.user),
        "author_association": issue_objects.author_association(call.repository, comment.user),
        "body": comment.body,
        "path": comment.path,
        "line": line,
        "original_line": comment.line,
        "start_line": start and start + (line or 0) - (comment.line or 0),
        "original_start_line": comment.start_line,
        "side": comment.side,
        "start_side": comment.start_side,
        "subject_type": comment.subject_type,
        "commit_id": comment.commit_id,
        "original_commit_id": comment.commit_id,
        "diff_hunk": comment.diff_hunk,
        "created_at": format_time(comment.created_at),
        "updated_at": format_time(comment.updated_at),
        "reactions": issue_objects.reactions_json(
            f"{url}/comments/{comment.id}", comment.reactions
        ),
        "_links": {
            "self": {"href": f"{url}/comments/{comment.id}"},
            "html": {"href": f"{page}#discussion_r{comment.id}"},
            "pull_request": {"href": f"{url}/{issue.number}"},
        },
    }
    if comment.in_reply_to:
        result["in_reply_to_id"] = comment.in_reply_to
    return result


def current_line(repository: Repository, issue: Issue, comment: ReviewComment) -> int | None:
    """Return the current number of the commented line; None when it is outdated."""
    pull = issue.pull
    if comment.line is None or pull is None or repository.git_dir is None:
        return comment.line
    pull_branches.refresh_commits(repository, issue)
    if comment.side == "LEFT" or comment.commit_id == pull.head_sha:
        return comment.line
    git = Git(repository.git_dir)
    return diffs.line_after(git, comment.commit_id, pull.head_sha, comment.path, comment.line)


def create_comment(
    call: Call, pull: Pull, sent: dict[str, Any], review: int | None
) -> ReviewComment:
    """Create a review comment.

    Raises GitHubError: when its lines are not in the diff.
    """
    path, line = str(sent.get("path", "")), sent.get("line")
    text = validate_body("PullRequestReviewComment", sent.get("body"))
    side, kind = str(sent.get("side") or "RIGHT"), sent.get("subject_type") or "line"
    commit = str(sent.get("commit_id") or pull.head_sha)
    if not pull_branches.contains_commit(git_of(call), pull, commit):
        raise GitHubError(422, "Unprocessable Entity", ["Commit is not part of the pull request"])
    file = next(
        (changed for changed in changed_files(call, pull, commit) if changed.path == path), None
    )
    if file is None:
        raise GitHubError(422, "Unprocessable Entity", ["Path could not be resolved"])
    if kind == "line":
        _require_in_diff(patch_lines(file.patch), sent, line, side)
    now = call.instance.now()
    return ReviewComment(
        id=call.instance.new_id(),
        review_id=review,
        user=call.instance.author(call.actor),
        body=text,
        path=path,
        commit_id=commit,
        created_at=now,
        updated_at=now,
        line=line if kind == "line" else None,
        start_line=sent.get("start_line"),
        side=side,
        start_side=sent.get("start_side"),
        subject_type=kind,
        diff_hunk=_hunk_until(file.patch or "", line if kind == "line" else None, side),
        by_app=call.actor.is_workflow,
    )


def _hunk_until(patch: str, line: int | None, side: str) -> str:
    """Return the hunk up to the line, which GitHub shows above a comment."""
    if line is None:
        return patch.partition("\n@@ ")[0]
    lines: list[str] = []
    left = right = 0
    for row in patch.splitlines():
        start = diffs.HUNK.match(row)
        if start:
            left, right, lines = int(start[1]) - 1, int(start[2]) - 1, [row]
            continue
        lines.append(row)
        left += row[:1] != "+"
        right += row[:1] != "-"
        if (left if side == "LEFT" else right) == line and row[:1] in {" ", "", _OWN[side]}:
            return "\n".join(lines)
    return ""


def _require_in_diff(
    patch: dict[str, dict[int, int]], sent: dict[str, Any], line: object, side: str
) -> None:
    hunk = patch.get(side, {}).get(line) if isinstance(line, int) else None
    if hunk is None:
        raise GitHubError(422, "Unprocessable Entity", [_OUTSIDE])
    start = sent.get("start_line")
    if start is None:
        return
    if patch.get(str(sent.get("start_side") or side), {}).get(start) != hunk:
        outside = "pull_request_review_thread.start_line must be part of the same hunk as the line"
        raise GitHubError(422, "Unprocessable Entity", [outside])
    if side == (sent.get("start_side") or side) and isinstance(line, int) and start >= line:
        message = "pull_request_review_thread.start_line must precede the end line"
        raise GitHubError(422, "Unprocessable Entity", [message])


def _comments(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    return call.page(pull.comments, lambda comment: review_comment_json(call, issue, comment))


def _create_comment(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    body = call.body()
    if body.get("in_reply_to"):
        return _reply_to(call, issue, pull, int(body["in_reply_to"]))
    if not body.get("commit_id"):
        raise invalid("PullRequestReviewComment", "commit_id", "missing_field")
    try:
        comment = create_comment(call, pull, body, None)
    except GitHubError as refusal:
        # GitHub uses another error format here than for the comments of a review.
        errors = refusal.content.get("errors") or [{}]
        if not isinstance(errors[0], str):
            raise
        field = errors[0].partition(" ")[0]
        raise invalid("PullRequestReviewComment", field, "custom", errors[0]) from None
    pull.comments.append(comment)
    return ApiResponse(status=201, data=review_comment_json(call, issue, comment))


def _reply(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    return _reply_to(call, issue, pull, call.path_number("comment"))


def _reply_to(call: Call, issue: Issue, pull: Pull, number: int) -> ApiResponse:
    parent = next((other for other in pull.comments if other.id == number), None)
    if parent is None:
        raise not_found()
    now = call.instance.now()
    comment = ReviewComment(
        id=call.instance.new_id(),
        review_id=None,
        user=call.instance.author(call.actor),
        body=validate_body("PullRequestReviewComment", call.body().get("body")),
        path=parent.path,
        commit_id=parent.commit_id,
        created_at=now,
        updated_at=now,
        line=parent.line,
        side=parent.side,
        in_reply_to=number,
        by_app=call.actor.is_workflow,
    )
    pull.comments.append(comment)
    return ApiResponse(status=201, data=review_comment_json(call, issue, comment))


def find_comment(call: Call) -> tuple[Issue, Pull, ReviewComment]:
    """Find the review comment in the path, with its pull request."""
    number = call.path_number("comment")
    for issue in call.repository.issues.values():
        for comment in issue.pull.comments if issue.pull else []:
            if comment.id == number and issue.pull:
                return issue, issue.pull, comment
    raise not_found()


def _get_comment(call: Call) -> ApiResponse:
    issue, _pull, comment = find_comment(call)
    return ApiResponse(data=review_comment_json(call, issue, comment))


def _edit_comment(call: Call) -> ApiResponse:
    issue, _pull, comment = find_comment(call)
    text = validate_body("PullRequestReviewComment", call.body().get("body"))
    content_edits.edit_body(call, comment, text)
    return ApiResponse(data=review_comment_json(call, issue, comment))


def _delete_comment(call: Call) -> ApiResponse:
    _issue, pull, comment = find_comment(call)
    pull.comments.remove(comment)
    return ApiResponse(status=204)


_R, _W = "pull_requests=read", "pull_requests=write"
ENDPOINTS = (
    endpoint("GET ~/pulls/{number}/comments", _comments, _R),
    endpoint("POST ~/pulls/{number}/comments", _create_comment, _W, person_role="read"),
    endpoint("POST ~/pulls/{number}/comments/{comment}/replies", _reply, _W, person_role="read"),
    endpoint("GET ~/pulls/comments/{comment}", _get_comment, _R),
    endpoint("PATCH ~/pulls/comments/{comment}", _edit_comment, _W),
    endpoint("DELETE ~/pulls/comments/{comment}", _delete_comment, _W),
)
