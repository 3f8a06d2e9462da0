"""How the rolling issue is written: what changed and no more, in an order that loses nothing."""

from dataclasses import dataclass, field, replace

from batch_action.clients.github.issues import Issues
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    FindingState,
    FindingStatus,
    PublishedState,
    Reconciliation,
)
from batch_action.models.github import CommentInfo, IssueInfo
from batch_action.models.report import DestinationResult, IssueDraft, RollingIssueState, RunReport
from batch_action.publishers import markers, user_commands, visibility
from batch_action.publishers.base import Publisher
from batch_action.publishers.issue import render
from batch_action.publishers.user_commands import TickedBoxes, UserCommands
from batch_action.publishers.visibility import shown

COLOR = "5319e7"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingIssue:
    """The rolling issue as it stands, and what it remembers."""

    issue: IssueInfo
    session: RollingIssueState
    overflow: dict[int, CommentInfo]
    """Our comments with further findings, by their number."""
    surplus: tuple[CommentInfo, ...]
    """Further comments with a number that is taken: deleted after the next write."""
    comments: tuple[CommentInfo, ...]
    """All comments, other people's too."""
    doubles: tuple[IssueInfo, ...]
    """Open issues of the same task that a race made; their findings are in `session`."""

    def told(self, marker: str) -> bool:
        """Whether a comment of ours begins with this marker."""
        return any(c.trusted and c.body.startswith(marker) for c in self.comments)

    @property
    def ticked(self) -> frozenset[str]:
        """The findings whose boxes are ticked, wherever they stand."""
        return frozenset(f for text in self.texts() for f in text.fingerprints)

    def texts(self) -> tuple[TickedBoxes, ...]:
        """Body and overflow with the boxes ticked in them."""
        texts: list[IssueInfo | CommentInfo] = [self.issue, *self.overflow.values()]
        return tuple(
            TickedBoxes(
                node_id=text.node_id, url=text.url, fingerprints=user_commands.ticked(text.body)
            )
            for text in texts
        )


def create(draft: IssueDraft, counts: DestinationResult, edge: Issues) -> DestinationResult:
    """Open the issue. Raises GitHubError as `update` does."""
    generic, own, *_ = draft.labels
    edge.ensure_label(generic, COLOR, "Nightly upkeep by batch-action")
    edge.ensure_label(own, COLOR, f"The rolling issue of {own.partition(':')[2]}")
    issue = edge.create(draft.title, draft.body, draft.labels, draft.assignees)
    for text in draft.overflow:
        edge.comment(issue.number, text)
    read_back(issue.number, draft, edge)
    return replace(
        counts, action="created", number=issue.number, url=issue.url, suppressed=draft.suppressed
    )


def update(
    remembered: RollingIssue, draft: IssueDraft, counts: DestinationResult, edge: Issues
) -> DestinationResult:
    """Bring the issue to its draft. Raises GitHubError when it is not there when read back."""
    issue = remembered.issue
    muted = issue.state == "closed" and issue.state_reason == "not_planned"
    wrote = _write(remembered, draft, edge, silent=muted)
    action = "updated" if wrote else "unchanged"
    action = "muted" if muted else _notify(remembered, draft, edge) or action
    if wrote:
        read_back(issue.number, draft, edge, all_of_it=not muted)
    _close_doubles(remembered, edge)
    return replace(counts, action=action, number=issue.number, url=issue.url)


def _write(remembered: RollingIssue, draft: IssueDraft, edge: Issues, *, silent: bool) -> bool:
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
    if not same(draft.body, remembered.issue.body):
        edge.update(number, body=draft.body)
        wrote = True
    for n, comment in old.items():
        if n > len(draft.overflow):
            edge.delete_comment(comment.id)
        elif same(comment.body, draft.overflow[n - 1]):
            continue
        else:
            edge.edit_comment(comment.id, draft.overflow[n - 1])
        wrote = True
    for comment in remembered.surplus:
        edge.delete_comment(comment.id)
    return wrote or bool(remembered.surplus)


