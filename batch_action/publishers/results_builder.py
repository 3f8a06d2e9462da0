"""Build the models of `results_schema` from a run, without hidden security findings."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from batch_action.errors import (
    AnthropicError,
    BatchActionError,
    BudgetError,
    ConfigError,
    GitHubError,
)
from batch_action.escape import plain, replace_surrogates, visible
from batch_action.models.findings import FindingState, FindingStatus
from batch_action.models.report import DestinationResult, PublishResult, RunReport, Spending
from batch_action.publishers import report_text, results_schema, visibility
from batch_action.publishers.statuses import count_findings

MAX_CODE_CHARS = 20_000
MAX_PROSE_CHARS = 10_000


def build_results(published: PublishResult, at: datetime) -> results_schema.Results:
    """Build the results of a run; *at*: the time of the collect."""
    report = published.report
    statuses = published.visible
    return results_schema.Results(
        schema=results_schema.SCHEMA,
        at=_format_time(at),
        task=report.task,
        repository=report.repository,
        repository_id=report.repository_id,
        ref=replace_surrogates(report.ref),
        pull_request=report.pull_request,
        commit=report.commit,
        run_url=report.run_url,
        model=report.model,
        batch_ids=report.batch_ids,
        headline=report_text.format_headline(
            statuses, security_hidden=published.reconciliation.hides_security
        ),
        counts=count_findings(statuses),
        findings=tuple(_build_finding(status, report) for status in statuses),
        file_statuses=_build_file_statuses(published),
        spending=_build_spending(report.spending) if report.spending else None,
        file_verdicts=tuple(
            results_schema.FileVerdictRecord(
                path=replace_surrogates(v.path),
                verdict=v.verdict,
                summary=_limit_prose(v.summary),
                commit=v.commit,
            )
            for v in report.file_verdicts
        ),
        generated=tuple(
            results_schema.GeneratedFileRecord(
                path=replace_surrogates(g.path),
                source=replace_surrogates(g.source),
                commit=g.commit,
                replaces=g.replaces,
                summary=_limit_prose(g.summary),
            )
            for g in report.generated
        ),
        refused=tuple(
            results_schema.RefusedFileRecord(
                path=replace_surrogates(r.path),
                source=replace_surrogates(r.source),
                reason=plain(r.reason),
            )
            for r in report.refused
        ),
        destinations=tuple(_build_destination(d) for d in published.results),
        warnings=tuple(plain(w, report_text.MAX_NOTE_CHARS) for w in published.warnings),
    )


def build_failure(
    error: BatchActionError,
    at: datetime,
    *,
    task: str,
    repository: str | None,
    repository_id: str,
    run_url: str | None,
) -> results_schema.Failure:
    """Build the message about a run that ended in *error*."""
    return results_schema.Failure(
        schema=results_schema.FAILURE_SCHEMA,
        at=_format_time(at),
        task=task,
        repository=repository,
        repository_id=repository_id,
        run_url=run_url,
        kind=_error_kind(error),
        exit_code=error.exit_code,
        problem=visible(error.problem),
        fix=visible(error.fix),
    )


def build_id(published: PublishResult) -> str:
    """Build the id of a run's results; a repeated run has the same, so receivers can drop it."""
    report = published.report
    parts = [
        report.repository_id,
        report.task,
        report.state_key,
        str(report.pull_request),
        report.commit,
        *report.batch_ids,
    ]
    if not report.batch_ids:
        # Without a batch, only user commands changed something: the states and the day identify it.
        states = (f"{s.tracked.fingerprint} {s.tracked.state}" for s in published.statuses)
        parts += [report.date, *states]
    return hash_id(parts)


def hash_id(parts: Iterable[str]) -> str:
    """Build an id of 32 hex digits from *parts*."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _error_kind(error: BatchActionError) -> results_schema.ErrorKind:
    match error:
        case ConfigError():
            return "configuration"
        case BudgetError():
            return "over-budget"
        case AnthropicError():
            return "anthropic"
        case GitHubError():
            return "github"
        case _:
            return "other"


def _format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _build_finding(status: FindingStatus, report: RunReport) -> results_schema.FindingRecord:
    tracked, finding = status.tracked, status.finding
    anchor, raw = tracked.anchor, finding.raw if finding else None
    return results_schema.FindingRecord(
        fingerprint=tracked.fingerprint,
        state=tracked.state,
        changed=status.changed,
        severity=tracked.severity,
        confidence=raw.confidence if raw else None,
        category=plain(tracked.category),
        rule=plain(tracked.rule),
        title=plain(tracked.title),
        location=results_schema.LocationRecord(
            path=replace_surrogates(anchor.path),
            start_line=anchor.start_line,
            end_line=anchor.end_line,
            commit=anchor.commit,
            blob=anchor.blob,
            url=report_text.build_permalink(anchor, report),
        ),
        explanation=_limit_prose(raw.explanation) if raw else None,
        remediation=_limit_prose(raw.remediation) if raw else None,
        suggestion=_limit_code(raw.suggestion) if raw else None,
        evidence=_limit_code(finding.evidence) if finding else None,
        cwe=plain(raw.cwe) if raw and raw.cwe else None,
        security=tracked.security,
        pre_existing=tracked.pre_existing,
        opened_on=tracked.opened_on or report.date,
        closed_on=(tracked.closed_on or report.date)
        if tracked.state is FindingState.FIXED
        else None,
        closing_commit=tracked.closing_commit or None,
        note=plain(status.note or tracked.ignore_reason) or None,
    )


def _build_file_statuses(published: PublishResult) -> results_schema.FileStatusesRecord:
    statuses = published.report.file_statuses
    return results_schema.FileStatusesRecord(
        files=tuple(
            results_schema.FileRecord(
                path=replace_surrogates(e.path), status=e.status, reason=plain(e.reason)
            )
            for e in statuses.entries
        ),
        skipped=dict(statuses.skipped),
        suppressed=tuple(
            results_schema.SuppressedRecord(
                filter=s.filter, count=s.count, destination=s.destination or None
            )
            for s in visibility.count_all_suppressed(published)
        ),
    )


def _build_spending(spending: Spending) -> results_schema.SpendingRecord:
    cost = spending.cost
    return results_schema.SpendingRecord(
        paid_usd=spending.paid_usd,
        batch_usd=cost.batch_usd,
        interactive_usd=cost.interactive_usd,
        batch_cached_usd=cost.batch_cached_usd,
        saved_usd=spending.saved_usd,
        month_to_date_usd=spending.month_to_date_usd,
        usage=spending.usage,
        cache_share=spending.cache_share,
    )


def _build_destination(result: DestinationResult) -> results_schema.DestinationRecord:
    return results_schema.DestinationRecord(
        name=result.destination,
        action=result.action,
        url=result.url,
        number=result.number,
        ids=result.ids,
        new=result.new,
        fixed=result.fixed,
        open=result.open,
        note=plain(result.note, report_text.MAX_NOTE_CHARS),
    )


def _limit_prose(text: str) -> str:
    return visible(text)[:MAX_PROSE_CHARS]


def _limit_code(code: str | None) -> str | None:
    return None if code is None else visible(code)[:MAX_CODE_CHARS]
