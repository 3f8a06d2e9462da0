"""The destination `sarif`: GitHub code scanning, and the SARIF file.

An upload replaces the one before: what it leaves out closes. So every upload tells all that is
open, also in files not reviewed this time, and the last analysis is this destination's memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus

from batch_action.edges.github_api.refusals import LostAnswerError, RefusedError
from batch_action.edges.github_api.scanning import Scanning
from batch_action.errors import ConfigError, GitHubError
from batch_action.escape import path_url, plain
from batch_action.models.findings import Dismissal, Known, Recollection, Reconciled, State, Tonight
from batch_action.models.github import TOOL, AlertFacts, AnalysisFacts
from batch_action.models.report import Delivered, Night
from batch_action.report.sarif import document, reading, wording
from batch_action.report.sarif.document import Draft
from batch_action.report.sarif.reading import Memory
from batch_action.report.sarif.rules import identify
from batch_action.report.text import LIVE
from batch_action.steps.delivery.desk import Desk
from batch_action.steps.retracing import retrace
from batch_action.steps.world import World

DESTINATION = "sarif"
ELSEWHERE = "Dismissed for good in another place where batch-action reports."
MOST_FIXED = 100
"""Fixed alerts that are looked at when the analysis itself does not remember them."""
TOO_MUCH = (400, 413, 422)
"""GitHub does not take this document, and would not tomorrow."""


@dataclass(slots=True, kw_only=True)
class CodeScanning:
    """Code scanning on one night, for one ref."""

    world: World
    tonight: Tonight
    ref: str
    category: str
    refusal: str = ""
    """Why GitHub lets us in neither today nor tomorrow."""
    analysis: AnalysisFacts | None = None
    before: Memory = field(default_factory=Memory)
    dismissed: dict[str, AlertFacts] = field(default_factory=dict)
    """The dismissed alerts by their findings' fingerprints."""

    @property
    def scanning(self) -> Scanning | None:
        """The edge; None where there is no GitHub to ask."""
        return self.world.github.scanning if self.world.github else None

    def recall(self) -> Recollection:
        """What the last analysis says, and what people dismissed since; see `Desk`."""
        if self.scanning is None:
            return Recollection(destination=DESTINATION)
        try:
            known = self._read(self.scanning)
            dismissals = tuple(self._dismissals())
        except RefusedError as refused:
            if not refused.lasting:
                raise
            self.refusal = str(refused)
            return Recollection(destination=DESTINATION)
        return Recollection(
            destination=DESTINATION,
            head=self.analysis.commit if self.analysis else "",
            batches=self.before.batches,
            known=known,
            dismissals=dismissals,
            words={fingerprint: told.words for fingerprint, told in self.before.told.items()},
        )

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        """Bring code scanning and the file to what tonight says; see `Desk`."""
        ref = night.ref or self.ref
        if ref != self.ref:
            # What another ref's analysis says is neither carried forward nor replaced.
            self.ref, self.before, self.analysis = ref, Memory(), None
            self.recall()
        if self.scanning is not None and not self.refusal:
            self._dismiss(self.scanning, reconciled)
        kept = self._kept(reconciled)
        draft = document.render(night, reconciled, self.before, kept=kept)
        counts = _counts(reconciled, draft)
        where = self._written(draft, night)
        if self.scanning is None:
            note = f"Without `github-token` the findings are only in {where}." if where else ""
            return replace(counts, action="created" if where else "refused", note=note)
        if self.refusal:
            return _refused(counts, self.refusal, where)
        if self.analysis is not None and self._is_there(draft, reconciled.commit):
            found = self.analysis
            return replace(counts, action="unchanged", ids=(str(found.id),), url=_url(night))
        if self.analysis is None and night.quiet and not draft.live:
            return replace(counts, note="nothing to tell")
        return self._upload(self.scanning, draft, reconciled.commit, night, counts, where)

    def _read(self, scanning: Scanning) -> tuple[Known, ...]:
        """What the last analysis remembers; of what GitHub did not keep, what git can tell."""
        self.analysis = scanning.latest(self.ref, self.category)
        if self.analysis is None:
            return ()
        self.before = reading.parse(scanning.document(self.analysis.id))
        self.dismissed = _by_fingerprint(scanning.alerts(self.ref, "dismissed"))
        known = {one.fingerprint: one for one in self.before.known}
        if not self.before.exact:
            gone = _by_fingerprint(scanning.alerts(self.ref, "fixed", most=MOST_FIXED))
            fixed = {f: a for f, a in gone.items() if a.fixed_at and f not in self.before.told}
            halves = [
                half
                for alert in fixed.values()
                if (half := reading.half(alert.text, alert.path, alert.rule, self.before.rules))
            ]
            known |= retrace(
                [*self.before.halves, *halves],
                {f: alert.fixed_at[:10] for f, alert in fixed.items()},
                self.analysis.commit,
                self.world.git,
                self.world.task,
            )
        return tuple(known.values())

    def _dismissals(self) -> Iterator[Dismissal]:
        """What people with write access dismissed, as far as the ledger does not know it yet."""
        for fingerprint, alert in self.dismissed.items():
            by = alert.dismissed_by
            if fingerprint in self.tonight.dismissed or not by:
                continue
            if self.world.need_github().issues.may_write(by):
                yield Dismissal(
                    fingerprint=fingerprint,
                    by=by,
                    where=alert.url or DESTINATION,
                    reason=plain(alert.reason),
                )

    def _dismiss(self, scanning: Scanning, reconciled: Reconciled) -> None:
        """Dismiss the open alerts of what was dismissed for good in another place."""
        wanted = {
            s.known.fingerprint
            for s in reconciled.in_state(State.DISMISSED)
            if s.known.fingerprint in self.before.told and s.known.fingerprint not in self.dismissed
        }
        if not wanted:
            return
        for fingerprint, alert in _by_fingerprint(scanning.alerts(self.ref, "open")).items():
            if fingerprint in wanted:
                scanning.dismiss(alert.number, ELSEWHERE)
                self.dismissed[fingerprint] = replace(alert, state="dismissed", reason=ELSEWHERE)

    def _kept(self, reconciled: Reconciled) -> dict[str, str]:
        """The dismissed findings that stay results, and why: their alerts must not close."""
        return {
            s.known.fingerprint: alert.reason
            for s in reconciled.in_state(State.DISMISSED)
            if (alert := self.dismissed.get(s.known.fingerprint)) is not None
            and alert.rule == identify(s.known)
            # Under a new path GitHub would open a new alert.
            and alert.path in (s.known.anchor.path, path_url(s.known.anchor.path))
        }

    def _written(self, draft: Draft, night: Night) -> str:
        """Write the file, whatever GitHub says; its path, empty when that failed."""
        key = f"-{night.state_key}" if night.state_key else ""
        try:
            path = self.world.runner.write_result(f"{night.task}{key}.sarif", draft.data)
        except (ConfigError, OSError) as error:
            self.world.warn(f"The SARIF file could not be written: {error}")
            return ""
        self.world.runner.set_output("sarif-file", path)
        return path

    def _is_there(self, draft: Draft, commit: str) -> bool:
        there = self.analysis is not None and self.analysis.commit == commit
        return there and reading.same(self.before, reading.parse(draft.document))

    def _upload(
        self,
        scanning: Scanning,
        draft: Draft,
        commit: str,
        night: Night,
        counts: Delivered,
        where: str,
    ) -> Delivered:
        newest = scanning.latest(self.ref, self.category)
        last = self.analysis.id if self.analysis else None
        if (newest.id if newest else None) != last:
            raise GitHubError(
                "Another run has uploaded findings to code scanning since this one read them.",
                fix="The next run takes both in.",
            )
        try:
            upload = scanning.upload(draft.packed, commit=commit, ref=self.ref)
            if problems := scanning.problems(upload):
                return _refused(
                    counts, f"GitHub could not process it: {'; '.join(problems)}.", where
                )
            found = scanning.of_upload(upload)
        except LostAnswerError:
            found = scanning.arrived(self.ref, self.category, after=last)
            if found is None or found.commit != commit:
                raise
        except RefusedError as refused:
            if refused.status not in TOO_MUCH and not refused.lasting:
                raise
            return _refused(counts, str(refused), where)
        if found is None or found.commit != commit:
            raise GitHubError(
                "Code scanning has processed the findings, but does not list them.",
                fix="The next run looks again.",
            )
        if found.error:
            return _refused(counts, f"GitHub could not process all of it: {found.error}.", where)
        action = "created" if self.analysis is None else "updated"
        return replace(counts, action=action, ids=(str(found.id),), url=_url(night))


