"""Findings that wait for an issue of their own, remembered in comments of the oldest one."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues
from batch_action.models.findings import Dismissal, FindingState, TrackedFinding
from batch_action.models.github import CommentInfo, IssueInfo
from batch_action.models.report import RunReport
from batch_action.publishers import finding_block, markers, user_commands
from batch_action.publishers.finding_block import Written
from batch_action.publishers.issue_per_finding import render
from batch_action.publishers.issue_per_finding.render import FindingIssue
from batch_action.publishers.templates import fill
from batch_action.publishers.user_commands import TickedBoxes, UserCommands
from batch_action.text import plural

ROOM = 50_000
MARKER = f"<!-- batch-action:waiting v{markers.SCHEMA} -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One comment of waiting findings as it should read."""

    comment: CommentInfo | None
    """The comment as it stands; None for a new one."""
    text: str
    """Empty: nothing in it waits any more."""


def is_page(comment: CommentInfo) -> bool:
    """Whether a comment of ours holds waiting findings."""
    return comment.trusted and comment.body.startswith("<!-- batch-action:waiting v")


def read(comments: Sequence[CommentInfo]) -> dict[str, tuple[TrackedFinding, str]]:
    """The waiting findings of all pages with their words; the first of two equal ones counts."""
    found: dict[str, tuple[TrackedFinding, str]] = {}
    for comment in filter(is_page, comments):
        for block in markers.blocks(comment.body):
            found.setdefault(
                block.tracked.fingerprint, (block.tracked, user_commands.unboxed(block.text))
            )
    return found


def pages(
    waiting: Sequence[Written], comments: Sequence[CommentInfo], report: RunReport
) -> list[Page]:
    """All pages. A finding stays on the page it is on; new ones go where there is room."""
    left = {block.tracked.fingerprint: block for block in waiting}
    filled: list[tuple[CommentInfo | None, list[Written]]] = []
    for comment in filter(is_page, comments):
        told = [block.tracked.fingerprint for block in markers.blocks(comment.body)]
        filled.append((comment, [left.pop(one) for one in dict.fromkeys(told) if one in left]))
    for block in left.values():
        _place(block, filled)
    return [Page(comment=comment, text=_page(held, report)) for comment, held in filled]


def _place(block: Written, filled: list[tuple[CommentInfo | None, list[Written]]]) -> None:
    for _, held in filled:
        if sum(len(one.text) + 2 for one in held) + len(block.text) <= ROOM:
            held.append(block)
            return
    filled.append((None, [block]))


def _page(held: Sequence[Written], report: RunReport) -> str:
    if not held:
        return ""
    findings = plural(len(held), "more finding")
    return fill(
        "issue_per_finding/queue.md.j2",
        marker=MARKER,
        waits=f"{findings} {'waits' if len(held) == 1 else 'wait'}",
        most=report.max_issues,
        blocks=finding_block.joined(held),
    )


MOST_HEADS = 30
MOST_FIXED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A finding's issue."""

    issue: IssueInfo
    session: FindingIssue


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """All issues of single findings of one task."""

    told: dict[str, Told]
    """By fingerprint."""
    doubles: tuple[tuple[IssueInfo, int], ...] = ()
    """Further open issues of a finding that has one, with that one's number."""
    carrier: IssueInfo | None = None
    """The oldest issue: its comments hold what waits."""
    comments: tuple[CommentInfo, ...] = ()
    """The carrier's."""

    @property
    def waiting(self) -> dict[str, tuple[TrackedFinding, str]]:
        """What waits for an issue of its own, with its words."""
        found = read(self.comments)
        return {f: one for f, one in found.items() if f not in self.told}

    @property
    def tracked(self) -> tuple[TrackedFinding, ...]:
        """The findings that can be read; of the fixed ones the newest: git is the changelog."""
        told = [one.session.tracked for one in self.told.values() if one.session.tracked]
        fixed = [known for known in told if known.state is FindingState.FIXED]
        fixed.sort(key=lambda known: known.closed, reverse=True)
        open_ones = [known for known in told if known.state is not FindingState.FIXED]
        return (*open_ones, *fixed[:MOST_FIXED], *(known for known, _ in self.waiting.values()))

    @property
    def blocks(self) -> dict[str, str]:
        """Fingerprint to words."""
        told = {f: one.session.blocks for f, one in self.told.items() if one.session.blocks}
        return told | {f: words for f, (_, words) in self.waiting.items()}


