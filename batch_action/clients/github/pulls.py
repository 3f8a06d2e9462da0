"""The client of pull requests: their properties, patches, reviews and review comments."""

from collections.abc import Callable, Sequence
from typing import Any

from github.PullRequest import PullRequest as GithubPullRequest
from github.PullRequestComment import PullRequestComment

from batch_action.clients.github import issues as shapes
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import Ignored, LostResponseError, RefusedError
from batch_action.models.github import (
    PullRequest,
    PullRequestReview,
    ReviewComment,
    ReviewCommentDraft,
)

_NOT_FOUND = 404
# https://docs.github.com/graphql/reference/mutations#minimizecomment
_MINIMIZE = """
mutation($id: ID!, $reason: ReportedContentClassifiers!) {
  minimizeComment(input: {subjectId: $id, classifier: $reason}) {
    minimizedComment { isMinimized }
  }
}
"""
_UNMINIMIZE = """
mutation($id: ID!) {
  unminimizeComment(input: {subjectId: $id}) { unminimizedComment { isMinimized } }
}
"""


class PullRequests:
    """One repository's pull requests; methods raise GitHubError as the client does."""

    def __init__(self, client: GitHubClient, is_trusted: Callable[[str], bool]) -> None:
        """Use a client; `is_trusted`: whether text by a login is ours to trust and to edit."""
        self._client = client
        self._is_trusted = is_trusted

    def get(self, number: int) -> PullRequest:
        """Return one pull request."""
        return _parse_pull(self._client.repo.get_pull(number).complete())

    def numbers_of_commit(self, sha: str) -> frozenset[int]:
        """Return the numbers of the pull requests that a commit belongs to."""
        # GitHub responds with 422 for a commit it does not have.
        with Ignored(_NOT_FOUND, 422):
            pulls = self._client.items(self._client.repo.get_commit(sha).get_pulls())
            return frozenset(pull.number for pull in pulls)
        return frozenset()

    def patches(self, number: int) -> dict[str, str]:
        """Return `{path: patch}` as GitHub shows it, without binary and huge files."""
        files = self._client.items(self._client.repo.get_pull(number).get_files())
        return {file.filename: file.patch for file in files if file.patch}

    def reviews(self, number: int) -> list[PullRequestReview]:
        """Return all reviews, the oldest first."""
        return [
            PullRequestReview(
                id=item.id,
                url=item.html_url or "",
                body=item.body or "",
                trusted=self._is_trusted(shapes.login_of(item.user)),
            )
            for item in self._client.items(self._client.repo.get_pull(number).get_reviews())
        ]

    def comments(self, number: int) -> list[ReviewComment]:
        """Return all review comments, the oldest first, each with whether to trust it."""
        listing = self._client.repo.get_pull(number).get_review_comments()
        return [self._comment(item) for item in self._client.items(listing)]

    def review(
        self, number: int, commit: str, body: str, drafts: Sequence[ReviewCommentDraft]
    ) -> None:
        """Post one review with all its comments: all of them or none.

        Raises:
            RefusedError: with status 422, when a line of a comment is not in the diff.
            LostResponseError: it may have been posted; the comments show whether it was.
        """
        # PyGithub's method asks for the commit first.
        comments = [_comment_body(draft) for draft in drafts]
        data = {"commit_id": commit, "event": "COMMENT", "body": body, "comments": comments}
        self._client.request("POST", f"pulls/{number}/reviews", input=data)

    def comment(self, number: int, commit: str, draft: ReviewCommentDraft) -> None:
        """Post a single review comment; errors as for a review."""
        pull = self._client.repo.get_pull(number)
        pull.create_review_comment(commit=commit, **_comment_body(draft))

    def reply(self, number: int, comment: int, body: str) -> None:
        """Reply in the thread that a comment started."""
        self._client.repo.get_pull(number).create_review_comment_reply(comment, body)

    def edit(self, id: int, body: str) -> None:
        """Replace a comment's text, if the comment still exists."""
        with Ignored(_NOT_FOUND):
            self._client.edit(self._comment_by_id(id), body=body)

    def delete(self, id: int) -> None:
        """Delete a comment, if it exists."""
        with Ignored(_NOT_FOUND):
            self._comment_by_id(id).delete()

    def react(self, id: int, content: str) -> None:
        """React to a comment; retried, because a repeated reaction changes nothing."""
        self._client.react(self._comment_by_id(id), content)

    def set_minimized(self, node_id: str, reason: str) -> bool:
        """Minimize a comment as `RESOLVED` or `OUTDATED`; without a `reason`, show it again.

        Return False where GitHub refuses. Retried, because repeating it changes nothing.
        """
        query = _MINIMIZE if reason else _UNMINIMIZE
        variables = {"id": node_id, "reason": reason} if reason else {"id": node_id}
        try:
            self._client.graphql(query, variables)
        except LostResponseError:
            self._client.graphql(query, variables)
        except RefusedError:
            return False
        return True

    def _comment_by_id(self, id: int) -> PullRequestComment:
        # The pull request's number is no part of the comment's URL.
        return self._client.repo.get_pull(0).get_review_comment(id)

    def _comment(self, item: PullRequestComment) -> ReviewComment:
        trusted = self._is_trusted(shapes.login_of(item.user))
        return ReviewComment(
            comment=shapes.parse_comment(item, trusted=trusted), in_reply_to=item.in_reply_to_id
        )


def _parse_pull(item: GithubPullRequest) -> PullRequest:
    merged = item.merged_at is not None
    return PullRequest(
        number=item.number,
        url=item.html_url or "",
        open=item.state == "open",
        merged=merged,
        # While it is open this names GitHub's test merge, which is on no branch.
        merge_commit=item.merge_commit_sha or "" if merged else "",
        head=item.head.sha or "",
        head_ref=item.head.ref or "",
        head_repository_id=str(item.head.repo.id) if item.head.repo else "",
        base=item.base.sha or "",
        base_ref=item.base.ref or "",
    )


def _comment_body(draft: ReviewCommentDraft) -> dict[str, Any]:
    body: dict[str, Any] = {
        "path": draft.path,
        "body": draft.body,
        "line": draft.end_line,
        "side": "RIGHT",
    }
    if draft.start_line < draft.end_line:
        body |= {"start_line": draft.start_line, "start_side": "RIGHT"}
    return body
