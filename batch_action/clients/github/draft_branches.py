"""A branch and its draft pull request, written through the git data API without a checkout."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from github.ContentFile import ContentFile
from github.PullRequest import PullRequest

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import Ignored, LostResponseError, RefusedError
from batch_action.models.github import DraftPullRequest, GitCommit

_NOT_FOUND = 404
_UNPROCESSABLE = 422
_REGULAR_MODE = "100644"


class DraftBranches:
    """Git data and pull requests of one repository; methods raise GitHubError as the client does.

    Sources: GitHub's REST documentation of git trees, commits and refs, and of pull requests.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def head_of(self, branch: str) -> str | None:
        """Return the commit a branch points at; None when there is no such branch."""
        with Ignored(_NOT_FOUND):
            return self._client.repo.get_git_ref(f"heads/{branch}").complete().object.sha
        return None

    def commit(self, sha: str) -> GitCommit:
        """Return a commit's message and tree."""
        item = self._client.repo.get_git_commit(sha)
        return GitCommit(sha=item.sha, tree=item.tree.sha, message=item.message or "")

    def blobs(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Return the blob at each of these paths in a commit; missing paths are left out."""
        blobs: dict[str, str] = {}
        for path in paths:
            with Ignored(_NOT_FOUND):
                item = self._client.repo.get_contents(path, ref=commit)
                if isinstance(item, ContentFile) and item.type == "file":
                    blobs[path] = item.sha
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
        return str(self._client.request("POST", "git/trees", input=body)["sha"])

    def create_commit(self, message: str, tree: str, parent: str) -> str:
        """Create a commit that no branch points at yet, and return its id."""
        body = {"message": message, "tree": tree, "parents": [parent]}
        return str(self._client.request("POST", "git/commits", input=body)["sha"])

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
        pulls = [_parse_pull(item) for item in self._client.items(listing)]
        matching = [pull for pull in pulls if pull.head_ref == branch]
        return min(matching, key=lambda pull: pull.number, default=None)

    def pull(self, number: int) -> DraftPullRequest:
        """Return one pull request."""
        return _parse_pull(self._client.repo.get_pull(number).complete())

    def create(self, title: str, body: str, branch: str, into: str) -> DraftPullRequest:
        """Open a draft pull request, once; an ordinary one where GitHub offers no drafts.

        After a lost response, return the branch's open pull request if there is one.
        """
        create = partial(self._client.repo.create_pull, into, branch, title=title, body=body)
        try:
            try:
                return _parse_pull(create(draft=True))
            except RefusedError as refused:
                if "draft" not in refused.message.lower():
                    raise
                return _parse_pull(create(draft=False))
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


def _parse_pull(item: PullRequest) -> DraftPullRequest:
    return DraftPullRequest(
        number=item.number,
        url=item.html_url or "",
        title=item.title or "",
        body=item.body or "",
        state=item.state or "open",
        author=item.user.login if item.user else "ghost",
        head_ref=item.head.ref or "",
    )
