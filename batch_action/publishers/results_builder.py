"""One night turned into `results`: every text made whole, what is guarded left out."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from batch_action.errors import (
    AnthropicError,
    BatchActionError,
    BudgetError,
    ConfigError,
    GitHubError,
)
from batch_action.escape import plain, visible, whole
from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus
from batch_action.models.report import DestinationResult, PublishResult, RunReport, Spending
from batch_action.publishers import results_schema, visibility, wording
from batch_action.publishers.visibility import guarded, shown

LONGEST_CODE = 20_000
LONGEST_PROSE = 10_000


def results_of(published: PublishResult, at: datetime) -> results_schema.Results:
    """The whole night; *at*: now."""
    report = published.report
    statuses = shown(published.statuses, report)
    return results_schema.Results(
        schema=results_schema.SCHEMA,
        at=_moment(at),
        task=report.task,
        repository=report.repository,
        repository_id=report.repository_id,
        ref=whole(report.ref),
        pull=report.pull,
        commit=report.commit,
        run_url=report.run_url,
        model=report.model,
        batch_ids=report.batch_ids,
        verdict=wording.verdict(statuses, guarded=guarded(report)),
        counts=_counts(statuses),
        findings=tuple(_told(standing, report) for standing in statuses),
        file_statuses=_account(published),
        spending=_money(report.spending) if report.spending else None,
        file_verdicts=tuple(
            results_schema.Judged(
                path=whole(j.path),
                verdict=j.verdict,
                summary=_prose(j.summary),
                commit=j.commit,
            )
            for j in published.report.file_verdicts
        ),
        generated=tuple(
            results_schema.Generated(
                path=whole(g.path),
                source=whole(g.source),
                commit=g.commit,
                replaces=g.replaces,
                summary=_prose(g.summary),
            )
            for g in published.report.generated
        ),
        refused=tuple(
            results_schema.Refused(
                path=whole(r.path), source=whole(r.source), reason=plain(r.reason)
            )
            for r in published.report.refused
        ),
        destinations=tuple(_destination(d) for d in published.results),
        warnings=tuple(plain(w, wording.LONGEST_NOTE) for w in published.warnings),
    )


def failure_of(
    error: BatchActionError,
    at: datetime,
    *,
    task: str,
    repository: str | None,
    repository_id: str,
    run_url: str | None,
) -> results_schema.Failure:
    """A run that ended in *error*."""
    return results_schema.Failure(
        schema=results_schema.FAILURE_SCHEMA,
        at=_moment(at),
        task=task,
        repository=repository,
        repository_id=repository_id,
        run_url=run_url,
        kind=_kind(error),
        exit_code=error.exit_code,
        problem=visible(error.problem),
        fix=visible(error.fix),
    )


def night_id(published: PublishResult) -> str:
    """The same for every telling of one night, so that a receiver can drop the second one."""
    report = published.report
    seeds = [report.repository_id, report.task, report.state_key, str(report.pull), report.commit]
    seeds += report.batch_ids
    if not report.batch_ids:
        # No batch names this night: people's wishes changed something on this day.
        seeds += [
            report.date,
            *(f"{s.tracked.fingerprint} {s.tracked.state}" for s in published.statuses),
        ]
    return digest(seeds)


def digest(seeds: Iterable[str]) -> str:
    """An id made of these."""
    return hashlib.sha256("\0".join(seeds).encode("utf-8", "replace")).hexdigest()[:32]


def _kind(error: BatchActionError) -> results_schema.Kind:
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


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _counts(statuses: Sequence[FindingStatus]) -> results_schema.Counts:
    changed = Counter(s.tracked.state for s in statuses if s.changed)
    there = Counter(s.tracked.state for s in statuses)
    return results_schema.Counts(
        new=changed[FindingState.NEW],
        fixed=changed[FindingState.FIXED],
        back=changed[FindingState.BACK],
        open=sum(there[state] for state in OPEN_STATES),
        dismissed=there[FindingState.DISMISSED],
        ignored=there[FindingState.IGNORED],
    )


def _told(standing: FindingStatus, report: RunReport) -> results_schema.Told:
    known, finding = standing.tracked, standing.finding
    anchor, remark = known.anchor, finding.raw if finding else None
    return results_schema.Told(
        fingerprint=known.fingerprint,
        state=known.state,
        changed=standing.changed,
        severity=known.severity,
        confidence=remark.confidence if remark else None,
        category=plain(known.category),
        rule=plain(known.rule),
        title=plain(known.title),
        place=results_schema.Place(
            path=whole(anchor.path),
            start_line=anchor.start_line,
            end_line=anchor.end_line,
            commit=anchor.commit,
            blob=anchor.blob,
            url=wording.permalink(anchor, report),
        ),
        explanation=_prose(remark.explanation) if remark else None,
        remediation=_prose(remark.remediation) if remark else None,
        suggestion=_code(remark.suggestion) if remark else None,
        evidence=_code(finding.evidence) if finding else None,
        cwe=plain(remark.cwe) if remark and remark.cwe else None,
        security=known.security,
        pre_existing=known.pre_existing,
        since=known.since or report.date,
        closed=(known.closed or report.date) if known.state is FindingState.FIXED else None,
        closed_by=known.closed_by or None,
        note=plain(standing.note or standing.tracked.reason) or None,
    )


def _account(published: PublishResult) -> results_schema.Receipt:
    receipt = published.report.file_statuses
    return results_schema.Receipt(
        files=tuple(
            results_schema.File(path=whole(e.path), status=e.status, reason=plain(e.reason))
            for e in receipt.entries
        ),
        skipped=dict(receipt.skipped),
        held_back=tuple(
            results_schema.HeldBack(
                filter=h.filter, count=h.count, destination=h.destination or None
            )
            for h in visibility.suppressed(published)
        ),
    )


def _money(spending: Spending) -> results_schema.Money:
    cost = spending.cost
    return results_schema.Money(
        paid_usd=spending.paid_usd,
        batch_usd=cost.batch_usd,
        interactive_usd=cost.interactive_usd,
        batch_cached_usd=cost.batch_cached_usd,
        saved_usd=spending.saved_usd,
        month_usd=spending.month_usd,
        usage=spending.usage,
        cache_share=spending.cache_share,
    )


def _destination(delivered: DestinationResult) -> results_schema.Destination:
    return results_schema.Destination(
        name=delivered.destination,
        action=delivered.action,
        url=delivered.url,
        number=delivered.number,
        ids=delivered.ids,
        new=delivered.new,
        fixed=delivered.fixed,
        open=delivered.open,
        note=plain(delivered.note, wording.LONGEST_NOTE),
    )


def _prose(said: str) -> str:
    return visible(said)[:LONGEST_PROSE]


def _code(code: str | None) -> str | None:
    return None if code is None else visible(code)[:LONGEST_CODE]
