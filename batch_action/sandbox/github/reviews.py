"""The review endpoints."""

from batch_action.sandbox.github import issue_objects
from batch_action.sandbox.github.issues import validate_body
from batch_action.sandbox.github.json_objects import Json, api_url, format_time, user_json
from batch_action.sandbox.github.pulls import find_pull_request
from batch_action.sandbox.github.records import Issue, Review
from batch_action.sandbox.github.rest import ApiResponse, Call, GitHubError, endpoint, not_found
from batch_action.sandbox.github.review_comments import create_comment, review_comment_json

_STATES = {
    None: "PENDING",
    "COMMENT": "COMMENTED",
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
}


def _review_shape(call: Call, issue: Issue, review: Review) -> Json:
    page = f"{call.instance.origin}/{call.repository.full_name}/pull/{issue.number}"
    return {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": user_json(call.instance, review.user),
        "body": review.body,
        "state": review.state,
        "commit_id": review.commit_id,
        "submitted_at": format_time(review.submitted_at),
        "html_url": f"{page}#pullrequestreview-{review.id}",
        "pull_request_url": f"{api_url(call.instance, call.repository)}/pulls/{issue.number}",
        "author_association": issue_objects.author_association(call.repository, review.user),
        "_links": {
            "html": {"href": f"{page}#pullrequestreview-{review.id}"},
            "pull_request": {
                "href": f"{api_url(call.instance, call.repository)}/pulls/{issue.number}",
            },
        },
    }


def _reviews(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    return call.page(pull.reviews, lambda review: _review_shape(call, issue, review))


def _review(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    number = call.path_number("review")
    for review in pull.reviews:
        if review.id == number:
            return ApiResponse(data=_review_shape(call, issue, review))
    raise not_found()


def _create_review(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    body = call.body()
    event = body.get("event") or None
    if event not in _STATES:
        raise GitHubError(422, "Variable $event of type PullRequestReviewEvent was invalid")
    if (
        event == "APPROVE"
        and call.actor.is_workflow
        and not call.repository.actions_can_open_pull_requests
    ):
        raise GitHubError(422, "GitHub Actions is not permitted to approve pull requests.")
    text = validate_body("PullRequestReview", body.get("body") or "")
    if event in {"COMMENT", "REQUEST_CHANGES"} and not text:
        raise GitHubError(422, "Unprocessable Entity", ["Body can't be blank"])
    review = Review(
        id=call.instance.new_id(),
        user=call.instance.author(call.actor),
        body=text,
        state=_STATES[event],
        commit_id=str(body.get("commit_id") or pull.head_sha),
        submitted_at=call.instance.now() if event else None,
    )
    # GitHub refuses the whole review when one line is not in the diff.
    commit = {"commit_id": review.commit_id}
    comments = [
        create_comment(call, pull, sent | commit, review.id) for sent in body.get("comments") or []
    ]
    pull.reviews.append(review)
    pull.comments += comments
    return ApiResponse(data=_review_shape(call, issue, review))


def _review_comments(call: Call) -> ApiResponse:
    issue, pull = find_pull_request(call)
    number = call.path_number("review")
    comments = [comment for comment in pull.comments if comment.review_id == number]
    return call.page(comments, lambda comment: review_comment_json(call, issue, comment))


_R, _W = "pull_requests=read", "pull_requests=write"
ENDPOINTS = (
    endpoint("GET ~/pulls/{number}/reviews", _reviews, _R),
    endpoint("POST ~/pulls/{number}/reviews", _create_review, _W, person_role="read"),
    endpoint("GET ~/pulls/{number}/reviews/{review}", _review, _R),
    endpoint("GET ~/pulls/{number}/reviews/{review}/comments", _review_comments, _R),
)
