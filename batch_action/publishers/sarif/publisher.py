"""The destination `sarif`: GitHub code scanning, and the SARIF file.

An upload replaces the one before: what it leaves out closes. So every upload tells all that is
open, also in files not reviewed this time, and the last analysis is this destination's memory.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus, unquote

from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.context import RunContext
from batch_action.errors import ConfigError, GitHubError
from batch_action.escape import path_url
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    FindingState,
    PublishedState,
    Reconciliation,
)
from batch_action.models.github import TOOL
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers.base import Publisher
from batch_action.publishers.sarif import document, reader
from batch_action.publishers.sarif.document import Draft
from batch_action.publishers.sarif.reader import Last
from batch_action.publishers.sarif.rules import identify

DESTINATION = "sarif"
ELSEWHERE = "Dismissed for good in another place where batch-action reports."
TOO_MUCH = (400, 413, 422)
"""GitHub does not take this document, and would not tomorrow."""


@dataclass(slots=True, kw_only=True)
class SarifPublisher:
    """Code scanning on one night, for one ref."""

    ctx: RunContext
    batch_answers: BatchAnswers
    ref: str
    category: str
    last: Last = field(default_factory=Last)
    refusal: str = ""
    """Why GitHub lets us in neither today nor tomorrow."""

    @property
    def scanning(self) -> CodeScanning | None:
        """The edge; None where there is no GitHub to ask."""
        return self.ctx.github.scanning if self.ctx.github else None

    def read_state(self) -> PublishedState:
        """What the last analysis says, and what people dismissed since; see `Desk`."""
        self.last = Last()
        if self.scanning is None:
            return PublishedState(destination=DESTINATION)
        try:
            self.last = reader.read(self.ctx, self.scanning, self.ref, self.category)
            dismissals = tuple(reader.dismissals(self.ctx, self.batch_answers, self.last))
        except RefusedError as refused:
            if not refused.lasting:
                raise
            self.refusal = str(refused)
            return PublishedState(destination=DESTINATION)
        session = self.last.session
        return PublishedState(
            destination=DESTINATION,
            head=self.last.head,
            batches=session.batches,
            tracked=self.last.tracked,
            dismissals=dismissals,
            blocks={fingerprint: told.blocks for fingerprint, told in session.told.items()},
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Bring code scanning and the file to what tonight says; see `Desk`."""
        ref = report.ref or self.ref
        if ref != self.ref:
            # What another ref's analysis says is neither carried forward nor replaced.
            self.ref = ref
            self.read_state()
        if self.scanning is not None and not self.refusal:
            try:
                self._dismiss(self.scanning, reconciled)
            except RefusedError as refused:
                if not refused.lasting:
                    raise
                self.refusal = str(refused)
        kept = self._kept(reconciled)
        draft = document.render(report, reconciled, self.last.session, kept=kept)
        counts = _counts(reconciled, draft)
        where = self._written(draft, report)
        if self.scanning is None:
            note = f"Without `github-token` the findings are only in {where}." if where else ""
            return replace(counts, action="created" if where else "refused", note=note)
        if self.refusal:
            return _refused(counts, self.refusal, where)
        if self.last.head == reconciled.commit and self._is_there(draft):
            return replace(counts, action="unchanged", ids=(str(self.last.id),), url=_url(report))
        if self.last.facts is None and report.quiet and not draft.live:
            return replace(counts, note="nothing to tell")
        return self._upload(self.scanning, draft, reconciled.commit, report, counts, where)

    def _dismiss(self, scanning: CodeScanning, reconciled: Reconciliation) -> None:
        """Dismiss the open alerts of what was dismissed for good in another place."""
        wanted = {
            s.tracked.fingerprint
            for s in reconciled.in_state(FindingState.DISMISSED)
            if s.tracked.fingerprint in self.last.session.told
            and s.tracked.fingerprint not in self.last.dismissed
        }
        if not wanted:
            return
        alerts = reader.by_fingerprint(scanning.alerts(self.ref, "open"))
        for fingerprint in sorted(wanted & alerts.keys()):
            scanning.dismiss(alerts[fingerprint].number, ELSEWHERE)
            done = replace(alerts[fingerprint], state="dismissed", reason=ELSEWHERE)
            self.last.dismissed[fingerprint] = done

    def _kept(self, reconciled: Reconciliation) -> dict[str, str]:
        """The dismissed findings that stay results, and why: their alerts must not close."""
        return {
            s.tracked.fingerprint: alert.reason
            for s in reconciled.in_state(FindingState.DISMISSED)
            if (alert := self.last.dismissed.get(s.tracked.fingerprint)) is not None
            and alert.rule == identify(s.tracked)
            # Under a new path GitHub would open a new alert.
            and alert.path in (address := path_url(s.tracked.anchor.path), unquote(address))
        }

    def _written(self, draft: Draft, report: RunReport) -> str:
        """Write the file, whatever GitHub says; its path, empty when that failed."""
        key = f"-{report.state_key}" if report.state_key else ""
        try:
            path = self.ctx.runner.write_result(f"{report.task}{key}.sarif", draft.data)
        except (ConfigError, OSError) as error:
            self.ctx.warn(f"The SARIF file could not be written: {error}")
            return ""
        self.ctx.runner.set_output("sarif-file", path)
        return path

    def _is_there(self, draft: Draft) -> bool:
        return reader.same(self.last.session, reader.parse(draft.document))

    def _upload(
        self,
        scanning: CodeScanning,
        draft: Draft,
        commit: str,
        report: RunReport,
        counts: DestinationResult,
        where: str,
    ) -> DestinationResult:
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
        return replace(counts, action=action, ids=(str(found.id),), url=_url(report))


