"""The client of issues: their text, comments, labels, revisions and reactions."""

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from github.Issue import Issue as GithubIssue
from github.IssueComment import IssueComment as GithubIssueComment
from github.NamedUser import NamedUser
from github.Organization import Organization
from github.PullRequestComment import PullRequestComment

from batch_action.clients.github.client import GitHubClient, timestamp
from batch_action.clients.github.errors import (
    Ignored,
    LostResponseError,
    RefusedError,
    checked,
    reads,
)
from batch_action.errors import GitHubError
from batch_action.models.github import BodyRevision, Issue, IssueComment


@reads("issue")
def parse_issue(item: GithubIssue) -> Issue:
    """Return PyGithub's issue, complete, as our value."""
    return Issue(
        number=item.number,
        url=item.html_url,
        title=item.title,
        body=item.body or "",
        state=item.state,
        state_reason=item.state_reason,
        labels=tuple(label.name for label in item.labels or []),
        author=login_of(item.user),
        created_at=timestamp(item.created_at),
        node_id=item.node_id or "",
        updated_at=timestamp(item.updated_at),
        closed_at=timestamp(item.closed_at),
        closed_by=item.closed_by.login if item.closed_by else "",
        comments=item.comments or 0,
    )


@reads("comment")
def parse_comment(item: GithubIssueComment | PullRequestComment, *, trusted: bool) -> IssueComment:
    """Return PyGithub's comment, on an issue or on a pull request's lines, as our value."""
    counts = {n: count for n, count in (item.reactions or {}).items() if isinstance(count, int)}
    return IssueComment(
        id=item.id,
        url=item.html_url,
        body=item.body or "",
        author=login_of(item.user),
        trusted=trusted,
        node_id=item.node_id or "",
        reactions=tuple(n for n, count in counts.items() if count and n != "total_count"),
    )


@reads("revision")
def parse_revision(node: dict[str, Any]) -> BodyRevision:
    """Parse a `UserContentEdit` of GraphQL; its `diff` is the whole text of that revision."""
    editor = node.get("editor") or {}
    is_person = editor.get("__typename") == "User"
    return BodyRevision(
        editor=str(editor.get("login") or "") if is_person else "",
        text=None if node.get("deletedAt") else node.get("diff"),
    )


@reads("permission")
def _parse_permission(data: dict[str, Any]) -> bool:
    """Return whether a person may write; False for a bot."""
    account = data.get("user") or {}
    may_write = data["permission"] in ("admin", "maintain", "write")
    return may_write and account.get("type", "User") == "User"


def login_of(user: NamedUser | Organization | None) -> str:
    """Return an author's login."""
    # For a deleted account the API sends null; GitHub shows it as "ghost".
    return user.login if user else "ghost"


def missing_labels(issue: Issue, labels: Sequence[str]) -> list[str]:
    """Return those of the labels that an issue does not have."""
    existing = {label.casefold() for label in issue.labels}
    return [label for label in labels if label.casefold() not in existing]


# https://docs.github.com/rest/issues/labels#create-a-label
_MAX_LABEL_DESCRIPTION_CHARS = 100
_NEWEST = 100
"""Issues that a lost one is looked for among."""
_NOT_FOUND = 404
_GONE = 410
_UNPROCESSABLE = 422
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
    """An issue was opened, but without a label by which the next run would find it."""

    def __init__(self, problem: str, *, fix: str, issue: Issue) -> None:
        self.issue = issue
        super().__init__(problem, fix=fix)


def notify(issues: "Issues", number: int, body: str) -> bool:
    """Add a comment that only tells people; return False when the conversation is locked.

    Everything that the comment says is in another text too, which can still be edited.
    """
    try:
        issues.comment(number, body)
    except RefusedError as refused:
        if not refused.is_locked:
            raise
        return False
    return True


def post_once(issues: "Issues", number: int, body: str) -> None:
    """Add a comment that is known by its first line, if there is none of ours with that line.

    Concurrent runs may both find none: of their comments the oldest stays.
    """
    first = body.partition("\n")[0]

    def posted() -> list[IssueComment]:
        own = (comment for comment in issues.comments(number) if comment.trusted)
        same = (comment for comment in own if comment.body.partition("\n")[0].strip() == first)
        return sorted(same, key=lambda comment: comment.id)

    if not posted() and notify(issues, number, body):
        for comment in posted()[1:]:
            issues.delete_comment(comment.id)


