"""The destination `issue`: one rolling issue per task, edited in place.

The issue is found by label, marker and trusted author, never by its title. Nothing is written that
did not change, and only one comment a night notifies. Every order of writes leaves each finding in
at least one text, so that a run that dies between two of them loses nothing.
"""

from dataclasses import dataclass, replace

from batch_action.edges.github_api.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.findings import Recollection, Reconciled, Standing, State, Tonight
from batch_action.models.github import CommentText, IssueText
from batch_action.models.report import Delivered, IssueDraft, IssueMemory, Night
from batch_action.report import issue as report
from batch_action.report import markers
from batch_action.report.guard import shown
from batch_action.report.text import LIVE
from batch_action.steps.delivery.desk import Desk
from batch_action.steps.world import World

DESTINATION = "issue"
LABEL = "batch-action"
COLOR = "5319e7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The rolling issue as it stands, and what it remembers."""

    issue: IssueText
    memory: IssueMemory
    overflow: dict[int, CommentText]
    """Our comments with further findings, by their number."""
    surplus: tuple[CommentText, ...]
    """Further comments with a number that is taken: deleted after the next write."""
    comments: tuple[str, ...]
    """All trusted comments' texts: says whether a night was told already."""
    doubles: tuple[IssueText, ...]
    """Open issues of the same task that a race made; their findings are in `memory`."""


def remember(edge: Issues, task: str, repository_id: str) -> Remembered | None:
    """The task's rolling issue; None when there is none yet.

    Raises:
        GitHubError: the issues cannot be read, or a later version wrote this one.

    """
    _, label = report.labels(task)
    found = edge.find(label, markers.identity_of(task, repository_id))
    ours = [
        i
        for i in found
        if (i.state == "open" or i.state_reason != "duplicate") and markers.read_head(i.body)
    ]
    if not ours:
        return None
    oldest, *others = sorted(ours, key=lambda i: i.number)
    doubles = tuple(i for i in others if i.state == "open")
    trusted = [c for c in edge.comments(oldest.number) if c.trusted]
    overflow: dict[int, CommentText] = {}
    surplus = []
    for comment in trusted:
        number = markers.read_more(comment.body)
        if number is not None and overflow.setdefault(number, comment) is not comment:
            surplus.append(comment)
    texts = tuple(c.body for c in trusted)
    further = [_with_comments(edge, double) for double in doubles]
    memory = report.parse(oldest.body, [*texts, *(text for texts in further for text in texts)])
    if memory is None:
        return None
    return Remembered(
        issue=oldest,
        memory=memory,
        overflow=overflow,
        surplus=tuple(surplus),
        comments=texts,
        doubles=doubles,
    )


def _with_comments(edge: Issues, issue: IssueText) -> list[str]:
    return [issue.body, *(c.body for c in edge.comments(issue.number) if c.trusted)]


@dataclass(slots=True, kw_only=True)
class Rolling:
    """The rolling issue on one night."""

    edge: Issues
    task: str
    repository_id: str
    remembered: Remembered | None = None

    def recall(self) -> Recollection:
        """What the issue remembers; see `Desk`."""
        self.remembered = remember(self.edge, self.task, self.repository_id)
        if self.remembered is None:
            return Recollection(destination=DESTINATION)
        memory = self.remembered.memory
        return Recollection(
            destination=DESTINATION,
            head=memory.head,
            batches=memory.batches,
            known=memory.known,
            words=memory.blocks,
        )

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        """Bring the issue to what tonight says, and read it back; see `Desk`."""
        done = self._deliver(reconciled, night)
        if done.action == "created":
            # Another run may have created one at the same time: the older one takes both in.
            self.recall()
            if self.remembered is not None and self.remembered.doubles:
                return self._deliver(_with_all(reconciled, self.remembered.memory), night)
        return done

    def _deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        remembered = self.remembered
        draft = report.render(night, reconciled, remembered.memory if remembered else None)
        told = shown(reconciled.standings, night)
        counts = Delivered(
            destination=DESTINATION,
            action="skipped",
            new=sum(s.changed and s.known.state is State.NEW for s in told),
            fixed=sum(s.changed and s.known.state is State.FIXED for s in told),
            open=sum(s.known.state in LIVE for s in told),
        )
        if remembered is not None:
            return _update(remembered, draft, counts, self.edge)
        if not draft.open:
            return replace(counts, note="nothing to tell")
        return _create(draft, counts, self.edge)


def desk(world: World, tonight: Tonight) -> Desk:
    """The rolling issue of the world's task."""
    return Rolling(
        edge=world.need_github().issues,
        task=tonight.task,
        repository_id=world.context.repository_id,
    )


