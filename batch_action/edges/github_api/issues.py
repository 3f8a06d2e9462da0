"""Issues, their comments and labels: found by label, marker and author, never by search."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from batch_action.edges.github_api.client import GitHubClient
from batch_action.edges.github_api.refusals import LostAnswerError, RefusedError
from batch_action.errors import GitHubError
from batch_action.models.github import CommentText, IssueText

# https://docs.github.com/rest/issues/labels#create-a-label
_LABEL_DESCRIPTION = 100
_NOT_FOUND = 404
_EXISTS = 422


class LabelsDroppedError(GitHubError):
    """An issue was opened but GitHub dropped a label by which the next run would find it."""

    def __init__(self, problem: str, *, fix: str, issue: IssueText) -> None:
        self.issue = issue
        super().__init__(problem, fix=fix)


class Issues:
    """One repository's issues; every method raises GitHubError as the client does."""

    def __init__(self, client: GitHubClient, trusted_authors: Sequence[str] = ()) -> None:
        """Trust what the token's own account wrote, and what `trusted_authors` (logins) wrote."""
        self._client = client
        self._extra = frozenset(login.casefold() for login in trusted_authors)
        self._viewer: str | None = None
        self._labels: set[str] = set()
        self._writers: dict[str, bool] = {}

    def trusts(self, login: str) -> bool:
        """Tell whether text by this login is ours to believe and to edit."""
        if self._viewer is None:
            self._viewer = self._client.viewer().casefold()
        return login.casefold() in self._extra | {self._viewer}

    def may_write(self, login: str) -> bool:
        """Tell whether a person may write to the repository: whose wishes count.

        Bots do not count, whatever they may do; a login GitHub does not know may not.
        """
        name = login.casefold()
        if name.endswith("[bot]"):
            return False
        if name not in self._writers:
            try:
                path = f"collaborators/{quote(login, safe='')}/permission"
                answer = self._client.request("GET", path)
            except RefusedError as refused:
                if refused.status != _NOT_FOUND:
                    raise
                answer = {}
            kind = (answer.get("user") or {}).get("type", "User")
            allowed = answer.get("permission") in ("admin", "maintain", "write")
            self._writers[name] = allowed and kind == "User"
        return self._writers[name]

    def find(self, label: str, marker: str) -> list[IssueText]:
        """Give our issues with this label and marker, open or closed, the oldest first.

        From the listing: the search index lags. A comma in `label` would mean two labels.
        """
        query = {"labels": label, "state": "all", "sort": "created", "direction": "asc"}
        found = [
            _issue(item)
            for item in self._client.pages("issues", query)
            if "pull_request" not in item and marker in (item.get("body") or "")
        ]
        return sorted(filter(lambda i: self.trusts(i.author), found), key=lambda i: i.number)

    def get(self, number: int) -> IssueText:
        """Give one issue; RefusedError 404 or 410 when it was moved or deleted."""
        return _issue(self._client.request("GET", f"issues/{number}"))

    def comments(self, number: int) -> list[CommentText]:
        """Give all comments of an issue, the oldest first, each with whether to trust it."""
        return [self._comment(item) for item in self._client.pages(f"issues/{number}/comments")]

    def create(self, title: str, body: str, labels: Sequence[str]) -> IssueText:
        """Open an issue, once.

        When the answer is lost the newest issues are looked through, once, for the marker (or the
        body) of this one; if it is not there, LostAnswerError. GitHub silently drops labels from
        who may not set them: they are set once more, and if that fails LabelsDroppedError carries
        the issue, because without its label the next run would open another one.
        """
        draft = {"title": title, "body": body, "labels": list(labels)}
        try:
            issue = _issue(self._client.request("POST", "issues", input=draft))
        except LostAnswerError:
            arrived = self._arrived(title, body)
            if arrived is None:
                raise
            issue = arrived
        return self._labelled(issue, labels)

    def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Replace the title or body, or both."""
        draft = {k: v for k, v in (("title", title), ("body", body)) if v is not None}
        self._patch(f"issues/{number}", draft)

    def comment(self, number: int, body: str) -> CommentText:
        """Add a comment, once: a lost answer is looked up among the comments, as for issues."""
        try:
            path = f"issues/{number}/comments"
            return self._comment(self._client.request("POST", path, input={"body": body}))
        except LostAnswerError:
            self._pause()
            ours = [comment for comment in self.comments(number) if comment.trusted]
            # Only the newest can be the one just sent; an older equal one is another night's.
            if not ours or ours[-1].body.strip() != body.strip():
                raise
            return ours[-1]

    def edit_comment(self, id: int, body: str) -> None:
        """Replace a comment's text."""
        self._patch(f"issues/comments/{id}", {"body": body})

    def delete_comment(self, id: int) -> None:
        """Delete a comment; one that is already gone is fine."""
        try:
            self._client.request("DELETE", f"issues/comments/{id}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise

    def close(self, number: int, reason: str = "completed") -> None:
        """Close an issue as `completed` or `not_planned`."""
        draft = {"state": "closed", "state_reason": reason}
        self._patch(f"issues/{number}", draft)

    def reopen(self, number: int) -> None:
        """Open a closed issue again."""
        draft = {"state": "open", "state_reason": "reopened"}
        self._patch(f"issues/{number}", draft)

    def ensure_label(self, name: str, color: str, description: str) -> None:
        """Create a label if there is none of this name; an existing one is left as it is.

        `color`: six hex digits. GitHub ignores the case of label names.
        """
        if name.casefold() in self._labels or self._has_label(name):
            return
        draft = {"name": name, "color": color, "description": description[:_LABEL_DESCRIPTION]}
        try:
            self._client.request("POST", "labels", input=draft)
        except LostAnswerError:
            if not self._has_label(name):
                raise
        except RefusedError as refused:
            if refused.status != _EXISTS or "already_exists" not in refused.said:
                raise
        self._labels.add(name.casefold())

    def _patch(self, path: str, draft: dict[str, str]) -> None:
        """Change an issue or comment; when the answer is lost, look whether it was done."""
        try:
            self._client.request("PATCH", path, input=draft)
        except LostAnswerError:
            now = self._client.request("GET", path)
            if any(str(now.get(key) or "").strip() != draft[key].strip() for key in draft):
                raise

    def _has_label(self, name: str) -> bool:
        try:
            self._client.request("GET", f"labels/{quote(name, safe='')}")
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise
            return False
        self._labels.add(name.casefold())
        return True

    def _labelled(self, issue: IssueText, labels: Sequence[str]) -> IssueText:
        missing = _missing(issue, labels)
        if not missing:
            return issue
        path = f"issues/{issue.number}/labels"
        try:
            self._client.request("POST", path, input={"labels": missing})
            issue = self.get(issue.number)
        except RefusedError as refused:
            said = f" ({refused.said})" if refused.said else ""
        else:
            said = ""
        missing = _missing(issue, labels)
        if missing:
            raise LabelsDroppedError(
                f"GitHub opened issue #{issue.number} without the label `{missing[0]}`{said}; the "
                "next run would not find it.",
                fix="Give the token the right to label issues, and close that issue.",
                issue=issue,
            )
        return issue

    def _arrived(self, title: str, body: str) -> IssueText | None:
        self._pause()
        sign = next((line for line in body.splitlines() if line.startswith("<!--")), body.strip())
        query = {"state": "all", "sort": "created", "direction": "desc", "per_page": 30}
        for item in self._client.request("GET", "issues", parameters=query):
            issue = _issue(item)
            same = issue.title == title.strip() and sign in issue.body
            if same and "pull_request" not in item and self.trusts(issue.author):
                return issue
        return None

    def _pause(self) -> None:
        """Listings lag behind writes for a moment."""
        time.sleep(min(2.0, 2 * self._client.write_interval))

    def _comment(self, item: dict[str, Any]) -> CommentText:
        author = _login(item)
        return CommentText(
            id=int(item["id"]),
            url=str(item.get("html_url") or ""),
            body=str(item.get("body") or ""),
            author=author,
            trusted=self.trusts(author),
        )


def _issue(item: dict[str, Any]) -> IssueText:
    labels = item.get("labels") or []
    return IssueText(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state=str(item.get("state") or "open"),
        state_reason=item.get("state_reason"),
        labels=tuple(str(x["name"] if isinstance(x, dict) else x) for x in labels),
        author=_login(item),
        created_at=str(item.get("created_at") or ""),
    )


def _login(item: dict[str, Any]) -> str:
    # A deleted account leaves null, which GitHub shows as "ghost".
    return str((item.get("user") or {}).get("login") or "ghost")


def _missing(issue: IssueText, labels: Sequence[str]) -> list[str]:
    have = {label.casefold() for label in issue.labels}
    return [label for label in labels if label.casefold() not in have]
