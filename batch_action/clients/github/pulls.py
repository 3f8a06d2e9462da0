"""Pull requests that are reviewed: what they are, their diff, our reviews and comments on them."""

from collections.abc import Callable, Sequence
from typing import Any

from batch_action.clients.github import issues as shapes
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.models.github import (
    PullRequestInfo,
    ReviewCommentDraft,
    ReviewCommentInfo,
    ReviewInfo,
)

_NOT_FOUND = 404
# https://docs.github.com/graphql/reference/mutations#minimizecomment
_MINIMIZE = """
mutation($id: ID!, $why: ReportedContentClassifiers!) {
  minimizeComment(input: {subjectId: $id, classifier: $why}) {
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

    def __init__(self, client: GitHubClient, trusts: Callable[[str], bool]) -> None:
        """*trusts*: whether text by a login is ours to believe and to edit."""
        self._client = client
        self._trusts = trusts

    def get(self, number: int) -> PullRequestInfo:
        """Give one pull request."""
        return _facts(self._client.request("GET", f"pulls/{number}"))

    def of_commit(self, sha: str) -> frozenset[int]:
        """Give the numbers of the pull requests that a commit belongs to."""
        try:
            return frozenset(int(i["number"]) for i in self._client.pages(f"commits/{sha}/pulls"))
        except RefusedError as refused:
            # 422 is GitHub's word for a commit it does not have.
            if refused.status not in (_NOT_FOUND, 422):
                raise
            return frozenset()

    def patches(self, number: int) -> dict[str, str]:
        """Give the patch of each changed file as GitHub shows it; not of binary and huge ones."""
        files = self._client.pages(f"pulls/{number}/files")
        return {str(file["filename"]): file["patch"] for file in files if file.get("patch")}

    def reviews(self, number: int) -> list[ReviewInfo]:
        """Give all reviews, the oldest first."""
        return [
            ReviewInfo(
                id=int(item["id"]),
                url=str(item.get("html_url") or ""),
                body=str(item.get("body") or ""),
                trusted=self._trusts(shapes.login_of(item)),
            )
            for item in self._client.pages(f"pulls/{number}/reviews")
        ]

    def comments(self, number: int) -> list[ReviewCommentInfo]:
        """Give all comments on lines, the oldest first, each with whether to trust it."""
        return [self._comment(item) for item in self._client.pages(f"pulls/{number}/comments")]

    def review(
        self, number: int, commit: str, body: str, drafts: Sequence[ReviewCommentDraft]
    ) -> None:
        """Post one review with all its comments: all of them or none.

        RefusedError 422 when a line of one of them is not in the diff; LostAnswerError when it is
        to be looked up among the comments whether it was done.
        """
        comments = [_placed(draft) for draft in drafts]
        draft = {"commit_id": commit, "event": "COMMENT", "body": body, "comments": comments}
        self._client.request("POST", f"pulls/{number}/reviews", input=draft)

    def comment(self, number: int, commit: str, draft: ReviewCommentDraft) -> None:
        """Post a single comment on lines; errors as for a review."""
        body = {"commit_id": commit, **_placed(draft)}
        self._client.request("POST", f"pulls/{number}/comments", input=body)

    def reply(self, number: int, comment: int, body: str) -> None:
        """Answer in the thread that a comment began."""
        path = f"pulls/{number}/comments/{comment}/replies"
        self._client.request("POST", path, input={"body": body})

    def edit(self, id: int, body: str) -> None:
        """Replace a comment's text; one that somebody deleted is no more to be edited."""
        path = f"pulls/comments/{id}"
        try:
            self._client.request("PATCH", path, input={"body": body})
        except LostAnswerError:
            now = self._client.request("GET", path)
            if str(now.get("body") or "").strip() != body.strip():
                raise
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise

    def delete(self, id: int) -> None:
        """Delete a comment; one that is already gone is fine."""
        try:
            self._client.request("DELETE", f"pulls/comments/{id}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise

    def react(self, id: int, content: str) -> None:
        """React to a comment; the same reaction again changes nothing, so it may be repeated."""
        path = f"pulls/comments/{id}/reactions"
        try:
            self._client.request("POST", path, input={"content": content})
        except LostAnswerError:
            self._client.request("POST", path, input={"content": content})

    def fold(self, node_id: str, why: str) -> bool:
        """Fold a comment away as `RESOLVED` or `OUTDATED`; an empty *why* shows it again.

        May be repeated. False where GitHub does not do it: its text has to say so then.
        """
        query = _MINIMIZE if why else _UNMINIMIZE
        variables = {"id": node_id, "why": why} if why else {"id": node_id}
        try:
            self._client.graphql(query, variables)
        except LostAnswerError:
            self._client.graphql(query, variables)
        except RefusedError:
            return False
        return True

    def _comment(self, item: dict[str, Any]) -> ReviewCommentInfo:
        return ReviewCommentInfo(
            comment=shapes.parse_comment(item, trusted=self._trusts(shapes.login_of(item))),
            reply_to=item.get("in_reply_to_id"),
        )


def _facts(item: dict[str, Any]) -> PullRequestInfo:
    head, base = item.get("head") or {}, item.get("base") or {}
    merged = bool(item.get("merged_at"))
    return PullRequestInfo(
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


def _placed(draft: ReviewCommentDraft) -> dict[str, Any]:
    placed: dict[str, Any] = {
        "path": draft.path,
        "body": draft.body,
        "line": draft.last,
        "side": "RIGHT",
    }
    if draft.first < draft.last:
        placed |= {"start_line": draft.first, "start_side": "RIGHT"}
    return placed
