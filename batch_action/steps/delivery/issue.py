"""The destination `issue`: one rolling issue per task, edited in place.

The issue is found by label, marker and trusted author, never by its title. Nothing is written that
did not change, and only one comment a night notifies. Every order of writes leaves each finding in
at least one text, so that a run that dies between two of them loses nothing.
"""

from dataclasses import dataclass, field, replace

from batch_action.edges.github_api.issues import Issues
from batch_action.models.findings import LIVE, Recollection, Reconciled, Standing, State, Tonight
from batch_action.models.github import CommentText, IssueText
from batch_action.models.report import Delivered, IssueMemory, Night
from batch_action.report import issue as report
from batch_action.report import markers, noise
from batch_action.report.guard import shown
from batch_action.steps.delivery import hearing, writing
from batch_action.steps.delivery.desk import Desk
from batch_action.steps.delivery.hearing import Heard
from batch_action.steps.delivery.writing import Remembered
from batch_action.steps.world import World

DESTINATION = "issue"


def remember(edge: Issues, task: str, repository_id: str, state_key: str = "") -> Remembered | None:
    """The task's rolling issue; None when there is none yet.

    Raises:
        GitHubError: the issues cannot be read, or a later version wrote this one.

    """
    _, label = report.labels(task)
    identity = markers.identity_of(markers.named(task, state_key), repository_id)
    found = edge.find(label, identity)
    ours = [
        i
        for i in found
        if (i.state == "open" or i.state_reason != "duplicate") and markers.read_head(i.body)
    ]
    if not ours:
        return None
    oldest, *others = sorted(ours, key=lambda i: i.number)
    doubles = tuple(i for i in others if i.state == "open")
    comments = edge.comments(oldest.number)
    trusted = [c for c in comments if c.trusted]
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
        comments=tuple(comments),
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
    state_key: str = ""
    remembered: Remembered | None = None
    heard: Heard = field(default_factory=Heard)

    def recall(self) -> Recollection:
        """What the issue remembers and what people ask for there; see `Desk`."""
        self._look()
        if self.remembered is None:
            return Recollection(destination=DESTINATION)
        memory, comments = self.remembered.memory, self.remembered.comments
        self.heard = hearing.hear(comments, memory.blocks, self.edge)
        self.heard += hearing.see(self.remembered.texts(), comments, self.edge)
        return Recollection(
            destination=DESTINATION,
            head=memory.head,
            batches=memory.batches,
            known=memory.known,
            dismissals=self.heard.dismissals,
            rechecks=self.heard.rechecks,
            words=memory.blocks,
            pending=bool(self.heard.answers),
        )

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        """Bring the issue to what tonight says, and read it back; see `Desk`."""
        done = self._deliver(reconciled, night)
        if done.action == "created":
            # Another run may have created one at the same time: the older one takes both in.
            self._look()
            if self.remembered is not None and self.remembered.doubles:
                return self._deliver(_with_all(reconciled, self.remembered.memory), night)
        return done

    def _look(self) -> None:
        self.remembered = remember(self.edge, self.task, self.repository_id, self.state_key)

    def _deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        counts = _counts(reconciled, night)
        if self.remembered is None:
            draft = report.render(night, reconciled, None)
            if not draft.open:
                return replace(counts, note="nothing to tell")
            return writing.create(draft, counts, self.edge)
        number = self.remembered.issue.number
        # What did not count is said before its box is drawn empty again; thanks come last.
        for text in hearing.replies(self.heard):
            self.edge.comment(number, text)
        done = self._brought_to(reconciled, night, counts)
        for comment, content in hearing.reactions(self.heard):
            self.edge.react(comment, content)
        self.heard = Heard()
        return done

    def _brought_to(self, reconciled: Reconciled, night: Night, counts: Delivered) -> Delivered:
        remembered = self.remembered
        assert remembered is not None  # noqa: S101 - for the type checker: `_deliver` has looked
        if night.quiet and report.unmoved(reconciled, remembered.memory, night):
            issue = remembered.issue
            return replace(counts, action="unchanged", number=issue.number, url=issue.url)
        seen = remembered.ticked - self.heard.kept
        if writing.differs(report.render(night, reconciled, remembered.memory), remembered):
            # Somebody may have written into it since it was read.
            self._look()
            remembered = self.remembered or remembered
            reconciled = _with_all(reconciled, remembered.memory)
        stays = remembered.ticked - seen
        draft = report.render(night, reconciled, remembered.memory, ticked=stays)
        return writing.update(remembered, draft, replace(counts, held=draft.held), self.edge)


def desk(world: World, tonight: Tonight) -> Desk:
    """The rolling issue of the world's task."""
    return Rolling(
        edge=world.need_github().issues,
        task=tonight.task,
        repository_id=world.context.repository_id,
        state_key=world.settings.state_key,
    )


def _counts(reconciled: Reconciled, night: Night) -> Delivered:
    told = shown(reconciled.standings, night)
    return Delivered(
        destination=DESTINATION,
        action="skipped",
        new=sum(s.changed and s.known.state is State.NEW for s in told),
        fixed=sum(s.changed and s.known.state is State.FIXED for s in told),
        open=sum(s.known.state in LIVE for s in told),
        held=noise.held_back(reconciled, night),
    )


def _with_all(reconciled: Reconciled, memory: IssueMemory) -> Reconciled:
    """Tonight's result with what another run has written since, as it stands there."""
    have = {standing.known.fingerprint for standing in reconciled.standings}
    further = [
        Standing(known=known, finding=None)
        for known in memory.known
        if known.fingerprint not in have
    ]
    standings = (*reconciled.standings, *further)
    worst_first = sorted(standings, key=lambda standing: standing.known.severity.rank)
    return replace(reconciled, standings=tuple(worst_first))
