"""One branch of ours and its draft pull request, made of git objects: no checkout is needed."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.models.github import CommitInfo, DraftPullRequestInfo

_NOT_FOUND = 404
_UNPROCESSABLE = 422
_ORDINARY = "100644"


class DraftBranches:
    """Git data and pull requests of one repository; methods raise GitHubError as the client does.

    Sources: GitHub's REST pages on git trees, commits, refs and on pull requests.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def branch(self, name: str) -> str | None:
        """Give the commit a branch points at; None when there is no such branch."""
        try:
            ref = self._client.request("GET", f"git/ref/heads/{quote(name)}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise
            return None
        return str(ref["object"]["sha"])

    def commit(self, sha: str) -> CommitInfo:
        """Give a commit's message and tree."""
        return _commit(self._client.request("GET", f"git/commits/{sha}"))

    def blobs(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Give the blob at each of these paths in a commit; missing paths are left out."""
        found: dict[str, str] = {}
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
                found[path] = str(item["sha"])
        return found

    def tree(
        self,
        base: str,
        files: Mapping[str, str],
        kept: Mapping[str, str],
        modes: Mapping[str, str],
    ) -> str:
        """Make a tree of `base` with `files` (path to text) and `kept` (path to blob) laid over."""
        entries: list[dict[str, Any]] = [
            {"path": p, "mode": modes.get(p, _ORDINARY), "type": "blob", "content": text}
            for p, text in files.items()
        ]
        entries += [
            {"path": p, "mode": modes.get(p, _ORDINARY), "type": "blob", "sha": blob}
            for p, blob in kept.items()
        ]
        made = self._client.request("POST", "git/trees", input={"base_tree": base, "tree": entries})
        return str(made["sha"])

    def make_commit(self, message: str, tree: str, parent: str) -> str:
        """Make a commit that nothing points at yet."""
        draft = {"message": message, "tree": tree, "parents": [parent]}
        return str(self._client.request("POST", "git/commits", input=draft)["sha"])

    def point(self, branch: str, sha: str) -> None:
        """Make a branch point at a commit, whatever it pointed at before."""
        if self.branch(branch) is None:
            draft = {"ref": f"refs/heads/{branch}", "sha": sha}
            method, path = "POST", "git/refs"
        else:
            draft = {"sha": sha, "force": True}  # type: ignore[dict-item]
            method, path = "PATCH", f"git/refs/heads/{quote(branch)}"
        try:
            self._client.request(method, path, input=draft)
        except LostAnswerError:
            if self.branch(branch) != sha:
                raise

    def drop(self, branch: str) -> None:
        """Delete a branch; one that is gone already is fine."""
        try:
            self._client.request("DELETE", f"git/refs/heads/{quote(branch)}")
        except RefusedError as refused:
            if refused.status not in (_NOT_FOUND, _UNPROCESSABLE):
                raise

    def open_pull(self, branch: str) -> DraftPullRequestInfo | None:
        """Give the open pull request of a branch of this repository, if there is one."""
        owner = self._client.repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "state": "open"}
        found = [
            pull
            for item in self._client.pages("pulls", query)
            if (pull := _pull(item)).head_ref == branch
        ]
        return min(found, key=lambda pull: pull.number, default=None)

    def pull(self, number: int) -> DraftPullRequestInfo:
        """Give one pull request."""
        return _pull(self._client.request("GET", f"pulls/{number}"))

    def create(self, title: str, body: str, branch: str, into: str) -> DraftPullRequestInfo:
        """Open a draft pull request, once; where drafts are not offered, an ordinary one.

        When the answer is lost the open ones are looked through.
        """
        draft = {"title": title, "body": body, "head": branch, "base": into, "draft": True}
        try:
            try:
                return _pull(self._client.request("POST", "pulls", input=draft))
            except RefusedError as refused:
                if "draft" not in refused.said.lower():
                    raise
                return _pull(self._client.request("POST", "pulls", input=draft | {"draft": False}))
        except LostAnswerError:
            there = self.open_pull(branch)
            if there is None:
                raise
            return there

    def edit(self, number: int, **changes: str) -> None:
        """Change the title, body or state of a pull request."""
        try:
            self._client.request("PATCH", f"pulls/{number}", input=changes)
        except LostAnswerError:
            now = self._client.request("GET", f"pulls/{number}")
            if any(str(now.get(name) or "").strip() != changes[name].strip() for name in changes):
                raise

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""
        self._client.request("POST", f"issues/{number}/labels", input={"labels": list(labels)})


def _commit(item: dict[str, Any]) -> CommitInfo:
    return CommitInfo(
        sha=str(item["sha"]), tree=str(item["tree"]["sha"]), message=str(item.get("message") or "")
    )


def _pull(item: dict[str, Any]) -> DraftPullRequestInfo:
    return DraftPullRequestInfo(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state=str(item.get("state") or "open"),
        author=str((item.get("user") or {}).get("login") or "ghost"),
        head_ref=str((item.get("head") or {}).get("ref") or ""),
    )
