"""Reviews of pull requests and comments on their lines."""

from batch_action.sandbox.github import issue_shapes
from batch_action.sandbox.github.issues import body_text
from batch_action.sandbox.github.pulls import find
from batch_action.sandbox.github.review_comments import comment_shape, placed
from batch_action.sandbox.github.shapes import Json, base, instant, user
from batch_action.sandbox.github.state import Issue, Review
from batch_action.sandbox.github.wire import Answer, Call, Refusal, not_found, on

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
        "user": user(call.instance, review.user),
        "body": review.body,
        "state": review.state,
        "commit_id": review.commit_id,
        "submitted_at": instant(review.submitted_at),
        "html_url": f"{page}#pullrequestreview-{review.id}",
        "pull_request_url": f"{base(call.instance, call.repository)}/pulls/{issue.number}",
        "author_association": issue_shapes.association(call.repository, review.user),
        "_links": {
            "html": {"href": f"{page}#pullrequestreview-{review.id}"},
            "pull_request": {
                "href": f"{base(call.instance, call.repository)}/pulls/{issue.number}",
            },
        },
    }


def _reviews(call: Call) -> Answer:
    issue, pull = find(call)
    return call.page(pull.reviews, lambda review: _review_shape(call, issue, review))


def _review(call: Call) -> Answer:
    issue, pull = find(call)
    number = call.number("review")
    for review in pull.reviews:
        if review.id == number:
            return Answer(data=_review_shape(call, issue, review))
    raise not_found()


def _create_review(call: Call) -> Answer:
    issue, pull = find(call)
    body = call.body()
    event = body.get("event") or None
    if event not in _STATES:
        raise Refusal(422, "Variable $event of type PullRequestReviewEvent was invalid")
    if event == "APPROVE" and call.actor.is_workflow and not call.repository.actions_may_open_pulls:
        raise Refusal(422, "GitHub Actions is not permitted to approve pull requests.")
    text = body_text("PullRequestReview", body.get("body") or "")
    if event in {"COMMENT", "REQUEST_CHANGES"} and not text:
        raise Refusal(422, "Unprocessable Entity", ["Body can't be blank"])
    review = Review(
        id=call.instance.new_id(),
        user=call.instance.author(call.actor),
        body=text,
        state=_STATES[event],
        commit_id=str(body.get("commit_id") or pull.head_sha),
        submitted_at=call.instance.now() if event else None,
    )
    # All or nothing: one line outside the diff sinks the whole review.
    at = {"commit_id": review.commit_id}
    comments = [placed(call, pull, sent | at, review.id) for sent in body.get("comments") or []]
    pull.reviews.append(review)
    pull.comments += comments
    return Answer(data=_review_shape(call, issue, review))


def _review_comments(call: Call) -> Answer:
    issue, pull = find(call)
    number = call.number("review")
    found = [comment for comment in pull.comments if comment.review_id == number]
    return call.page(found, lambda comment: comment_shape(call, issue, comment))


_R, _W = "pull_requests=read", "pull_requests=write"
ENDPOINTS = (
    on("GET ~/pulls/{number}/reviews", _reviews, _R),
    on("POST ~/pulls/{number}/reviews", _create_review, _W, person="read"),
    on("GET ~/pulls/{number}/reviews/{review}", _review, _R),
    on("GET ~/pulls/{number}/reviews/{review}/comments", _review_comments, _R),
)
