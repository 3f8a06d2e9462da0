"""The clients of pull requests: those under review, and the draft that we open for a branch."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from github.ContentFile import ContentFile
from github.GitCommit import GitCommit as GithubCommit
from github.GitRef import GitRef
from github.PullRequest import PullRequest as GithubPullRequest
from github.PullRequestComment import PullRequestComment

from batch_action.clients.github import issues as shapes
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import (
    Ignored,
    LostResponseError,
    RefusedError,
    checked,
    reads,
)
from batch_action.models.github import (
    DraftPullRequest,
    GitCommit,
    PullRequest,
    PullRequestReview,
    ReviewComment,
    ReviewCommentDraft,
)

DEPENDABOT = "dependabot[bot]"
_NOT_FOUND = 404
_UNPROCESSABLE = 422
_REGULAR_MODE = "100644"
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


@checked
class PullRequests:
    """One repository's pull requests; methods raise GitHubError as the client does."""

    def __init__(self, client: GitHubClient, is_trusted: Callable[[str], bool]) -> None:
        """Use a client; `is_trusted`: whether text by a login is ours to trust and to edit."""
        self._client = client
        self._is_trusted = is_trusted

    def get(self, number: int) -> PullRequest:
        """Return one pull request."""
        return _parse_pull(self._client.repo.get_pull(number).complete())

    def list_reviewable(self, repository_id: str) -> list[PullRequest]:
        """Return the open pull requests of this repository, by number.

        Without drafts, those of forks and those of Dependabot, whose runs get no secrets.
        """
        found = self._client.items(self._client.repo.get_pulls(state="open"))
        pulls = [
            _parse_pull(item)
            for item in found
            if not item.draft and shapes.login_of(item.user) != DEPENDABOT
        ]
        own = (pull for pull in pulls if pull.head_repository_id == repository_id)
        return sorted(own, key=lambda pull: pull.number)

    def numbers_of_commit(self, sha: str) -> frozenset[int]:
        """Return the numbers of the pull requests that a commit belongs to."""
        # GitHub responds with 422 for a commit it does not have.
        with Ignored(_NOT_FOUND, _UNPROCESSABLE):
            pulls = self._client.items(self._client.repo.get_commit(sha).get_pulls())
            return frozenset(pull.number for pull in pulls)
        return frozenset()

    def patches(self, number: int) -> dict[str, str]:
        """Return `{path: patch}` as GitHub shows it, without binary and huge files."""
        files = self._client.items(self._client.repo.get_pull(number).get_files())
        return {file.filename: file.patch for file in files if file.patch}

    def reviews(self, number: int) -> list[PullRequestReview]:
        """Return all reviews, the oldest first."""
        listing = self._client.repo.get_pull(number).get_reviews()
        return [
            PullRequestReview(
                id=item.id,
                url=item.html_url,
                body=item.body or "",
                trusted=self._is_trusted(shapes.login_of(item.user)),
            )
            for item in self._client.items(listing)
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


@checked
class DraftBranches:
    """Git data and pull requests of one repository; methods raise GitHubError as the client does.

    Sources: GitHub's REST documentation of git trees, commits and refs, and of pull requests.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def head_of(self, branch: str) -> str | None:
        """Return the commit a branch points at; None when there is no such branch."""
        with Ignored(_NOT_FOUND):
            return _parse_ref(self._client.repo.get_git_ref(f"heads/{branch}").complete())
        return None

    def commit(self, sha: str) -> GitCommit:
        """Return a commit's message and tree."""
        return _parse_commit(self._client.repo.get_git_commit(sha))

    def blobs(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Return the blob at each of these paths in a commit; missing paths are left out."""
        blobs: dict[str, str] = {}
        for path in paths:
            with Ignored(_NOT_FOUND):
                item = self._client.repo.get_contents(path, ref=commit)
                if isinstance(item, ContentFile) and (blob := _parse_file(item)):
                    blobs[path] = blob
        return blobs

    def create_tree(
        self,
        base: str,
        texts: Mapping[str, str],
        blobs: Mapping[str, str],
        modes: Mapping[str, str],
    ) -> str:
        """Create a tree from the tree `base`, with files set, and return its id.

        Args:
            base: the id of a tree.
            texts: path to the content of new files.
            blobs: path to the blob of files that exist already.
            modes: path to mode, where it is not a regular file's.
        """
        entries: list[dict[str, Any]] = [
            {"path": p, "mode": modes.get(p, _REGULAR_MODE), "type": "blob", "content": text}
            for p, text in texts.items()
        ]
        entries += [
            {"path": p, "mode": modes.get(p, _REGULAR_MODE), "type": "blob", "sha": blob}
            for p, blob in blobs.items()
        ]
        # PyGithub's methods ask for the base tree, and for a commit's tree and parents, first.
        body = {"base_tree": base, "tree": entries}
        return _parse_sha(self._client.request("POST", "git/trees", input=body))

    def create_commit(self, message: str, tree: str, parent: str) -> str:
        """Create a commit that no branch points at yet, and return its id."""
        body = {"message": message, "tree": tree, "parents": [parent]}
        return _parse_sha(self._client.request("POST", "git/commits", input=body))

    def set_branch(self, branch: str, sha: str) -> None:
        """Create a branch at a commit, or force it there."""
        try:
            if self.head_of(branch) is None:
                self._client.repo.create_git_ref(f"refs/heads/{branch}", sha)
            else:
                # A ref that PyGithub has not read yet would use a wrong URL, also to be deleted.
                body = {"sha": sha, "force": True}
                self._client.request("PATCH", f"git/refs/heads/{quote(branch)}", input=body)
        except LostResponseError:
            if self.head_of(branch) != sha:
                raise

    def delete_branch(self, branch: str) -> None:
        """Delete a branch, if it exists."""
        with Ignored(_NOT_FOUND, _UNPROCESSABLE):
            self._client.request("DELETE", f"git/refs/heads/{quote(branch)}")

    def find_open_pull_request(self, branch: str) -> DraftPullRequest | None:
        """Return the open pull request of a branch of this repository, if there is one."""
        owner = self._client.repository.partition("/")[0]
        listing = self._client.repo.get_pulls(state="open", head=f"{owner}:{branch}")
        pulls = [_parse_draft(item) for item in self._client.items(listing)]
        matching = [pull for pull in pulls if pull.head_ref == branch]
        return min(matching, key=lambda pull: pull.number, default=None)

    def pull(self, number: int) -> DraftPullRequest:
        """Return one pull request."""
        return _parse_draft(self._client.repo.get_pull(number).complete())

    def create(self, title: str, body: str, branch: str, into: str) -> DraftPullRequest:
        """Open a draft pull request, once; an ordinary one where GitHub offers no drafts.

        After a lost response, return the branch's open pull request if there is one.
        """
        create = partial(self._client.repo.create_pull, into, branch, title=title, body=body)
        try:
            try:
                return _parse_draft(create(draft=True))
            except RefusedError as refused:
                if "draft" not in refused.message.lower():
                    raise
                return _parse_draft(create(draft=False))
        except LostResponseError:
            pull = self.find_open_pull_request(branch)
            if pull is None:
                raise
            return pull

    def edit(self, number: int, **changes: str) -> None:
        """Change the title, body or state of a pull request."""
        self._client.edit(self._client.repo.get_pull(number), **changes)

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""
        self._client.repo.get_issue(number).add_to_labels(*labels)


@reads("pull request")
def _parse_pull(item: GithubPullRequest) -> PullRequest:
    merged = item.merged_at is not None
    return PullRequest(
        number=item.number,
        url=item.html_url,
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


@reads("pull request")
def _parse_draft(item: GithubPullRequest) -> DraftPullRequest:
    return DraftPullRequest(
        number=item.number,
        url=item.html_url,
        title=item.title,
        body=item.body or "",
        state=item.state,
        author=shapes.login_of(item.user),
        head_ref=item.head.ref or "",
    )


@reads("commit")
def _parse_commit(item: GithubCommit) -> GitCommit:
    return GitCommit(sha=item.sha, tree=item.tree.sha, message=item.message or "")


@reads("branch")
def _parse_ref(item: GitRef) -> str:
    return str(item.object.raw_data["sha"])


@reads("file")
def _parse_file(item: ContentFile) -> str | None:
    data = item.raw_data
    return str(data["sha"]) if data["type"] == "file" else None


@reads("object of git")
def _parse_sha(data: Mapping[str, Any]) -> str:
    return str(data["sha"])