def _lost(old: str, new: str) -> str:
    """The blocks that a comment has now and will not have."""
    kept = {block.tracked.fingerprint for block in markers.blocks(new)}
    gone = [b for b in markers.blocks(old) if b.tracked.fingerprint not in kept]
    return "\n\n".join(markers.wrap(block.tracked, block.text) for block in gone)


def differs(draft: IssueDraft, remembered: RollingIssue) -> bool:
    """Whether there is anything to write."""
    old = {n: comment.body for n, comment in remembered.overflow.items()}
    new = dict(enumerate(draft.overflow, start=1))
    return (
        bool(remembered.surplus)
        or old.keys() != new.keys()
        or not same(draft.body, remembered.issue.body)
        or any(not same(old[n], new[n]) for n in new)
    )


def same(one: str, other: str) -> bool:
    """Whether two texts of a body are one."""
    # GitHub trims, and its editor makes CRLF.
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _notify(remembered: RollingIssue, draft: IssueDraft, edge: Issues) -> str | None:
    """Reopens, comments once, closes; the most telling word for it."""
    issue = remembered.issue
    action = None
    if draft.open and issue.state == "closed":
        edge.reopen(issue.number)
        action = "reopened"
    if draft.comment is not None and not remembered.told(draft.comment_marker):
        edge.comment(issue.number, draft.comment)
    if not draft.open and issue.state == "open":
        edge.close(issue.number, "completed")
        action = "closed"
    return action


def _close_doubles(remembered: RollingIssue, edge: Issues) -> None:
    for double in remembered.doubles:
        edge.comment(double.number, f"Continued in #{remembered.issue.number}.")
        edge.close(double.number, "duplicate")


def read_back(number: int, draft: IssueDraft, edge: Issues, *, all_of_it: bool = True) -> None:
    """Raise GitHubError unless the issue remembers what the draft says."""
    texts = [edge.get(number).body]
    if draft.overflow:
        texts += [c.body for c in edge.comments(number) if c.trusted]
    session = render.parse(texts[0], texts[1:])
    there = frozenset(session.blocks) if session else frozenset()
    missing = draft.fingerprints - there if all_of_it else frozenset()
    if session is None or missing:
        lack = f"{len(missing)} of {len(draft.fingerprints)} findings are" if session else "all is"
        raise GitHubError(
            f"Issue #{number} was written, but {lack} not in it when read back.",
            fix="Run collect again; if it stays so, close that issue to start a new one.",
        )


DESTINATION = "issue"


def remember(
    edge: Issues, task: str, repository_id: str, state_key: str = ""
) -> RollingIssue | None:
    """The task's rolling issue; None when there is none yet.

    Raises:
        GitHubError: the issues cannot be read, or a later version wrote this one.

    """
    _, label = render.labels(task)
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
    overflow: dict[int, CommentInfo] = {}
    surplus = []
    for comment in trusted:
        number = markers.read_more(comment.body)
        if number is not None and overflow.setdefault(number, comment) is not comment:
            surplus.append(comment)
    texts = tuple(c.body for c in trusted)
    further = [_with_comments(edge, double) for double in doubles]
    session = render.parse(oldest.body, [*texts, *(text for texts in further for text in texts)])
    if session is None:
        return None
    return RollingIssue(
        issue=oldest,
        session=session,
        overflow=overflow,
        surplus=tuple(surplus),
        comments=tuple(comments),
        doubles=doubles,
    )


def _with_comments(edge: Issues, issue: IssueInfo) -> list[str]:
    return [issue.body, *(c.body for c in edge.comments(issue.number) if c.trusted)]


