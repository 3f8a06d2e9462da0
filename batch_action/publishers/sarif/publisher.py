"""The destination `sarif`: GitHub code scanning, and the SARIF file.

An upload replaces the one before: what it leaves out closes. So every upload tells all that is
open, also in files not reviewed this time, and the last analysis is this destination's memory.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus, unquote

from batch_action.clients.github.code_scanning import Scanning
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.context import World
from batch_action.errors import ConfigError, GitHubError
from batch_action.escape import path_url
from batch_action.models.findings import LIVE, Recollection, Reconciled, State, Tonight
from batch_action.models.github import TOOL
from batch_action.models.report import Delivered, Night
from batch_action.publishers.base import Desk
from batch_action.publishers.sarif import document, reader
from batch_action.publishers.sarif.document import Draft
from batch_action.publishers.sarif.reader import Last
from batch_action.publishers.sarif.rules import identify

DESTINATION = "sarif"
ELSEWHERE = "Dismissed for good in another place where batch-action reports."
TOO_MUCH = (400, 413, 422)
"""GitHub does not take this document, and would not tomorrow."""


@dataclass(slots=True, kw_only=True)
class CodeScanning:
    """Code scanning on one night, for one ref."""

    world: World
    tonight: Tonight
    ref: str
    category: str
    last: Last = field(default_factory=Last)
    refusal: str = ""
    """Why GitHub lets us in neither today nor tomorrow."""

    @property
    def scanning(self) -> Scanning | None:
        """The edge; None where there is no GitHub to ask."""
        return self.world.github.scanning if self.world.github else None

    def recall(self) -> Recollection:
        """What the last analysis says, and what people dismissed since; see `Desk`."""
        self.last = Last()
        if self.scanning is None:
            return Recollection(destination=DESTINATION)
        try:
            self.last = reader.read(self.world, self.scanning, self.ref, self.category)
            dismissals = tuple(reader.dismissals(self.world, self.tonight, self.last))
        except RefusedError as refused:
            if not refused.lasting:
                raise
            self.refusal = str(refused)
            return Recollection(destination=DESTINATION)
        memory = self.last.memory
        return Recollection(
            destination=DESTINATION,
            head=self.last.head,
            batches=memory.batches,
            known=self.last.known,
            dismissals=dismissals,
            words={fingerprint: told.words for fingerprint, told in memory.told.items()},
        )

    def deliver(self, reconciled: Reconciled, night: Night) -> Delivered:
        """Bring code scanning and the file to what tonight says; see `Desk`."""
        ref = night.ref or self.ref
        if ref != self.ref:
            # What another ref's analysis says is neither carried forward nor replaced.
            self.ref = ref
            self.recall()
        if self.scanning is not None and not self.refusal:
            try:
                self._dismiss(self.scanning, reconciled)
            except RefusedError as refused:
                if not refused.lasting:
                    raise
                self.refusal = str(refused)
        kept = self._kept(reconciled)
        draft = document.render(night, reconciled, self.last.memory, kept=kept)
        counts = _counts(reconciled, draft)
        where = self._written(draft, night)
        if self.scanning is None:
            note = f"Without `github-token` the findings are only in {where}." if where else ""
            return replace(counts, action="created" if where else "refused", note=note)
        if self.refusal:
            return _refused(counts, self.refusal, where)
        if self.last.head == reconciled.commit and self._is_there(draft):
            return replace(counts, action="unchanged", ids=(str(self.last.id),), url=_url(night))
        if self.last.facts is None and night.quiet and not draft.live:
            return replace(counts, note="nothing to tell")
        return self._upload(self.scanning, draft, reconciled.commit, night, counts, where)

    def _dismiss(self, scanning: Scanning, reconciled: Reconciled) -> None:
        """Dismiss the open alerts of what was dismissed for good in another place."""
        wanted = {
            s.known.fingerprint
            for s in reconciled.in_state(State.DISMISSED)
            if s.known.fingerprint in self.last.memory.told
            and s.known.fingerprint not in self.last.dismissed
        }
        if not wanted:
            return
        alerts = reader.by_fingerprint(scanning.alerts(self.ref, "open"))
        for fingerprint in sorted(wanted & alerts.keys()):
            scanning.dismiss(alerts[fingerprint].number, ELSEWHERE)
            done = replace(alerts[fingerprint], state="dismissed", reason=ELSEWHERE)
            self.last.dismissed[fingerprint] = done

    def _kept(self, reconciled: Reconciled) -> dict[str, str]:
        """The dismissed findings that stay results, and why: their alerts must not close."""
        return {
            s.known.fingerprint: alert.reason
            for s in reconciled.in_state(State.DISMISSED)
            if (alert := self.last.dismissed.get(s.known.fingerprint)) is not None
            and alert.rule == identify(s.known)
            # Under a new path GitHub would open a new alert.
            and alert.path in (address := path_url(s.known.anchor.path), unquote(address))
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

    def _is_there(self, draft: Draft) -> bool:
        return reader.same(self.last.memory, reader.parse(draft.document))

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
        if (newest.id if newest else None) != self.last.id:
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
            found = scanning.arrived(self.ref, self.category, after=self.last.id)
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
        action = "created" if self.last.facts is None else "updated"
        return replace(counts, action=action, ids=(str(found.id),), url=_url(night))


def desk(world: World, tonight: Tonight, *, pull: int | None = None) -> Desk:
    """Code scanning for the world's branch, or for a pull request."""
    return CodeScanning(
        world=world,
        tonight=tonight,
        ref=f"refs/pull/{pull}/head" if pull else _branch(world),
        category=document.category(tonight.task, world.settings.state_key),
    )


def analysed_head(world: World) -> str:
    """The commit of the last analysis of the world's branch; empty when there is none."""
    category = document.category(world.task.name, world.settings.state_key)
    try:
        found = world.need_github().scanning.latest(_branch(world), category)
    except RefusedError as refused:
        if not refused.lasting:
            raise
        return ""
    return found.commit if found else ""


def _branch(world: World) -> str:
    return f"refs/heads/{world.context.branch or world.context.default_branch or 'main'}"


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