def desk(world: World, tonight: Tonight, *, pull: int | None = None) -> Desk:
    """Code scanning for the world's branch, or for a pull request."""
    branch = world.context.branch or world.context.default_branch or "main"
    return CodeScanning(
        world=world,
        tonight=tonight,
        ref=f"refs/pull/{pull}/head" if pull else f"refs/heads/{branch}",
        category=document.category(tonight.task, world.settings.state_key),
    )


def _by_fingerprint(alerts: Iterable[AlertFacts]) -> dict[str, AlertFacts]:
    """Our alerts by the finding that their message names; of two the one that changed last."""
    found: dict[str, AlertFacts] = {}
    for alert in alerts:
        trace = wording.trace(alert.text)
        if trace is not None:
            found.setdefault(trace.fingerprint, alert)
    return found


def _counts(reconciled: Reconciled, draft: Draft) -> Delivered:
    standings = reconciled.standings
    return Delivered(
        destination=DESTINATION,
        action="skipped",
        new=sum(s.changed and s.known.state is State.NEW for s in standings),
        fixed=sum(s.changed and s.known.state is State.FIXED for s in standings),
        open=sum(s.known.state in LIVE for s in standings),
        held=(("code-scanning-limit", draft.held),) if draft.held else (),
    )


def _refused(counts: Delivered, why: str, where: str) -> Delivered:
    note = f"{why} The findings are in {where}." if where else why
    return replace(counts, action="refused", note=note)


def _url(night: Night) -> str | None:
    """The page of the open alerts."""
    if night.repository is None:
        return None
    place = f"pr:{night.pull}" if night.pull else f"branch:{night.ref.removeprefix('refs/heads/')}"
    query = quote_plus(f"is:open tool:{TOOL} {place}")
    return f"{night.server_url}/{night.repository}/security/code-scanning?query={query}"