@dataclass(slots=True, kw_only=True)
class IssuePublisher:
    """The rolling issue on one night."""

    edge: Issues
    task: str
    repository_id: str
    state_key: str = ""
    remembered: RollingIssue | None = None
    requested: UserCommands = field(default_factory=UserCommands)

    def read_state(self) -> PublishedState:
        """What the issue remembers and what people ask for there; see `Desk`."""
        self._look()
        if self.remembered is None:
            return PublishedState(destination=DESTINATION)
        session, comments = self.remembered.session, self.remembered.comments
        self.requested = user_commands.hear(comments, session.blocks, self.edge)
        self.requested += user_commands.see(self.remembered.texts(), comments, self.edge)
        return PublishedState(
            destination=DESTINATION,
            head=session.head,
            batches=session.batches,
            tracked=session.tracked,
            dismissals=self.requested.dismissals,
            rechecks=self.requested.rechecks,
            blocks=session.blocks,
            pending=bool(self.requested.answers),
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Bring the issue to what tonight says, and read it back; see `Desk`."""
        done = self._deliver(reconciled, report)
        if done.action == "created":
            # Another run may have created one at the same time: the older one takes both in.
            self._look()
            if self.remembered is not None and self.remembered.doubles:
                return self._deliver(_with_all(reconciled, self.remembered.session), report)
        return done

    def _look(self) -> None:
        self.remembered = remember(self.edge, self.task, self.repository_id, self.state_key)

    def _deliver(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        counts = _counts(reconciled, report)
        if self.remembered is None:
            draft = render.render(report, reconciled, None)
            if not draft.open:
                return replace(counts, note="nothing to tell")
            return create(draft, counts, self.edge)
        number = self.remembered.issue.number
        # What did not count is said before its box is drawn empty again; thanks come last.
        for text in user_commands.replies(self.requested):
            self.edge.comment(number, text)
        done = self._brought_to(reconciled, report, counts)
        for comment, content in user_commands.reactions(self.requested):
            self.edge.react(comment, content)
        self.requested = UserCommands()
        return done

    def _brought_to(
        self, reconciled: Reconciliation, report: RunReport, counts: DestinationResult
    ) -> DestinationResult:
        remembered = self.remembered
        assert remembered is not None  # noqa: S101 - for the type checker: `_deliver` has looked
        if report.quiet and render.unmoved(reconciled, remembered.session, report):
            issue = remembered.issue
            return replace(counts, action="unchanged", number=issue.number, url=issue.url)
        seen = remembered.ticked - self.requested.kept
        if differs(render.render(report, reconciled, remembered.session), remembered):
            # Somebody may have written into it since it was read.
            self._look()
            remembered = self.remembered or remembered
            reconciled = _with_all(reconciled, remembered.session)
        stays = remembered.ticked - seen
        draft = render.render(report, reconciled, remembered.session, ticked=stays)
        return update(remembered, draft, replace(counts, suppressed=draft.suppressed), self.edge)


def create_publisher(ctx: RunContext, batch_answers: BatchAnswers) -> Publisher:
    """The rolling issue of the world's task."""
    return IssuePublisher(
        edge=ctx.require_github().issues,
        task=batch_answers.task,
        repository_id=ctx.context.repository_id,
        state_key=ctx.settings.state_key,
    )


def _counts(reconciled: Reconciliation, report: RunReport) -> DestinationResult:
    told = shown(reconciled.statuses, report)
    return DestinationResult(
        destination=DESTINATION,
        action="skipped",
        new=sum(s.changed and s.tracked.state is FindingState.NEW for s in told),
        fixed=sum(s.changed and s.tracked.state is FindingState.FIXED for s in told),
        open=sum(s.tracked.state in OPEN_STATES for s in told),
        suppressed=visibility.held_back(reconciled, report),
    )


def _with_all(reconciled: Reconciliation, session: RollingIssueState) -> Reconciliation:
    """Tonight's result with what another run has written since, as it stands there."""
    have = {standing.tracked.fingerprint for standing in reconciled.statuses}
    further = [
        FindingStatus(tracked=known, finding=None)
        for known in session.tracked
        if known.fingerprint not in have
    ]
    statuses = (*reconciled.statuses, *further)
    worst_first = sorted(statuses, key=lambda standing: standing.tracked.severity.rank)
    return replace(reconciled, statuses=tuple(worst_first))