def _with_all(reconciled: Reconciled, memory: IssueMemory) -> Reconciled:
    """Tonight's result with what only the other run's issue knows, as it stands there."""
    have = {standing.known.fingerprint for standing in reconciled.standings}
    further = [
        Standing(known=known, finding=None)
        for known in memory.known
        if known.fingerprint not in have
    ]
    standings = (*reconciled.standings, *further)
    worst_first = sorted(standings, key=lambda standing: standing.known.severity.rank)
    return replace(reconciled, standings=tuple(worst_first))


def _create(draft: IssueDraft, counts: Delivered, edge: Issues) -> Delivered:
    generic, own, *_ = draft.labels
    edge.ensure_label(generic, COLOR, "Nightly upkeep by batch-action")
    edge.ensure_label(own, COLOR, f"The rolling issue of {own.partition(':')[2]}")
    issue = edge.create(draft.title, draft.body, draft.labels)
    for text in draft.overflow:
        edge.comment(issue.number, text)
    _read_back(issue.number, draft, edge)
    return replace(counts, action="created", number=issue.number, url=issue.url)


def _update(
    remembered: Remembered, draft: IssueDraft, counts: Delivered, edge: Issues
) -> Delivered:
    issue = remembered.issue
    muted = issue.state == "closed" and issue.state_reason == "not_planned"
    wrote = _write(remembered, draft, edge, silent=muted)
    action = "updated" if wrote else "unchanged"
    action = "muted" if muted else _notify(remembered, draft, edge) or action
    if wrote:
        _read_back(issue.number, draft, edge, all_of_it=not muted)
    _close_doubles(remembered, edge)
    return replace(counts, action=action, number=issue.number, url=issue.url)


def _write(remembered: Remembered, draft: IssueDraft, edge: Issues, *, silent: bool) -> bool:
    """Body and overflow; whether anything was written.

    First every comment holds its old and its new findings, then the body is changed, then the
    comments get their final text: no finding is ever in no text. New comments notify, so a muted
    issue gets none.
    """
    number, old = remembered.issue.number, remembered.overflow
    wrote = False
    for n, text in enumerate(draft.overflow, start=1):
        if n not in old:
            if not silent:
                edge.comment(number, text)
                wrote = True
        elif lost := _lost(old[n].body, text):
            edge.edit_comment(old[n].id, f"{text}\n\n{lost}")
            wrote = True
    # The title is the person's to change: it is not written again.
    if not _same(draft.body, remembered.issue.body):
        edge.update(number, body=draft.body)
        wrote = True
    for n, comment in old.items():
        if n > len(draft.overflow):
            edge.delete_comment(comment.id)
        elif _same(comment.body, draft.overflow[n - 1]):
            continue
        else:
            edge.edit_comment(comment.id, draft.overflow[n - 1])
        wrote = True
    for comment in remembered.surplus:
        edge.delete_comment(comment.id)
    return wrote or bool(remembered.surplus)


def _lost(old: str, new: str) -> str:
    """The blocks that a comment has now and will not have."""
    kept = {block.known.fingerprint for block in markers.blocks(new)}
    gone = [b for b in markers.blocks(old) if b.known.fingerprint not in kept]
    return "\n\n".join(markers.wrap(block.known, block.text) for block in gone)


def _same(one: str, other: str) -> bool:
    # GitHub trims, and its editor makes CRLF.
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _notify(remembered: Remembered, draft: IssueDraft, edge: Issues) -> str | None:
    """Reopens, comments once, closes; the most telling word for it."""
    issue = remembered.issue
    action = None
    if draft.open and issue.state == "closed":
        edge.reopen(issue.number)
        action = "reopened"
    if draft.comment is not None:
        posted = any(text.startswith(draft.comment_marker) for text in remembered.comments)
        if not posted:
            edge.comment(issue.number, draft.comment)
    if not draft.open and issue.state == "open":
        edge.close(issue.number, "completed")
        action = "closed"
    return action


def _close_doubles(remembered: Remembered, edge: Issues) -> None:
    for double in remembered.doubles:
        edge.comment(double.number, f"Continued in #{remembered.issue.number}.")
        edge.close(double.number, "duplicate")


def _read_back(number: int, draft: IssueDraft, edge: Issues, *, all_of_it: bool = True) -> None:
    texts = [edge.get(number).body]
    if draft.overflow:
        texts += [c.body for c in edge.comments(number) if c.trusted]
    memory = report.parse(texts[0], texts[1:])
    there = frozenset(memory.blocks) if memory else frozenset()
    missing = draft.fingerprints - there if all_of_it else frozenset()
    if memory is None or missing:
        lack = f"{len(missing)} of {len(draft.fingerprints)} findings are" if memory else "all is"
        raise GitHubError(
            f"Issue #{number} was written, but {lack} not in it when read back.",
            fix="Run collect again; if it stays so, close that issue to start a new one.",
        )