def remember(edge: Issues, task: str, state_key: str, repository_id: str) -> Remembered:
    """All of them, the waiting ones too. Raises GitHubError."""
    _, label = render.labels(task)
    found = edge.find(label, render.identity_of(task, state_key, repository_id))
    ours = [(issue, session) for issue in found if (session := render.read(issue.body))]
    # One that was closed as a duplicate steps back behind any other, whoever closed it.
    ours.sort(key=lambda pair: (pair[0].state_reason == "duplicate", pair[0].number))
    told: dict[str, Told] = {}
    doubles = []
    for issue, session in ours:
        first = told.setdefault(session.fingerprint, Told(issue=issue, session=session))
        if first.issue is not issue and issue.state == "open":
            doubles.append((issue, first.issue.number))
    carrier = min((issue for issue, _ in ours), key=lambda issue: issue.number, default=None)
    comments = edge.comments(carrier.number) if carrier and carrier.comments else []
    return Remembered(told=told, doubles=tuple(doubles), carrier=carrier, comments=tuple(comments))


def newest_head(remembered: Remembered, repo: GitRepo) -> str:
    """The newest commit that any issue was written at, as far as the clone knows."""
    ordered = sorted(remembered.told.values(), key=lambda one: one.issue.updated_at, reverse=True)
    heads = dict.fromkeys(one.session.head for one in ordered[:MOST_HEADS] if one.session.head)
    here = [head for head in heads if repo.has_commit(head)]
    newest = next(iter(here or heads), "")
    for head in here:
        if repo.is_ancestor(newest, head):
            newest = head
    return newest


def requested(remembered: Remembered, edge: Issues) -> dict[int, UserCommands]:
    """What people ask for in each issue, by its number. Raises GitHubError."""
    fingerprints = {known.fingerprint for known in remembered.tracked}
    found: dict[int, UserCommands] = {}
    for fingerprint, one in remembered.told.items():
        issue = one.issue
        carries = remembered.carrier is not None and issue.number == remembered.carrier.number
        comments = remembered.comments if carries else _comments(issue, edge)
        asked = user_commands.hear(comments, fingerprints, edge, about=fingerprint)
        if carries:
            asked += user_commands.see(_pages(comments), comments, edge)
        found[issue.number] = asked + UserCommands(dismissals=_dismissed(one, edge))
    return found


def _comments(issue: IssueInfo, edge: Issues) -> Sequence[CommentInfo]:
    """Of open issues, and of closed ones where something has happened since."""
    quiet = issue.state == "closed" and issue.updated_at <= issue.closed_at
    return [] if quiet or not issue.comments else edge.comments(issue.number)


def _pages(comments: Sequence[CommentInfo]) -> list[TickedBoxes]:
    return [
        TickedBoxes(node_id=c.node_id, url=c.url, fingerprints=user_commands.ticked(c.body))
        for c in comments
        if is_page(c)
    ]


def _dismissed(one: Told, edge: Issues) -> tuple[Dismissal, ...]:
    """Closed as not planned, or labelled `wontfix`, by a person who may write."""
    issue, known = one.issue, one.session.tracked
    if known is None or known.state is FindingState.DISMISSED:
        return ()
    by = ""
    if issue.state == "closed" and issue.state_reason == "not_planned":
        by = closer(issue, edge)
    if not (by and edge.may_write(by)) and render.WONTFIX in map(str.casefold, issue.labels):
        by = edge.labelled_by(issue.number, render.WONTFIX)
    if not (by and edge.may_write(by)):
        return ()
    return (Dismissal(fingerprint=known.fingerprint, by=by, where=issue.url),)


def closer(issue: IssueInfo, edge: Issues) -> str:
    """Who closed an issue; lists do not always say it."""
    return issue.closed_by or edge.get(issue.number).closed_by


def by_person(issue: IssueInfo, edge: Issues) -> bool:
    """Whether a person closed it, and no bot, be it ours or a stale-closer."""
    return not closer(issue, edge).endswith("[bot]")
