"""Issues, comments and their revisions as the API writes them, in our own small words."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.errors import GitHubError
from batch_action.models.github import BodyRevision, CommentInfo, IssueInfo


def parse_issue(item: dict[str, Any]) -> IssueInfo:
    """An issue of the REST API."""
    labels = item.get("labels") or []
    return IssueInfo(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state=str(item.get("state") or "open"),
        state_reason=item.get("state_reason"),
        labels=tuple(str(x["name"] if isinstance(x, dict) else x) for x in labels),
        author=login_of(item),
        created_at=str(item.get("created_at") or ""),
        node_id=str(item.get("node_id") or ""),
        updated_at=str(item.get("updated_at") or ""),
        closed_at=str(item.get("closed_at") or ""),
        closed_by=str((item.get("closed_by") or {}).get("login") or ""),
        comments=int(item.get("comments") or 0),
    )


def parse_comment(item: dict[str, Any], *, trusted: bool) -> CommentInfo:
    """A comment of the REST API, on an issue or on a pull request's lines."""
    reactions = item.get("reactions") or {}
    counts = {name: count for name, count in reactions.items() if isinstance(count, int)}
    return CommentInfo(
        id=int(item["id"]),
        url=str(item.get("html_url") or ""),
        body=str(item.get("body") or ""),
        author=login_of(item),
        trusted=trusted,
        node_id=str(item.get("node_id") or ""),
        reactions=tuple(n for n, count in counts.items() if count and n != "total_count"),
    )


def parse_revision(node: dict[str, Any]) -> BodyRevision:
    """A `UserContentEdit` of GraphQL; its `diff` is the whole text of that revision."""
    editor = node.get("editor") or {}
    person = editor.get("__typename") == "User"
    return BodyRevision(
        editor=str(editor.get("login") or "") if person else "",
        text=None if node.get("deletedAt") else node.get("diff"),
    )


def login_of(item: dict[str, Any]) -> str:
    """The author's login."""
    # A deleted account leaves null, which GitHub shows as "ghost".
    return str((item.get("user") or {}).get("login") or "ghost")


def is_missing(found: IssueInfo, labels: Sequence[str]) -> list[str]:
    """Those of the labels that an issue does not have."""
    have = {label.casefold() for label in found.labels}
    return [label for label in labels if label.casefold() not in have]


# https://docs.github.com/rest/issues/labels#create-a-label
_LABEL_DESCRIPTION = 100
_NOT_FOUND = 404
_EXISTS = 422
# https://docs.github.com/graphql/reference/objects#usercontentedit, the newest first.
_REVISIONS = """
query($id: ID!) {
  node(id: $id) {
    ... on Comment {
      userContentEdits(first: 100) { nodes { deletedAt diff editor { __typename login } } }
    }
  }
}
"""


class LabelsDroppedError(GitHubError):
    """An issue was opened but GitHub dropped a label by which the next run would find it."""

    def __init__(self, problem: str, *, fix: str, issue: IssueInfo) -> None:
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

    def find(self, label: str, marker: str) -> list[IssueInfo]:
        """Give our issues with this label and marker, open or closed, the oldest first.

        From the listing: the search index lags. A comma in `label` would mean two labels.
        """
        query = {"labels": label, "state": "all", "sort": "created", "direction": "asc"}
        found = [
            parse_issue(item)
            for item in self._client.pages("issues", query)
            if "pull_request" not in item and marker in (item.get("body") or "")
        ]
        return sorted(filter(lambda i: self.trusts(i.author), found), key=lambda i: i.number)

    def get(self, number: int) -> IssueInfo:
        """Give one issue; RefusedError 404 or 410 when it was moved or deleted."""
        return parse_issue(self._client.request("GET", f"issues/{number}"))

    def comments(self, number: int) -> list[CommentInfo]:
        """Give all comments of an issue, the oldest first, each with whether to trust it."""
        return [self._comment(item) for item in self._client.pages(f"issues/{number}/comments")]

    def create(
        self, title: str, body: str, labels: Sequence[str], assignees: Sequence[str] = ()
    ) -> IssueInfo:
        """Open an issue, once; who cannot be assigned to it is left out.

        When the answer is lost the newest issues are looked through, once, for the marker (or the
        body) of this one; if it is not there, LostAnswerError. GitHub silently drops labels from
        who may not set them: they are set once more, and if that fails LabelsDroppedError carries
        the issue, because without its label the next run would open another one.
        """
        draft: dict[str, Any] = {"title": title, "body": body, "labels": list(labels)}
        people = {"assignees": list(assignees)} if assignees else {}
        try:
            issue = parse_issue(self._client.request("POST", "issues", input=draft | people))
        except RefusedError as refused:
            if not people or refused.status != _EXISTS or "assignee" not in refused.said:
                raise
            # GitHub drops most of those it does not know, but an issue for nobody is better than
            # none.
            return self.create(title, body, labels)
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

    def comment(self, number: int, body: str) -> CommentInfo:
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

    def revisions(self, node_id: str) -> list[BodyRevision]:
        """Give what an edited issue or comment was, the newest first; nothing if it was not edited.

        No more than a hundred. RefusedError where the server's GraphQL does not tell.
        """
        node = self._client.graphql(_REVISIONS, {"id": node_id}).get("node") or {}
        edits = node.get("userContentEdits") or {}
        return [parse_revision(one) for one in edits.get("nodes") or [] if one]

    def react(self, comment: int, content: str) -> None:
        """React to a comment; the same reaction again changes nothing, so it may be repeated."""
        path = f"issues/comments/{comment}/reactions"
        try:
            self._client.request("POST", path, input={"content": content})
        except LostAnswerError:
            self._client.request("POST", path, input={"content": content})

    def labelled_by(self, number: int, label: str) -> str:
        """Tell who put a label on an issue last; empty when nobody is named."""
        by = ""
        for item in self._client.pages(f"issues/{number}/events"):
            name = (item.get("label") or {}).get("name") or ""
            if item.get("event") == "labeled" and name.casefold() == label.casefold():
                by = str((item.get("actor") or {}).get("login") or "")
        return by

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

    def _labelled(self, issue: IssueInfo, labels: Sequence[str]) -> IssueInfo:
        missing = is_missing(issue, labels)
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
        missing = is_missing(issue, labels)
        if missing:
            raise LabelsDroppedError(
                f"GitHub opened issue #{issue.number} without the label `{missing[0]}`{said}; the "
                "next run would not find it.",
                fix="Give the token the right to label issues, and close that issue.",
                issue=issue,
            )
        return issue

    def _arrived(self, title: str, body: str) -> IssueInfo | None:
        self._pause()
        sign = next((line for line in body.splitlines() if line.startswith("<!--")), body.strip())
        query = {"state": "all", "sort": "created", "direction": "desc", "per_page": 30}
        for item in self._client.request("GET", "issues", parameters=query):
            issue = parse_issue(item)
            same = issue.title == title.strip() and sign in issue.body
            if same and "pull_request" not in item and self.trusts(issue.author):
                return issue
        return None

    def _pause(self) -> None:
        """Listings lag behind writes for a moment."""
        time.sleep(min(2.0, 2 * self._client.write_interval))

    def _comment(self, item: dict[str, Any]) -> CommentInfo:
        return parse_comment(item, trusted=self.trusts(login_of(item)))
