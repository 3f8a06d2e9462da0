"""The destination `issue-per-finding`: one issue a finding, a few new ones a run, worst first.

An issue is found by label, marker and trusted author. What must wait for its turn is remembered in
comments of the oldest of them. Each change of state is comment, then issue, then body: until the
body says so the next run does it again, and finds what is done already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
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
from batch_action.models.github import IssueInfo
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers import finding_block, user_commands, visibility
from batch_action.publishers.base import Publisher
from batch_action.publishers.issue.publisher import COLOR, same
from batch_action.publishers.issue_per_finding import render, state
from batch_action.publishers.issue_per_finding.state import Remembered, Told
from batch_action.publishers.user_commands import UserCommands
from batch_action.publishers.visibility import shown
from batch_action.publishers.wording import as_before, dated
from batch_action.text import plural

DESTINATION = "issue-per-finding"
ROOM = 300_000
"""For the details of one night's waiting findings; the less severe ones are remembered briefly."""


@dataclass(slots=True, kw_only=True)
class IssuePerFindingPublisher:
    """All issues of single findings on one night."""

    edge: Issues
    task: str
    repository_id: str
    repo: GitRepo
    state_key: str = ""
    remembered: Remembered = field(default_factory=lambda: Remembered(told={}))
    requested: dict[int, UserCommands] = field(default_factory=dict)
    carrier: IssueInfo | None = None
    """The first issue that was opened tonight: a list may not have it yet."""
    done: dict[str, list[int]] = field(default_factory=dict)
    """What was done to which issues."""

    def read_state(self) -> PublishedState:
        """What the issues remember and what people ask for there; see `Desk`."""
        self.remembered = self._look()
        self.requested = state.requested(self.remembered, self.edge)
        sessions = [one.session for one in self.remembered.told.values()]
        answers = any(requested.answers for requested in self.requested.values())
        return PublishedState(
            destination=DESTINATION,
            head=state.newest_head(self.remembered, self.repo),
            batches=tuple({batch for session in sessions for batch in session.batches}),
            tracked=self.remembered.tracked,
            dismissals=tuple(
                d for requested in self.requested.values() for d in requested.dismissals
            ),
            rechecks=tuple(w for requested in self.requested.values() for w in requested.rechecks),
            blocks=self.remembered.blocks,
            pending=answers or bool(self.remembered.waiting),
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Bring every issue to what tonight says, and read it back; see `Desk`."""
        statuses = [dated(s, report) for s in shown(reconciled.statuses, report)]
        self.done = {}
        for number, requested in self.requested.items():
            for text in user_commands.replies(requested):
                self.edge.comment(number, text)
        told = self.remembered.told
        for standing in statuses:
            if (one := told.get(standing.tracked.fingerprint)) is not None:
                was = one.session.tracked.state if one.session.tracked and report.quiet else None
                self._bring(one, as_before(standing, was), report)
        waiting = [s for s in statuses if s.tracked.fingerprint not in told]
        left = self._open(
            [s for s in waiting if s.tracked.state in OPEN_STATES], reconciled, report
        )
        self._remember(left, reconciled, report)
        self._close_doubles()
        for requested in self.requested.values():
            for comment, content in user_commands.reactions(requested):
                self.edge.react(comment, content)
        self.requested = {}
        return self._delivered(statuses, left, reconciled, report)

    def _look(self) -> Remembered:
        return state.remember(self.edge, self.task, self.state_key, self.repository_id)

    def _bring(self, one: Told, standing: FindingStatus, report: RunReport) -> None:
        """One finding's issue to where it belongs."""
        number = one.issue.number
        was = one.session.tracked.state if one.session.tracked else None
        if standing.tracked.state in OPEN_STATES:
            if one.issue.state == "closed" and self._reopens(one, standing):
                self._say(number, render.back(standing, report))
                self.edge.reopen(number)
                self._check(number, "open")
                self._note("reopened", number)
        elif one.issue.state == "open" and was is not standing.tracked.state:
            self._close(number, standing, report)
        if render.rewritten(one.issue.body, standing, report) != one.issue.body:
            # Somebody may have written into it since it was read.
            body = self.edge.get(number).body
            self.edge.update(number, body=render.rewritten(body, standing, report))
            self._check(number, standing=standing)
            self._note("updated", number)

    def _reopens(self, one: Told, standing: FindingStatus) -> bool:
        """Whether a finding that is open opens its closed issue again.

        Who closed it as completed says that it is fixed: so it stays, until it is reported again.
        """
        was = one.session.tracked.state if one.session.tracked else FindingState.FIXED
        if was not in OPEN_STATES or not state.by_person(one.issue, self.edge):
            return True
        return one.issue.state_reason != "duplicate" and standing.finding is not None

    def _close(self, number: int, standing: FindingStatus, report: RunReport) -> None:
        """Closes what was open; a person who opens it again is left alone."""
        if standing.tracked.state is FindingState.FIXED:
            self._say(number, render.fixed(standing, report))
        dismissed = standing.tracked.state is FindingState.DISMISSED
        self.edge.close(number, "not_planned" if dismissed else "completed")
        self._check(number, "closed")
        self._note("closed", number)

    def _say(self, number: int, text: str) -> None:
        """A comment, once."""
        marker = text.partition("\n")[0]
        comments = self.edge.comments(number)
        if not any(c.trusted and c.body.startswith(marker) for c in comments):
            self.edge.comment(number, text)

    def _open(
        self, statuses: Sequence[FindingStatus], reconciled: Reconciliation, report: RunReport
    ) -> list[FindingStatus]:
        """Opens the worst ones; gives those that wait."""
        key = render.run_key(report)
        so_far = sum(one.session.opened == key for one in self.remembered.told.values())
        room = max(0, report.max_issues - so_far)
        ordered = sorted(statuses, key=lambda s: s.tracked.pre_existing)
        generic, own = render.labels(report.task)
        for standing in ordered[:room]:
            self.edge.ensure_label(generic, COLOR, "Nightly upkeep by batch-action")
            self.edge.ensure_label(own, COLOR, f"One finding of {report.task}")
            words = reconciled.blocks.get(standing.tracked.fingerprint)
            issue = self.edge.create(
                render.title(standing.tracked),
                render.body(standing, words, report),
                tuple(dict.fromkeys((generic, own, *report.labels))),
                report.assignees,
            )
            self._check(issue.number, "open", standing)
            self._note("opened", issue.number)
            self.carrier = self.carrier or issue
        return ordered[room:]

    def _remember(
        self, left: Sequence[FindingStatus], reconciled: Reconciliation, report: RunReport
    ) -> None:
        """Brings the comments that hold what waits to what waits now."""
        if not left and not any(map(state.is_page, self.remembered.comments)):
            return
        seen = self._ticked(self.remembered) - self._kept()
        if "opened" in self.done or self.remembered.comments:
            # For the carrier that was just opened, and for words and ticks since it was read.
            self.remembered = self._look()
        carrier = self.remembered.carrier or self.carrier
        if carrier is None:
            return
        words = {**reconciled.blocks, **self.remembered.blocks}
        stays = self._ticked(self.remembered) - seen
        room = ROOM
        written = []
        for standing in left:
            known = standing.tracked
            told = words.get(known.fingerprint)
            finding = standing.finding if room > 0 else None
            now = (
                finding_block.completed(told, finding)
                if told
                else finding_block.write(known, finding, report)
            )
            room -= len(now) - len(told or "")
            ticked = known.fingerprint in stays
            written.append(finding_block.wrapped(known, now, state.ROOM, ticked=ticked))
        for page in state.pages(written, self.remembered.comments, report):
            self._write(page, carrier)

    def _write(self, page: state.Page, carrier: IssueInfo) -> None:
        if page.comment is None:
            self.edge.comment(carrier.number, page.text)
        elif not page.text:
            self.edge.delete_comment(page.comment.id)
        elif not same(page.comment.body, page.text):
            self.edge.edit_comment(page.comment.id, page.text)
        else:
            return
        self._note("updated", carrier.number)

    def _ticked(self, remembered: Remembered) -> frozenset[str]:
        pages = filter(state.is_page, remembered.comments)
        return frozenset(f for page in pages for f in user_commands.ticked(page.body))

    def _kept(self) -> frozenset[str]:
        return frozenset(f for requested in self.requested.values() for f in requested.kept)

    def _close_doubles(self) -> None:
        for issue, first in self.remembered.doubles:
            self._say(issue.number, f"Continued in #{first}.")
            self.edge.close(issue.number, "duplicate")
            self._note("closed", issue.number)

    def _check(self, number: int, state: str = "", standing: FindingStatus | None = None) -> None:
        """Reads back what was written. Raises GitHubError when it is not so."""
        issue = self.edge.get(number)
        there = render.read(issue.body)
        told = there.tracked.state if there and there.tracked else None
        if state in ("", issue.state) and (standing is None or told is standing.tracked.state):
            return
        raise GitHubError(
            f"Issue #{number} was written, but does not say so when it is read back.",
            fix="Run collect again; if it stays so, close that issue.",
        )

    def _note(self, what: str, number: int) -> None:
        self.done.setdefault(what, []).append(number)

    def _delivered(
        self,
        statuses: Sequence[FindingStatus],
        left: Sequence[FindingStatus],
        reconciled: Reconciliation,
        report: RunReport,
    ) -> DestinationResult:
        numbers = {n: None for group in self.done.values() for n in group}
        told = [
            f"{plural(len(set(self.done[what])), 'issue')} {what}"
            for what in ("opened", "closed", "reopened")
            if what in self.done
        ]
        carrier = self.remembered.carrier or self.carrier
        if left and carrier is not None:
            told.append(f"{plural(len(left), 'finding')} waiting, listed in #{carrier.number}")
        done = DestinationResult(
            destination=DESTINATION,
            action=_action(self.done, bool(self.remembered.told)),
            new=sum(s.changed and s.tracked.state is FindingState.NEW for s in statuses),
            fixed=sum(s.changed and s.tracked.state is FindingState.FIXED for s in statuses),
            open=sum(s.tracked.state in OPEN_STATES for s in statuses),
            note=", ".join(told),
            suppressed=visibility.held_back(reconciled, report, max_issues=len(left)),
            ids=tuple(str(number) for number in numbers),
        )
        if first := next(iter(numbers), None):
            done = replace(done, number=first, url=self.edge.get(first).url)
        return done


def _action(done: dict[str, list[int]], some: bool) -> str:
    if "opened" in done:
        return "created"
    for what in ("reopened", "closed", "updated"):
        if what in done:
            return what
    return "unchanged" if some else "skipped"


def create_publisher(ctx: RunContext, batch_answers: BatchAnswers) -> Publisher:
    """The issues of the world's task."""
    return IssuePerFindingPublisher(
        edge=ctx.require_github().issues,
        task=batch_answers.task,
        repository_id=ctx.context.repository_id,
        repo=ctx.git,
        state_key=ctx.settings.state_key,
    )