@checked
class Issues:
    """One repository's issues; methods raise GitHubError as the client does."""

    def __init__(self, client: GitHubClient, trusted_authors: Sequence[str] = ()) -> None:
        """Use a client; trust text by the token's own account and by `trusted_authors` (logins)."""
        self._client = client
        self._trusted_authors = frozenset(login.casefold() for login in trusted_authors)
        self.foreign: tuple[Issue, ...] = ()
        """What `find` found last of accounts that are not trusted: anybody can write a marker."""
        self._viewer: str | None = None
        self._labels: set[str] = set()
        self._writers: dict[str, bool] = {}

    def is_trusted(self, login: str) -> bool:
        """Return whether text by this login is ours to trust and to edit."""
        if self._viewer is None:
            self._viewer = self._client.viewer().casefold()
        return login.casefold() in self._trusted_authors | {self._viewer}

    def can_write(self, login: str) -> bool:
        """Return whether a person may write to the repository, and so give commands.

        False for every bot, and for a login that GitHub does not know.
        """
        name = login.casefold()
        if name.endswith("[bot]"):
            return False
        if name not in self._writers:
            may_write = False
            with Ignored(_NOT_FOUND):
                # PyGithub's method drops the kind of the account.
                path = f"collaborators/{quote(login, safe='')}/permission"
                may_write = _parse_permission(self._client.request("GET", path))
            self._writers[name] = may_write
        return self._writers[name]

    def find(self, label: str, marker: str) -> list[Issue]:
        """Return our issues with this label and marker, open or closed, the oldest first.

        They come from the listing, because the search index lags behind. A comma in `label` would
        mean two labels.
        """
        listing = self._client.repo.get_issues(
            labels=[label], state="all", sort="created", direction="asc"
        )
        issues = [
            parse_issue(item)
            for item in self._client.items(listing)
            if item.pull_request is None and marker in (item.body or "")
        ]
        trusted = [issue for issue in issues if self.is_trusted(issue.author)]
        self.foreign = tuple(issue for issue in issues if issue not in trusted)
        return sorted(trusted, key=lambda issue: issue.number)

    def find_by_number(self, number: int, marker: str) -> Issue | None:
        """Return an issue that our ledger names, if it is still there with this marker.

        The account that opened it is trusted from now on: it was ours, whatever the token is today.
        """
        with Ignored(_NOT_FOUND, _GONE):
            issue = self.get(number)
            if marker in issue.body:
                self._trusted_authors |= {issue.author.casefold()}
                return issue
        return None

    def get(self, number: int) -> Issue:
        """Return one issue; RefusedError 404 or 410 when it was moved or deleted."""
        return parse_issue(self._client.repo.get_issue(number).complete())

    def comments(self, number: int) -> list[IssueComment]:
        """Return all comments of an issue, the oldest first, each with whether to trust it."""
        listing = self._client.repo.get_issue(number).get_comments()
        return [self._parse_comment(item) for item in self._client.items(listing)]

    def create(
        self, title: str, body: str, labels: Sequence[str], assignees: Sequence[str] = ()
    ) -> Issue:
        """Open an issue, once, without assignees if GitHub refuses one of them.

        After a lost response, look for the marker (or the body) among the newest issues, once.
        GitHub silently drops labels of an account that may not set them: set them once more.

        Raises:
            LostResponseError: the response was lost and the issue was not found.
            LabelsDroppedError: the issue is open without a label; the next run would open another.
        """
        people: dict[str, Any] = {"assignees": list(assignees)} if assignees else {}
        try:
            issue = parse_issue(
                self._client.repo.create_issue(title, body, labels=list(labels), **people)
            )
        except RefusedError as refused:
            if not people or refused.status != _UNPROCESSABLE or "assignee" not in refused.message:
                raise
            # GitHub ignores most invalid assignees, but refuses some.
            return self.create(title, body, labels)
        except LostResponseError:
            created = self._find_created(title, body)
            if created is None:
                raise
            issue = created
        return self._ensure_labels(issue, labels)

    def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Replace the title or body, or both."""
        changes = {k: v for k, v in (("title", title), ("body", body)) if v is not None}
        self._client.edit(self._client.repo.get_issue(number), **changes)

    def comment(self, number: int, body: str) -> IssueComment:
        """Add a comment, once; after a lost response look for it among the comments."""
        try:
            return self._parse_comment(self._client.repo.get_issue(number).create_comment(body))
        except LostResponseError:
            self._pause()
            trusted = [comment for comment in self.comments(number) if comment.trusted]
            # Only the newest can be this one; an older equal one is from another run.
            if not trusted or trusted[-1].body.strip() != body.strip():
                raise
            return trusted[-1]

    def edit_comment(self, id: int, body: str) -> None:
        """Replace a comment's text."""
        self._client.edit(self._comment_by_id(id), body=body)

    def delete_comment(self, id: int) -> None:
        """Delete a comment, if it exists."""
        with Ignored(_NOT_FOUND):
            self._comment_by_id(id).delete()

    def close(self, number: int, reason: str = "completed") -> Issue:
        """Close an issue as `completed`, `not_planned` or `duplicate`; return it."""
        return self._set_state(number, "closed", reason)

    def reopen(self, number: int) -> Issue:
        """Reopen a closed issue; return it."""
        return self._set_state(number, "open", "reopened")

    def _set_state(self, number: int, state: str, reason: str) -> Issue:
        item = self._client.repo.get_issue(number)
        self._client.edit(item, state=state, state_reason=reason)
        issue = parse_issue(item)
        if issue.state != state:
            raise GitHubError(f"Issue #{number} is still {issue.state}.", fix="Run collect again.")
        return issue

    def revisions(self, node_id: str) -> list[BodyRevision]:
        """Return the revisions of an edited issue or comment, the newest first, at most a hundred.

        Raises:
            RefusedError: the server's GraphQL does not support revisions.
        """
        node = self._client.graphql(_REVISIONS, {"id": node_id}).get("node") or {}
        edits = node.get("userContentEdits") or {}
        return [parse_revision(node) for node in edits.get("nodes") or [] if node]

    def react(self, comment: int, content: str) -> None:
        """React to a comment; retried, because a repeated reaction changes nothing."""
        self._client.react(self._comment_by_id(comment), content)

    def labeled_by(self, number: int, label: str) -> str:
        """Return who added a label to an issue last; empty when GitHub names nobody."""
        login = ""
        for item in self._client.items(self._client.repo.get_issue(number).get_events()):
            name = item.label.name if item.label else ""
            if item.event == "labeled" and name.casefold() == label.casefold():
                login = item.actor.login if item.actor else ""
        return login

    def ensure_label(self, name: str, color: str, description: str) -> None:
        """Create a label unless there is one of this name, which stays unchanged.

        `color`: six hex digits. GitHub ignores the case of label names.
        """
        if name.casefold() in self._labels or self.has_label(name):
            return
        try:
            self._client.repo.create_label(name, color, description[:_MAX_LABEL_DESCRIPTION_CHARS])
        except LostResponseError:
            if not self.has_label(name):
                raise
        except RefusedError as refused:
            if refused.status != _UNPROCESSABLE or "already_exists" not in refused.message:
                raise
        self._labels.add(name.casefold())

    def _comment_by_id(self, id: int) -> GithubIssueComment:
        # The issue's number is no part of the comment's URL.
        return self._client.repo.get_issue(0).get_comment(id)

    def has_label(self, name: str) -> bool:
        """Return whether the repository has a label."""
        with Ignored(_NOT_FOUND):
            self._client.repo.get_label(name).complete()
            self._labels.add(name.casefold())
            return True
        return False

    def _ensure_labels(self, issue: Issue, labels: Sequence[str]) -> Issue:
        missing = missing_labels(issue, labels)
        if not missing:
            return issue
        try:
            self._client.repo.get_issue(issue.number).add_to_labels(*missing)
            issue = self.get(issue.number)
        except RefusedError as refused:
            reason = f" ({refused.message})" if refused.message else ""
        else:
            reason = ""
        missing = missing_labels(issue, labels)
        if missing:
            raise LabelsDroppedError(
                f"GitHub opened issue #{issue.number} without the label `{missing[0]}`{reason}; "
                "the next run would not find it.",
                fix="Give the token the permission to label issues, and close that issue.",
                issue=issue,
            )
        return issue

    def _find_created(self, title: str, body: str) -> Issue | None:
        self._pause()
        marker = next((line for line in body.splitlines() if line.startswith("<!--")), body.strip())
        listing = self._client.repo.get_issues(state="all", sort="created", direction="desc")
        for item in islice(self._client.items(listing), _NEWEST):
            issue = parse_issue(item)
            is_same = issue.title == title.strip() and marker in issue.body
            if is_same and item.pull_request is None and self.is_trusted(issue.author):
                return issue
        return None

    def _pause(self) -> None:
        """Wait for a moment, because listings lag behind writes."""
        time.sleep(min(2.0, 2 * self._client.write_interval))

    def _parse_comment(self, item: GithubIssueComment) -> IssueComment:
        return parse_comment(item, trusted=self.is_trusted(login_of(item.user)))
