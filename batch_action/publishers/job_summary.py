"""The job summary, the outputs and the console messages of `collect`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batch_action.batches.results import (
    BatchResults,
    is_batch_id,
    is_overdue,
    overdue_advice,
)
from batch_action.clients.console import Console
from batch_action.context import RunContext
from batch_action.escape import markdown
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.models.findings import Verdict
from batch_action.models.report import PublishResult
from batch_action.publishers import charts, report_text, suppressed
from batch_action.publishers.report_text import (
    SUMMARY_TABLE_BYTES,
    render_template,
)
from batch_action.publishers.results import count_findings
from batch_action.text import format_age, format_dollars, format_time, plural

MAX_RUNNING_LISTED = 50
SECURITY_HIDDEN = (
    "Security findings of a public repository are shown in code scanning only: add `sarif` to "
    "`report`, or set `allow-public-security-findings`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBatch:
    """A batch whose answers are not delivered."""

    batch: str
    requests: int
    age_hours: float
    expires: str
    overdue: bool = False
    """It should have ended: Anthropic ends each batch when it expires."""
    has_ended: bool = False
    """It has ended, but its findings were not delivered."""
    failed: bool = False
    """It could not be fetched in this run."""

    @property
    def state(self) -> str:
        """What is known of it, as the rest of a sentence that begins with the batch."""
        if self.has_ended:
            return "has ended, but its findings were not delivered: the next run delivers them"
        if self.failed:
            return "could not be fetched: the next run tries again"
        age = format_age(self.age_hours)
        if self.overdue:
            return f"has not ended after {age}, and {overdue_advice(self.batch, self.expires)}"
        return f"is still running after {age}; it expires at {self.expires}"


def render_collected(
    published: PublishResult | None, *, running: Sequence[RunningBatch], dry_run: bool = False
) -> str:
    """Render the findings, the destinations, the cost, and the batches that are still running.

    *published*: None when no batch had ended.
    """
    values = _collected_values(published) if published else {}
    return render_template(
        "job_summary_collected.md.j2",
        report=published is not None,
        running=running[:MAX_RUNNING_LISTED],
        running_more=max(0, len(running) - MAX_RUNNING_LISTED),
        dry_run=dry_run,
        **values,
    )


def _collected_values(published: PublishResult) -> dict[str, object]:
    report, statuses = published.report, published.visible
    changed = [s for s in statuses if s.changed]
    older = [s for s in statuses if not s.changed and s.tracked.counts_as_open]
    severities = charts.render_severity_chart(statuses)
    costs = charts.render_cost_chart(report.spending.cost) if report.spending else ""
    return {
        **report_text.describe_run(published, SUMMARY_TABLE_BYTES),
        "suppressed": suppressed.render(published, SUMMARY_TABLE_BYTES),
        "pull_request": f" on #{report.pull_request}" if report.pull_request else "",
        "charts": [chart for chart in (severities, costs) if chart],
        "changed": report_text.format_findings(changed, report, SUMMARY_TABLE_BYTES),
        "older": report_text.format_findings(older, report, SUMMARY_TABLE_BYTES),
        "older_summary": f"Open since earlier runs: {len(older)}",
    }


def list_running_batches(
    pending_batches: Iterable[PendingBatch],
    now: datetime,
    batch_results: BatchResults | None = None,
) -> list[RunningBatch]:
    """List the batches that are not collected; *batch_results*: what this run has fetched."""
    results = batch_results or BatchResults()
    ended = {pending.sent.batch for pending in results.ended}
    return [
        RunningBatch(
            batch=pending.sent.batch,
            requests=len(pending.request_keys),
            age_hours=(now - pending.sent.created_at).total_seconds() / 3600,
            expires=format_time(pending.sent.expires_at),
            overdue=is_overdue(pending.sent.expires_at, now),
            has_ended=pending.sent.batch in ended,
            failed=pending.sent.batch in results.failed,
        )
        for pending in pending_batches
    ]


def report_collected(
    ctx: RunContext,
    session: LedgerSession,
    published: PublishResult | None,
    batch_results: BatchResults | None = None,
) -> None:
    """Report the results of a collect; *published* is None when no batch had ended."""
    runner = ctx.runner
    pending = session.view_of(ctx.run).pending_batches
    running = list_running_batches(pending, ctx.now(), batch_results)
    if published is None:
        runner.set_output("status", "pending" if running else "nothing-to-do")
        ctx.console.print(
            f"Nothing to collect; {plural(len(running), 'pending batch', 'pending batches')}."
        )
    else:
        _set_outputs(ctx, published)
        for warning in published.warnings:
            ctx.warn(warning)
    if published is not None or running:
        _write_collected(ctx, published, running)


def _write_collected(
    ctx: RunContext, published: PublishResult | None, running: Sequence[RunningBatch]
) -> None:
    """Write the results to the summary; without `summary` in `report` what was suppressed only."""
    settings = ctx.settings
    if "summary" in settings.report:
        text = render_collected(published, running=running, dry_run=settings.dry_run)
        ctx.runner.summary(text)
    elif published is not None and (
        text := render_suppressed(published, has_alerts="sarif" in settings.report)
    ):
        ctx.runner.summary(text)
    if published is not None:
        _print_suppressed(ctx.console, published)


def render_suppressed(published: PublishResult, *, has_alerts: bool) -> str:
    """Render what was suppressed, to which the issue and the review link; empty for none.

    *has_alerts*: code scanning shows the security findings of a public repository.
    """
    is_hidden = published.reconciliation.hides_security and not has_alerts
    parts = [
        suppressed.render(published, SUMMARY_TABLE_BYTES),
        # Whether there are any is not said.
        SECURITY_HIDDEN if is_hidden else "",
    ]
    heading = f"### batch-action: {markdown(published.report.title, 60)}"
    return "\n\n".join([heading, *filter(None, parts)]) if any(parts) else ""


def _print_suppressed(console: Console, published: PublishResult) -> None:
    """Print what was suppressed; outside of Actions, where there is no summary, each finding."""
    if counts := suppressed.format_all_suppressed(published):
        console.print(counts)
    if published.report.run_url is None:
        rows = [finding.cells for finding in suppressed.list_suppressed(published)]
        console.table(suppressed.COLUMNS, rows, paths=[2])


def report_pull_requests(
    ctx: RunContext, session: LedgerSession, published: Sequence[PublishResult]
) -> None:
    """Report, in a run of a branch, the results of each pull request."""
    dry_run = ctx.settings.dry_run
    for pull_request in published:
        for result in pull_request.results:
            number = pull_request.report.pull_request
            ctx.console.print(f"#{number}: {result.action} {result.url or ''}".rstrip())
        for warning in pull_request.warnings:
            ctx.warn(f"#{pull_request.report.pull_request}: {warning}")
        _write_collected(ctx, pull_request, ())
    if published and ctx.runner.outputs.get("status") in ("pending", "nothing-to-do"):
        ctx.runner.set_output("status", "dry-run" if dry_run else "collected")
        ids = [batch for result in published for batch in result.report.batch_ids]
        ctx.runner.set_output("batch-ids", ",".join(ids))
    if pending := session.view_of(ctx.run).pending_batches:
        count = plural(len(pending), "pending batch", "pending batches")
        ctx.console.print(f"For pull requests: {count}.")


def _set_outputs(ctx: RunContext, published: PublishResult) -> None:
    runner, report = ctx.runner, published.report

    def earlier(name: str) -> float:
        # A collect of this run came before, when these answers were sent for synchronously.
        return float(runner.outputs.get(name) or 0)

    counts = count_findings(published.statuses)
    runner.set_output("status", "dry-run" if ctx.settings.dry_run else "collected")
    runner.set_output("batch-ids", ",".join(filter(is_batch_id, report.batch_ids)))
    runner.set_output("findings-count", counts.open)
    runner.set_output("new-findings-count", int(earlier("new-findings-count")) + counts.new)
    runner.set_output("fixed-findings-count", int(earlier("fixed-findings-count")) + counts.fixed)
    runner.set_output("generated-count", len(report.generated))
    verdicts = Counter(file.verdict for file in report.file_verdicts)
    valid, invalid, uncertain = (verdicts[verdict] for verdict in Verdict)
    runner.set_output("valid-count", int(earlier("valid-count")) + valid)
    runner.set_output("invalid-count", int(earlier("invalid-count")) + invalid)
    runner.set_output("uncertain-count", int(earlier("uncertain-count")) + uncertain)
    for result in published.results:
        if result.destination == "issue":
            runner.set_output("issue-number", result.number or "")
            runner.set_output("issue-url", result.url or "")
            runner.set_output("issue-action", result.action)
        ctx.console.print(f"{result.destination}: {result.action} {result.url or ''}".rstrip())
    if report.spending and report.spending.cost.is_priced:
        paid, saved = report.spending.paid_usd or 0, report.spending.saved_usd or 0
        runner.set_output("cost-usd", f"{earlier('cost-usd') + paid:.6f}")
        runner.set_output("savings-usd", f"{earlier('savings-usd') + saved:.6f}")
        ctx.console.print(f"Cost {format_dollars(paid)}, saved {format_dollars(saved)}.")
