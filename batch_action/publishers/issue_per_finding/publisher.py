"""The destination `issue-per-finding`: one issue a finding, a few new ones a run, worst first.

An issue is found by label, marker and trusted author. What must wait for its turn is remembered in
comments of the oldest of them. Each change of state is comment, then issue, then body: until the
body says so the next run does it again, and finds what is done already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from batch_action.clients.git import GitRepo
from batch_action.clients.github.issues import Issues
from batch_action.context import World
from batch_action.errors import GitHubError
from batch_action.models.findings import LIVE, Recollection, Reconciled, Standing, State, Tonight
from batch_action.models.github import IssueText
from batch_action.models.report import Delivered, Night
from batch_action.publishers import finding_block, user_commands, visibility
from batch_action.publishers.base import Desk
from batch_action.publishers.issue.publisher import COLOR, same
from batch_action.publishers.issue_per_finding import render, state
from batch_action.publishers.issue_per_finding.state import Remembered, Told
from batch_action.publishers.user_commands import Heard
from batch_action.publishers.visibility import shown
from batch_action.publishers.wording import as_before, dated
from batch_action.text import plural

DESTINATION = "issue-per-finding"
ROOM = 300_000
"""For the details of one night's waiting findings; the less severe ones are remembered briefly."""


@dataclass(slots=True, kw_only=True)
class PerFinding:
    """All issues of single findings on one night."""

    edge: Issues
    task: str
    repository_id: str
    repo: GitRepo
    state_key: str = ""
    remembered: Remembered = field(default_factory=lambda: Remembered(told={}))
    heard: dict[int, Heard] = field(default_factory=dict)
    carrier: IssueText | None = None
    """The first issue that was opened tonight: a list may not have it yet."""
    done: dict[str, list[int]] = field(default_factory=dict)
    """What was done to which issues."""

    def recall(self) -> Recollection:
        """What the issues remember and what people ask for there; see `Desk`."""
        self.remembered = self._look()
        self.heard = state.heard(self.remembered, self.edge)
        memories = [one.memory for one in self.remembered.told.values()]
        answers = any(heard.answers for heard in self.heard.values())
        return Recollection(
            destination=DESTINATION,
            head=state.newest_head(self.remembered, self.repo),
            batches=tuple({batch for memory in memories for batch in memory.batches}),
            known=self.remembered.known,
            dismissals=tuple(d for heard in self.heard.values() for d in heard.dismissals),
            rechecks=tuple(w for heard in self.heard.values() for w in heard.rechecks),
            words=self.remembered.words,
            pending=answers or bool(self.remembered.waiting),
        )

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        """Bring every issue to what tonight says, and read it back; see `Desk`."""
        standings = [dated(s, night) for s in shown(reconciled.standings, night)]
        self.done = {}
        for number, heard in self.heard.items():
            for text in user_commands.replies(heard):
                self.edge.comment(number, text)
        told = self.remembered.told
        for standing in standings:
            if (one := told.get(standing.known.fingerprint)) is not None:
                was = one.memory.known.state if one.memory.known and night.quiet else None
                self._bring(one, as_before(standing, was), night)
        waiting = [s for s in standings if s.known.fingerprint not in told]
        left = self._open([s for s in waiting if s.known.state in LIVE], reconciled, night)
        self._remember(left, reconciled, night)
        self._close_doubles()
        for heard in self.heard.values():
            for comment, content in user_commands.reactions(heard):
                self.edge.react(comment, content)
        self.heard = {}
        return self._delivered(standings, left, reconciled, night)

    def _look(self) -> Remembered:
        return state.remember(self.edge, self.task, self.state_key, self.repository_id)

    def _bring(self, one: Told, standing: Standing, night: Night) -> None:
        """One finding's issue to where it belongs."""
        number = one.issue.number
        was = one.memory.known.state if one.memory.known else None
        if standing.known.state in LIVE:
            if one.issue.state == "closed" and self._reopens(one, standing):
                self._say(number, render.back(standing, night))
                self.edge.reopen(number)
                self._check(number, "open")
                self._note("reopened", number)
        elif one.issue.state == "open" and was is not standing.known.state:
            self._close(number, standing, night)
        if render.rewritten(one.issue.body, standing, night) != one.issue.body:
            # Somebody may have written into it since it was read.
            body = self.edge.get(number).body
            self.edge.update(number, body=render.rewritten(body, standing, night))
            self._check(number, standing=standing)
            self._note("updated", number)

    def _reopens(self, one: Told, standing: Standing) -> bool:
        """Whether a finding that is open opens its closed issue again.

        Who closed it as completed says that it is fixed: so it stays, until it is reported again.
        """
        was = one.memory.known.state if one.memory.known else State.FIXED
        if was not in LIVE or not state.by_person(one.issue, self.edge):
            return True
        return one.issue.state_reason != "duplicate" and standing.finding is not None

    def _close(self, number: int, standing: Standing, night: Night) -> None:
        """Closes what was open; a person who opens it again is left alone."""
        if standing.known.state is State.FIXED:
            self._say(number, render.fixed(standing, night))
        dismissed = standing.known.state is State.DISMISSED
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
        self, standings: Sequence[Standing], reconciled: Reconciled, night: Night
    ) -> list[Standing]:
        """Opens the worst ones; gives those that wait."""
        key = render.run_key(night)
        so_far = sum(one.memory.opened == key for one in self.remembered.told.values())
        room = max(0, night.max_issues - so_far)
        ordered = sorted(standings, key=lambda s: s.known.pre_existing)
        generic, own = render.labels(night.task)
        for standing in ordered[:room]:
            self.edge.ensure_label(generic, COLOR, "Nightly upkeep by batch-action")
            self.edge.ensure_label(own, COLOR, f"One finding of {night.task}")
            words = reconciled.words.get(standing.known.fingerprint)
            issue = self.edge.create(
                render.title(standing.known),
                render.body(standing, words, night),
                tuple(dict.fromkeys((generic, own, *night.labels))),
                night.assignees,
            )
            self._check(issue.number, "open", standing)
            self._note("opened", issue.number)
            self.carrier = self.carrier or issue
        return ordered[room:]

    def _remember(self, left: Sequence[Standing], reconciled: Reconciled, night: Night) -> None:
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
        words = {**reconciled.words, **self.remembered.words}
        stays = self._ticked(self.remembered) - seen
        room = ROOM
        written = []
        for standing in left:
            known = standing.known
            told = words.get(known.fingerprint)
            finding = standing.finding if room > 0 else None
            now = (
                finding_block.completed(told, finding)
                if told
                else finding_block.write(known, finding, night)
            )
            room -= len(now) - len(told or "")
            ticked = known.fingerprint in stays
            written.append(finding_block.wrapped(known, now, state.ROOM, ticked=ticked))
        for page in state.pages(written, self.remembered.comments, night):
            self._write(page, carrier)

    def _write(self, page: state.Page, carrier: IssueText) -> None:
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
        return frozenset(f for heard in self.heard.values() for f in heard.kept)

    def _close_doubles(self) -> None:
        for issue, first in self.remembered.doubles:
            self._say(issue.number, f"Continued in #{first}.")
            self.edge.close(issue.number, "duplicate")
            self._note("closed", issue.number)

    def _check(self, number: int, state: str = "", standing: Standing | None = None) -> None:
        """Reads back what was written. Raises GitHubError when it is not so."""
        issue = self.edge.get(number)
        there = render.read(issue.body)
        told = there.known.state if there and there.known else None
        if state in ("", issue.state) and (standing is None or told is standing.known.state):
            return
        raise GitHubError(
            f"Issue #{number} was written, but does not say so when it is read back.",
            fix="Run collect again; if it stays so, close that issue.",
        )

    def _note(self, what: str, number: int) -> None:
        self.done.setdefault(what, []).append(number)

    def _delivered(
        self,
        standings: Sequence[Standing],
        left: Sequence[Standing],
        reconciled: Reconciled,
        night: Night,
    ) -> Delivered:
        numbers = {n: None for group in self.done.values() for n in group}
        told = [
            f"{plural(len(set(self.done[what])), 'issue')} {what}"
            for what in ("opened", "closed", "reopened")
            if what in self.done
        ]
        carrier = self.remembered.carrier or self.carrier
        if left and carrier is not None:
            told.append(f"{plural(len(left), 'finding')} waiting, listed in #{carrier.number}")
        done = Delivered(
            destination=DESTINATION,
            action=_action(self.done, bool(self.remembered.told)),
            new=sum(s.changed and s.known.state is State.NEW for s in standings),
            fixed=sum(s.changed and s.known.state is State.FIXED for s in standings),
            open=sum(s.known.state in LIVE for s in standings),
            note=", ".join(told),
            held=visibility.held_back(reconciled, night, max_issues=len(left)),
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


def desk(world: World, tonight: Tonight) -> Desk:
    """The issues of the world's task."""
    return PerFinding(
        edge=world.need_github().issues,
        task=tonight.task,
        repository_id=world.context.repository_id,
        repo=world.git,
        state_key=world.settings.state_key,
    )
