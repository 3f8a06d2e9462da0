"""A branch and its draft pull request, written through the git data API without a checkout."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostResponseError, RefusedError
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
        try:
            ref = self._client.request("GET", f"git/ref/heads/{quote(branch)}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise
            return None
        return str(ref["object"]["sha"])

    def commit(self, sha: str) -> GitCommit:
        """Return a commit's message and tree."""
        return _parse_commit(self._client.request("GET", f"git/commits/{sha}"))

    def blobs(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Return the blob at each of these paths in a commit; missing paths are left out."""
        blobs: dict[str, str] = {}
        for path in paths:
            try:
                item = self._client.request(
                    "GET", f"contents/{quote(path)}", parameters={"ref": commit}
                )
            except RefusedError as refused:
                if refused.status != _NOT_FOUND:
                    raise
                continue
            if isinstance(item, dict) and item.get("type") == "file":
                blobs[path] = str(item["sha"])
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
        body = {"base_tree": base, "tree": entries}
        return str(self._client.request("POST", "git/trees", input=body)["sha"])

    def create_commit(self, message: str, tree: str, parent: str) -> str:
        """Create a commit that no branch points at yet, and return its id."""
        body = {"message": message, "tree": tree, "parents": [parent]}
        return str(self._client.request("POST", "git/commits", input=body)["sha"])

    def set_branch(self, branch: str, sha: str) -> None:
        """Create a branch at a commit, or force it there."""
        if self.head_of(branch) is None:
            body: dict[str, Any] = {"ref": f"refs/heads/{branch}", "sha": sha}
            method, path = "POST", "git/refs"
        else:
            body = {"sha": sha, "force": True}
            method, path = "PATCH", f"git/refs/heads/{quote(branch)}"
        try:
            self._client.request(method, path, input=body)
        except LostResponseError:
            if self.head_of(branch) != sha:
                raise

    def delete_branch(self, branch: str) -> None:
        """Delete a branch, if it exists."""
        try:
            self._client.request("DELETE", f"git/refs/heads/{quote(branch)}")
        except RefusedError as refused:
            if refused.status not in (_NOT_FOUND, _UNPROCESSABLE):
                raise

    def find_open_pull_request(self, branch: str) -> DraftPullRequest | None:
        """Return the open pull request of a branch of this repository, if there is one."""
        owner = self._client.repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "state": "open"}
        pulls = [_parse_pull(item) for item in self._client.paginate("pulls", query)]
        matching = [pull for pull in pulls if pull.head_ref == branch]
        return min(matching, key=lambda pull: pull.number, default=None)

    def pull(self, number: int) -> DraftPullRequest:
        """Return one pull request."""
        return _parse_pull(self._client.request("GET", f"pulls/{number}"))

    def create(self, title: str, body: str, branch: str, into: str) -> DraftPullRequest:
        """Open a draft pull request, once; an ordinary one where GitHub offers no drafts.

        After a lost response, return the branch's open pull request if there is one.
        """
        data = {"title": title, "body": body, "head": branch, "base": into, "draft": True}
        try:
            try:
                return _parse_pull(self._client.request("POST", "pulls", input=data))
            except RefusedError as refused:
                if "draft" not in refused.message.lower():
                    raise
                return _parse_pull(
                    self._client.request("POST", "pulls", input=data | {"draft": False})
                )
        except LostResponseError:
            pull = self.find_open_pull_request(branch)
            if pull is None:
                raise
            return pull

    def edit(self, number: int, **changes: str) -> None:
        """Change the title, body or state of a pull request."""
        try:
            self._client.request("PATCH", f"pulls/{number}", input=changes)
        except LostResponseError:
            pull = self._client.request("GET", f"pulls/{number}")
            if any(str(pull.get(name) or "").strip() != changes[name].strip() for name in changes):
                raise

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""
        self._client.request("POST", f"issues/{number}/labels", input={"labels": list(labels)})


def _parse_commit(item: dict[str, Any]) -> GitCommit:
    return GitCommit(
        sha=str(item["sha"]), tree=str(item["tree"]["sha"]), message=str(item.get("message") or "")
    )


def _parse_pull(item: dict[str, Any]) -> DraftPullRequest:
    return DraftPullRequest(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state=str(item.get("state") or "open"),
        author=str((item.get("user") or {}).get("login") or "ghost"),
        head_ref=str((item.get("head") or {}).get("ref") or ""),
    )
