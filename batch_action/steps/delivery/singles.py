"""The issues of single findings as they stand: what they remember, what people did with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.edges.git_repo import GitRepo
from batch_action.edges.github_api.issues import Issues
from batch_action.models.findings import Dismissal, Known, State
from batch_action.models.github import CommentText, IssueText
from batch_action.report import boxes, single, waiting
from batch_action.report.single import Single
from batch_action.steps.delivery import hearing
from batch_action.steps.delivery.hearing import Heard, Ticked

MOST_HEADS = 30
MOST_FIXED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A finding's issue."""

    issue: IssueText
    memory: Single


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """All issues of single findings of one task."""

    told: dict[str, Told]
    """By fingerprint."""
    doubles: tuple[tuple[IssueText, int], ...] = ()
    """Further open issues of a finding that has one, with that one's number."""
    carrier: IssueText | None = None
    """The oldest issue: its comments hold what waits."""
    comments: tuple[CommentText, ...] = ()
    """The carrier's."""

    @property
    def waiting(self) -> dict[str, tuple[Known, str]]:
        """What waits for an issue of its own, with its words."""
        found = waiting.read(self.comments)
        return {f: one for f, one in found.items() if f not in self.told}

    @property
    def known(self) -> tuple[Known, ...]:
        """The findings that can be read; of the fixed ones the newest: git is the changelog."""
        told = [one.memory.known for one in self.told.values() if one.memory.known]
        fixed = [known for known in told if known.state is State.FIXED]
        fixed.sort(key=lambda known: known.closed, reverse=True)
        open_ones = [known for known in told if known.state is not State.FIXED]
        return (*open_ones, *fixed[:MOST_FIXED], *(known for known, _ in self.waiting.values()))

    @property
    def words(self) -> dict[str, str]:
        """Fingerprint to words."""
        told = {f: one.memory.words for f, one in self.told.items() if one.memory.words}
        return told | {f: words for f, (_, words) in self.waiting.items()}


def remember(edge: Issues, task: str, state_key: str, repository_id: str) -> Remembered:
    """All of them, the waiting ones too. Raises GitHubError."""
    _, label = single.labels(task)
    found = edge.find(label, single.identity_of(task, state_key, repository_id))
    ours = [(issue, memory) for issue in found if (memory := single.read(issue.body))]
    # One that was closed as a duplicate steps back behind any other, whoever closed it.
    ours.sort(key=lambda pair: (pair[0].state_reason == "duplicate", pair[0].number))
    told: dict[str, Told] = {}
    doubles = []
    for issue, memory in ours:
        first = told.setdefault(memory.fingerprint, Told(issue=issue, memory=memory))
        if first.issue is not issue and issue.state == "open":
            doubles.append((issue, first.issue.number))
    carrier = min((issue for issue, _ in ours), key=lambda issue: issue.number, default=None)
    comments = edge.comments(carrier.number) if carrier and carrier.comments else []
    return Remembered(told=told, doubles=tuple(doubles), carrier=carrier, comments=tuple(comments))


def newest_head(remembered: Remembered, repo: GitRepo) -> str:
    """The newest commit that any issue was written at, as far as the clone knows."""
    ordered = sorted(remembered.told.values(), key=lambda one: one.issue.updated_at, reverse=True)
    heads = dict.fromkeys(one.memory.head for one in ordered[:MOST_HEADS] if one.memory.head)
    here = [head for head in heads if repo.has_commit(head)]
    newest = next(iter(here or heads), "")
    for head in here:
        if repo.is_ancestor(newest, head):
            newest = head
    return newest


def heard(remembered: Remembered, edge: Issues) -> dict[int, Heard]:
    """What people ask for in each issue, by its number. Raises GitHubError."""
    fingerprints = {known.fingerprint for known in remembered.known}
    found: dict[int, Heard] = {}
    for fingerprint, one in remembered.told.items():
        issue = one.issue
        carries = remembered.carrier is not None and issue.number == remembered.carrier.number
        comments = remembered.comments if carries else _comments(issue, edge)
        asked = hearing.hear(comments, fingerprints, edge, about=fingerprint)
        if carries:
            asked += hearing.see(_pages(comments), comments, edge)
        found[issue.number] = asked + Heard(dismissals=_dismissed(one, edge))
    return found


def _comments(issue: IssueText, edge: Issues) -> Sequence[CommentText]:
    """Of open issues, and of closed ones where something has happened since."""
    quiet = issue.state == "closed" and issue.updated_at <= issue.closed_at
    return [] if quiet or not issue.comments else edge.comments(issue.number)


def _pages(comments: Sequence[CommentText]) -> list[Ticked]:
    return [
        Ticked(node_id=c.node_id, url=c.url, fingerprints=boxes.ticked(c.body))
        for c in comments
        if waiting.is_page(c)
    ]


def _dismissed(one: Told, edge: Issues) -> tuple[Dismissal, ...]:
    """Closed as not planned, or labelled `wontfix`, by a person who may write."""
    issue, known = one.issue, one.memory.known
    if known is None or known.state is State.DISMISSED:
        return ()
    by = ""
    if issue.state == "closed" and issue.state_reason == "not_planned":
        by = closer(issue, edge)
    if not (by and edge.may_write(by)) and single.WONTFIX in map(str.casefold, issue.labels):
        by = edge.labelled_by(issue.number, single.WONTFIX)
    if not (by and edge.may_write(by)):
        return ()
    return (Dismissal(fingerprint=known.fingerprint, by=by, where=issue.url),)


def closer(issue: IssueText, edge: Issues) -> str:
    """Who closed an issue; lists do not always say it."""
    return issue.closed_by or edge.get(issue.number).closed_by


def by_person(issue: IssueText, edge: Issues) -> bool:
    """Whether a person closed it, and no bot, be it ours or a stale-closer."""
    return not closer(issue, edge).endswith("[bot]")
