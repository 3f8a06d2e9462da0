"""The destination `sarif`: GitHub code scanning, and the SARIF file.

An upload replaces the previous analysis and closes the alerts that it leaves out. So every upload
has all open findings, also those in files not reviewed in this run, and the last analysis is this
destination's state.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus, unquote

from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.errors import LostResponseError, RefusedError
from batch_action.context import RunContext
from batch_action.errors import ConfigError, GitHubError
from batch_action.escape import path_url
from batch_action.models.findings import (
    FindingState,
    PublishedState,
    Reconciliation,
)
from batch_action.models.github import TOOL_NAME
from batch_action.models.report import DestinationResult, RunReport
from batch_action.publishers.base import Publisher
from batch_action.publishers.results import initial_result
from batch_action.publishers.sarif import document, reader, texts
from batch_action.publishers.sarif.document import SarifDraft
from batch_action.publishers.sarif.reader import LastAnalysis
from batch_action.publishers.sarif.texts import rule_id
from batch_action.text import task_slug

DESTINATION = "sarif"
DISMISSED_ELSEWHERE = "Dismissed for good in another place where batch-action reports."
INVALID_DOCUMENT_STATUSES = (400, 413, 422)
"""GitHub does not accept this document, and a retry would not help."""


@dataclass(slots=True, kw_only=True)
class SarifPublisher:
    """Code scanning of one ref in one run."""

    ctx: RunContext
    dismissed: frozenset[str]
    """The fingerprints whose dismissal the ledger has already."""
    ref: str
    category: str
    last: LastAnalysis = field(default_factory=LastAnalysis)
    refusal: str = ""
    """Why GitHub permanently refuses access; empty if it does not."""

    @property
    def scanning(self) -> CodeScanning | None:
        """The client of code scanning; None without GitHub."""
        return self.ctx.github.scanning if self.ctx.github else None

    def read_state(self) -> PublishedState:
        """Read the last analysis, and what people dismissed since; see `Publisher`."""
        self.last = LastAnalysis()
        if self.scanning is None:
            return PublishedState(destination=DESTINATION)
        try:
            self.last = reader.read_last_analysis(
                self.scanning, self.ref, self.category, self.ctx.git, self.ctx.task
            )
            issues = self.ctx.require_github().issues
            dismissals = tuple(reader.dismissals_of(self.last, self.dismissed, issues))
        except RefusedError as refused:
            if not refused.permanent:
                raise
            self.refusal = str(refused)
            return PublishedState(destination=DESTINATION)
        state = self.last.state
        return PublishedState(
            destination=DESTINATION,
            head=self.last.head,
            batches=state.batches,
            tracked=self.last.tracked,
            dismissals=dismissals,
            blocks={fingerprint: text.block for fingerprint, text in state.texts.items()},
        )

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Update code scanning, and write the SARIF file; see `Publisher`."""
        if self.scanning is not None and not self.refusal:
            try:
                self._dismiss(self.scanning, reconciled)
            except RefusedError as refused:
                if not refused.permanent:
                    raise
                self.refusal = str(refused)
        draft = document.render(
            report,
            reconciled,
            self.last.state,
            open_dismissals=self._open_dismissals(reconciled),
        )
        over_limit = (("code-scanning-limit", draft.suppressed),) if draft.suppressed else ()
        counts = initial_result(DESTINATION, reconciled.statuses, over_limit)
        path = self._write_file(draft, report)
        if self.scanning is None:
            note = f"Without `github-token` the findings are only in {path}." if path else ""
            return replace(counts, action="created" if path else "refused", note=note)
        if self.refusal:
            return _refused(counts, self.refusal, path)
        is_same = reader.is_same(self.last.state, reader.parse(draft.document))
        if self.last.head == reconciled.commit and is_same:
            return replace(counts, action="unchanged", ids=(str(self.last.id),), url=_url(report))
        if self.last.info is None and report.commands_only and not draft.open:
            return replace(counts, note="nothing to report")
        return self._upload(self.scanning, draft, reconciled.commit, report, counts, path)

    def _dismiss(self, scanning: CodeScanning, reconciled: Reconciliation) -> None:
        """Dismiss the open alerts of findings that were dismissed in another destination."""
        dismissed = {
            s.tracked.fingerprint
            for s in reconciled.in_state(FindingState.DISMISSED)
            if s.tracked.fingerprint in self.last.state.texts
            and s.tracked.fingerprint not in self.last.dismissed
        }
        if not dismissed:
            return
        alerts = reader.alerts_by_fingerprint(scanning.alerts(self.ref, "open"))
        for fingerprint in sorted(dismissed & alerts.keys()):
            scanning.dismiss(alerts[fingerprint].number, DISMISSED_ELSEWHERE)
            alert = replace(
                alerts[fingerprint], state="dismissed", dismissed_reason=DISMISSED_ELSEWHERE
            )
            self.last.dismissed[fingerprint] = alert

    def _open_dismissals(self, reconciled: Reconciliation) -> dict[str, str]:
        """Return the dismissed findings that stay results, with reasons: their alerts stay."""
        return {
            s.tracked.fingerprint: alert.dismissed_reason
            for s in reconciled.in_state(FindingState.DISMISSED)
            if (alert := self.last.dismissed.get(s.tracked.fingerprint)) is not None
            and alert.rule == rule_id(s.tracked)
            # Under a new path GitHub would open a new alert.
            and alert.path in (address := path_url(s.tracked.anchor.path), unquote(address))
        }

    def _write_file(self, draft: SarifDraft, report: RunReport) -> str:
        """Write the SARIF file and return its path; empty when that failed."""
        name = f"{task_slug(report.task, report.state_key)}.sarif"
        try:
            path = self.ctx.runner.write_result(name, [draft.data])
        except (ConfigError, OSError) as error:
            self.ctx.warn(f"The SARIF file could not be written: {error}")
            return ""
        self.ctx.runner.set_output("sarif-file", path)
        return path

    def _upload(
        self,
        scanning: CodeScanning,
        draft: SarifDraft,
        commit: str,
        report: RunReport,
        counts: DestinationResult,
        path: str,
    ) -> DestinationResult:
        newest = scanning.latest_analysis(self.ref, self.category)
        if (newest.id if newest else None) != self.last.id:
            raise GitHubError(
                "Another run has uploaded findings to code scanning since this one read them.",
                fix="The next run joins both.",
            )
        try:
            upload = scanning.upload(draft.compressed, commit=commit, ref=self.ref)
            if problems := scanning.wait_for_processing(upload):
                return _refused(
                    counts, f"GitHub could not process it: {'; '.join(problems)}.", path
                )
            analysis = scanning.analysis_of_upload(upload)
        except LostResponseError:
            analysis = scanning.find_lost_upload(self.ref, self.category, after=self.last.id)
            if analysis is None or analysis.commit != commit:
                raise
        except RefusedError as refused:
            if refused.status not in INVALID_DOCUMENT_STATUSES and not refused.permanent:
                raise
            return _refused(counts, str(refused), path)
        if analysis is None or analysis.commit != commit:
            raise GitHubError(
                "Code scanning has processed the findings, but does not list them.",
                fix="The next run checks again.",
            )
        if analysis.error:
            return _refused(counts, f"GitHub could not process all of it: {analysis.error}.", path)
        action = "created" if self.last.info is None else "updated"
        return replace(counts, action=action, ids=(str(analysis.id),), url=_url(report))


def create_publisher(
    ctx: RunContext, dismissed: frozenset[str], *, pull: int | None = None
) -> Publisher:
    """Create the publisher for the run's branch, or for a pull request."""
    return SarifPublisher(
        ctx=ctx,
        dismissed=dismissed,
        ref=f"refs/pull/{pull}/head" if pull else ctx.github_context.branch_ref,
        category=texts.category_of(ctx.task.name, ctx.settings.state_key),
    )


def _refused(counts: DestinationResult, reason: str, path: str) -> DestinationResult:
    note = f"{reason} The findings are in {path}." if path else reason
    return replace(counts, action="refused", note=note)


def _url(report: RunReport) -> str | None:
    """Return the URL of the open alerts."""
    if report.repository is None:
        return None
    scope = (
        f"pr:{report.pull_request}"
        if report.pull_request
        else f"branch:{report.ref.removeprefix('refs/heads/')}"
    )
    query = quote_plus(f"is:open tool:{TOOL_NAME} {scope}")
    return f"{report.server_url}/{report.repository}/security/code-scanning?query={query}"