def create_publisher(
    ctx: RunContext, batch_answers: BatchAnswers, *, pull: int | None = None
) -> Publisher:
    """Code scanning for the world's branch, or for a pull request."""
    return SarifPublisher(
        ctx=ctx,
        batch_answers=batch_answers,
        ref=f"refs/pull/{pull}/head" if pull else _branch(ctx),
        category=document.category(batch_answers.task, ctx.settings.state_key),
    )


def analysed_head(ctx: RunContext) -> str:
    """The commit of the last analysis of the world's branch; empty when there is none."""
    category = document.category(ctx.task.name, ctx.settings.state_key)
    try:
        found = ctx.require_github().scanning.latest(_branch(ctx), category)
    except RefusedError as refused:
        if not refused.lasting:
            raise
        return ""
    return found.commit if found else ""


def _branch(ctx: RunContext) -> str:
    return f"refs/heads/{ctx.context.branch or ctx.context.default_branch or 'main'}"


def _counts(reconciled: Reconciliation, draft: Draft) -> DestinationResult:
    statuses = reconciled.statuses
    return DestinationResult(
        destination=DESTINATION,
        action="skipped",
        new=sum(s.changed and s.tracked.state is FindingState.NEW for s in statuses),
        fixed=sum(s.changed and s.tracked.state is FindingState.FIXED for s in statuses),
        open=sum(s.tracked.state in OPEN_STATES for s in statuses),
        suppressed=(("code-scanning-limit", draft.suppressed),) if draft.suppressed else (),
    )


def _refused(counts: DestinationResult, why: str, where: str) -> DestinationResult:
    note = f"{why} The findings are in {where}." if where else why
    return replace(counts, action="refused", note=note)


def _url(report: RunReport) -> str | None:
    """The page of the open alerts."""
    if report.repository is None:
        return None
    place = (
        f"pr:{report.pull}" if report.pull else f"branch:{report.ref.removeprefix('refs/heads/')}"
    )
    query = quote_plus(f"is:open tool:{TOOL} {place}")
    return f"{report.server_url}/{report.repository}/security/code-scanning?query={query}"
