"""The client of pull requests: their properties, patches, reviews and review comments."""

from collections.abc import Callable, Sequence
from typing import Any

from batch_action.clients.github import issues as shapes
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostResponseError, RefusedError
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
        return _parse_pull(self._client.request("GET", f"pulls/{number}"))

    def numbers_of_commit(self, sha: str) -> frozenset[int]:
        """Return the numbers of the pull requests that a commit belongs to."""
        try:
            return frozenset(
                int(i["number"]) for i in self._client.paginate(f"commits/{sha}/pulls")
            )
        except RefusedError as refused:
            # GitHub responds with 422 for a commit it does not have.
            if refused.status not in (_NOT_FOUND, 422):
                raise
            return frozenset()

    def patches(self, number: int) -> dict[str, str]:
        """Return `{path: patch}` as GitHub shows it, without binary and huge files."""
        files = self._client.paginate(f"pulls/{number}/files")
        return {str(file["filename"]): file["patch"] for file in files if file.get("patch")}

    def reviews(self, number: int) -> list[PullRequestReview]:
        """Return all reviews, the oldest first."""
        return [
            PullRequestReview(
                id=int(item["id"]),
                url=str(item.get("html_url") or ""),
                body=str(item.get("body") or ""),
                trusted=self._is_trusted(shapes.login_of(item)),
            )
            for item in self._client.paginate(f"pulls/{number}/reviews")
        ]

    def comments(self, number: int) -> list[ReviewComment]:
        """Return all review comments, the oldest first, each with whether to trust it."""
        return [self._comment(item) for item in self._client.paginate(f"pulls/{number}/comments")]

    def review(
        self, number: int, commit: str, body: str, drafts: Sequence[ReviewCommentDraft]
    ) -> None:
        """Post one review with all its comments: all of them or none.

        Raises:
            RefusedError: with status 422, when a line of a comment is not in the diff.
            LostResponseError: it may have been posted; the comments show whether it was.
        """
        comments = [_comment_body(draft) for draft in drafts]
        data = {"commit_id": commit, "event": "COMMENT", "body": body, "comments": comments}
        self._client.request("POST", f"pulls/{number}/reviews", input=data)

    def comment(self, number: int, commit: str, draft: ReviewCommentDraft) -> None:
        """Post a single review comment; errors as for a review."""
        body = {"commit_id": commit, **_comment_body(draft)}
        self._client.request("POST", f"pulls/{number}/comments", input=body)

    def reply(self, number: int, comment: int, body: str) -> None:
        """Reply in the thread that a comment started."""
        path = f"pulls/{number}/comments/{comment}/replies"
        self._client.request("POST", path, input={"body": body})

    def edit(self, id: int, body: str) -> None:
        """Replace a comment's text, if the comment still exists."""
        path = f"pulls/comments/{id}"
        try:
            self._client.request("PATCH", path, input={"body": body})
        except LostResponseError:
            comment = self._client.request("GET", path)
            if str(comment.get("body") or "").strip() != body.strip():
                raise
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise

    def delete(self, id: int) -> None:
        """Delete a comment, if it exists."""
        try:
            self._client.request("DELETE", f"pulls/comments/{id}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise

    def react(self, id: int, content: str) -> None:
        """React to a comment; retried, because a repeated reaction changes nothing."""
        path = f"pulls/comments/{id}/reactions"
        try:
            self._client.request("POST", path, input={"content": content})
        except LostResponseError:
            self._client.request("POST", path, input={"content": content})

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

    def _comment(self, item: dict[str, Any]) -> ReviewComment:
        return ReviewComment(
            comment=shapes.parse_comment(item, trusted=self._is_trusted(shapes.login_of(item))),
            in_reply_to=item.get("in_reply_to_id"),
        )


def _parse_pull(item: dict[str, Any]) -> PullRequest:
    head, base = item.get("head") or {}, item.get("base") or {}
    merged = bool(item.get("merged_at"))
    return PullRequest(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        open=item.get("state") == "open",
        merged=merged,
        # While it is open this names GitHub's test merge, which is on no branch.
        merge_commit=str(item.get("merge_commit_sha") or "") if merged else "",
        head=str(head.get("sha") or ""),
        head_ref=str(head.get("ref") or ""),
        head_repository_id=str((head.get("repo") or {}).get("id") or ""),
        base=str(base.get("sha") or ""),
        base_ref=str(base.get("ref") or ""),
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
