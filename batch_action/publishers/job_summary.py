"""The job summary, the outputs and the console messages of plan, submit and collect."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batch_action.batches.results import (
    BatchResults,
    is_batch_id,
    is_overdue,
    overdue_advice,
)
from batch_action.clients.actions_runner import Runner
from batch_action.clients.console import Console
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.escape import html_code, markdown, markdown_with_commits
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.trust import access_of
from batch_action.ledger.view import PendingBatch
from batch_action.models.findings import Verdict
from batch_action.models.report import PublishResult, SavingsByPeriod
from batch_action.models.requests import BatchState, SubmissionMode
from batch_action.publishers import charts, report_text, suppressed
from batch_action.publishers.report_text import (
    render_template,
)
from batch_action.publishers.results import count_findings
from batch_action.requests.planner import Plan
from batch_action.text import format_age, format_dollars, format_time, plural

MAX_TABLE_BYTES = 80_000
"""The limit of one table: the runner drops a summary over 1 MiB, which collect and submit share."""
MAX_OVERVIEW_BYTES = 20_000
MAX_RUNNING_LISTED = 50
SECURITY_HIDDEN = (
    "Security findings of a public repository are shown in code scanning only: add `sarif` to "
    "`report`, or set `allow-public-security-findings`."
)
OVERVIEW_COLUMNS = ("Task", "Status", "Requests", "Backlog", "Findings", "Cost ($)")
OVERVIEW_FINDINGS = {
    "open": "findings-count",
    "new": "new-findings-count",
    "fixed": "fixed-findings-count",
}
"""Word to the output that counts it."""


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


def render_submitted(
    title: str,
    plan: Plan,
    sent: Sequence[BatchState],
    *,
    dry_run: bool,
    budget: str = "",
    cost_line: str = "",
) -> str:
    """Render what was selected and sent, the maximum cost, and the files that were left out."""
    selection, cost = plan.selection, plan.cost
    costs = [
        format_dollars(usd) for usd in (cost.interactive_usd, cost.batch_usd, cost.batch_cached_usd)
    ]
    actual = 0 if plan.mode is SubmissionMode.INTERACTIVE else 1
    costs[actual] = f"**{costs[actual]}**"
    return render_template(
        "job_summary_submitted.md.j2",
        task=markdown(title, 60),
        range=f"{selection.base[:12] if selection.base else ''}..{selection.head[:12]}",
        explanation=markdown(plan.commits.explanation),
        files=plural(len(selection.files) - len(plan.backlog), "file"),
        requests=plural(len(plan.requests), "request"),
        batches=[(batch.id, batch.total, f"{batch.expires_at:%Y-%m-%d %H:%M}") for batch in sent],
        costs=costs,
        note=markdown_with_commits(plan.note, 500),
        tokens=plan.tokens,
        backlog=report_text.format_table(
            ("File",), [(html_code(file.path),) for file in plan.backlog], MAX_TABLE_BYTES
        ),
        skipped=report_text.format_table(
            ("File", "Reason", ""),
            [(html_code(f.path), f.reason.value, markdown(f.detail)) for f in selection.skipped],
            MAX_TABLE_BYTES,
        ),
        skipped_count=len(selection.skipped),
        backlog_count=len(plan.backlog),
        dry_run=dry_run,
        nothing=not plan.requests,
        budget=markdown(budget),
        cost_line=markdown(cost_line),
    )


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
        **report_text.describe_run(published, MAX_TABLE_BYTES),
        "suppressed": suppressed.render(published, MAX_TABLE_BYTES),
        "pull_request": f" on #{report.pull_request}" if report.pull_request else "",
        "charts": [chart for chart in (severities, costs) if chart],
        "changed": report_text.format_findings(changed, report, MAX_TABLE_BYTES),
        "older": report_text.format_findings(older, report, MAX_TABLE_BYTES),
        "older_summary": f"Open since earlier runs: {len(older)}",
    }


def report_submitted(
    ctx: RunContext,
    session: LedgerSession,
    plan: Plan,
    sent: Sequence[BatchState],
    results: BatchResults | None = None,
) -> None:
    """Report what was sent, its maximum cost, and the backlog.

    *results*: the answers of interactive requests.
    """
    runner, dry_run = ctx.runner, ctx.settings.dry_run
    is_sent = bool(session.sent or results)
    status = "dry-run" if dry_run else _submit_status(plan, is_sent=is_sent)
    view = session.view_of(ctx.run)
    backlog = view.backlog(max_attempts=ctx.settings.max_attempts, scope=ctx.scope)
    if status in ("dry-run", "submitted") or "status" not in runner.outputs:
        # After a collect in the same run, its status is more important than that nothing was sent.
        runner.set_output("status", status)
        runner.set_output("batch-ids", ",".join(batch.id for batch in session.sent))
    interactive = len(plan.requests) if results or dry_run else 0
    runner.set_output("requests-count", interactive + sum(batch.total for batch in session.sent))
    runner.set_output("backlog-count", len(plan.backlog) if dry_run else len(backlog))
    _write_summary(
        runner,
        ctx.settings,
        render_submitted(
            ctx.title,
            plan,
            sent,
            dry_run=dry_run,
            budget=plan.spend.describe(ctx.settings, ctx.now()) if plan.spend else "",
        ),
    )
    _print_submitted(ctx.console, plan, is_sent=bool(sent or results or dry_run), dry_run=dry_run)


def _submit_status(plan: Plan, *, is_sent: bool) -> str:
    if is_sent:
        return "submitted"
    if not plan.requests or plan.due:
        return "nothing-to-do"
    return "accumulated"


def _print_submitted(console: Console, plan: Plan, *, is_sent: bool, dry_run: bool) -> None:
    if plan.note:
        console.print(plan.note)
    if not (plan.due and is_sent):
        console.print("Nothing was sent." if plan.requests else "Nothing new to send.")
        return
    verb = "Would send" if dry_run else "Sent"
    requests = plural(sum(len(batch) for batch in plan.due), "request")
    how = f"in {len(plan.due)} {'batch' if len(plan.due) == 1 else 'batches'}"
    if plan.mode is SubmissionMode.INTERACTIVE:
        how = "interactively, at full price"
    console.print(f"{verb} {requests} {how}: at most {format_dollars(plan.worst_case_usd)}.")


def report_pull_request_submitted(ctx: RunContext, plan: Plan, sent: Sequence[BatchState]) -> None:
    """Report, in a run of a branch, what was sent about a pull request; add it to the outputs."""
    runner, dry_run = ctx.runner, ctx.settings.dry_run
    title = f"{ctx.title} on #{ctx.run.pull_number}"
    _write_summary(ctx.runner, ctx.settings, render_submitted(title, plan, sent, dry_run=dry_run))
    _print_submitted(ctx.console, plan, is_sent=bool(sent or dry_run), dry_run=dry_run)
    if sent:
        ids = [*filter(None, [runner.outputs.get("batch-ids")]), *(batch.id for batch in sent)]
        count = int(runner.outputs.get("requests-count") or 0) + sum(b.total for b in sent)
        runner.set_output("status", "submitted")
        runner.set_output("batch-ids", ",".join(ids))
        runner.set_output("requests-count", count)


def cost_line(models: str, cap_usd: float, plans: Sequence[Plan]) -> str:
    """Return what plans cost: expected, at most, the cap, the model, a month at this pace."""
    expected = _sum_known(plan.forecast.expected_usd for plan in plans)
    most = _sum_known(plan.worst_case_usd for plan in plans)
    monthly = _sum_known(plan.forecast.month_usd for plan in plans)
    cap = format_dollars(cap_usd)
    month = "a month: not known"
    if monthly is not None:
        month = f"a month about {format_dollars(monthly)}"
    known = f"About {format_dollars(expected)}, at most {format_dollars(most)} (cap {cap})"
    if not any(plan.due for plan in plans):
        known = f"Nothing to send (cap {cap})"
    elif most is None:
        known = f"The price is not known (cap {cap})"
    return f"{known}, {models}; {month}"


def _sum_known(amounts: Iterable[float | None]) -> float | None:
    """Return the sum; None when an amount is not known."""
    listed = list(amounts)
    return None if None in listed else sum(amount or 0.0 for amount in listed)


def report_plan(ctx: RunContext, plan: Plan) -> None:
    """Report what a submit would send."""
    ctx.runner.set_output("status", "planned")
    ctx.runner.set_output("requests-count", len(plan.requests))
    ctx.runner.set_output("backlog-count", len(plan.backlog))
    line = cost_line(ctx.settings.model, ctx.settings.max_cost_usd, [plan])
    text = render_submitted(ctx.title, plan, (), dry_run=True, cost_line=line)
    _write_summary(ctx.runner, ctx.settings, text)


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
        suppressed.render(published, MAX_TABLE_BYTES),
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
        _write_collected(ctx, pull_request, ())
    if published and ctx.runner.outputs.get("status") in ("pending", "nothing-to-do"):
        ctx.runner.set_output("status", "dry-run" if dry_run else "collected")
        ids = [batch for result in published for batch in result.report.batch_ids]
        ctx.runner.set_output("batch-ids", ",".join(ids))
    if pending := session.view_of(ctx.run).pending_batches:
        count = plural(len(pending), "pending batch", "pending batches")
        ctx.console.print(f"For pull requests: {count}.")


def report_interrupted(ctx: RunContext) -> None:
    """Report in which activity the run was interrupted; its state is saved already."""
    activity = ctx.console.activity or "starting"
    text = f"**Interrupted while {activity}.** The state is saved; the next run continues."
    _write_summary(ctx.runner, ctx.settings, text)


def report_run_end(*contexts: RunContext) -> None:
    """Write the overview of all tasks and the warnings to the summary, at the end of the run."""
    for ctx in contexts:
        _set_state_file(ctx)
    first = contexts[0]
    if len(contexts) > 1 and any("status" in ctx.runner.outputs for ctx in contexts):
        table = render_overview([(ctx.title, ctx.runner.outputs) for ctx in contexts])
        _write_summary(first.runner, first.settings, f"### All tasks\n\n{table}")
        _report_total_savings(contexts)
    if first.warnings:
        lines = (f"- {markdown_with_commits(warning)}" for warning in first.warnings)
        _write_summary(first.runner, first.settings, "\n".join(["**Warnings**", "", *lines]))


def _report_total_savings(contexts: Sequence[RunContext]) -> None:
    """Write the savings of all tasks together."""
    savings = {title: x for ctx in contexts for title, x in ctx.savings.items()}
    if not savings:
        return
    others = ", ".join(markdown(ctx.title, 60) for ctx in contexts if ctx.title not in savings)
    note = f"\n\nWithout {others}, which collected nothing." if others else ""
    table = report_text.format_savings_table(SavingsByPeriod.sum(savings.values()))
    first = contexts[0]
    _write_summary(first.runner, first.settings, f"**Savings of all tasks**\n\n{table}{note}")


def render_overview(tasks: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Render a row for each title with its outputs, without the columns that are all zero."""
    rows = [(markdown(title, 60), *_overview_cells(outputs)) for title, outputs in tasks]
    shown = [n for n in range(len(OVERVIEW_COLUMNS)) if any(row[n].strip("0.") for row in rows)]
    head, *cells = [[row[n] for n in shown] for row in (OVERVIEW_COLUMNS, *rows)]
    return report_text.format_table(head, cells, MAX_OVERVIEW_BYTES)


def _overview_cells(outputs: Mapping[str, str]) -> Iterator[str]:
    yield outputs.get("status", "failed")
    yield outputs.get("requests-count", "")
    yield outputs.get("backlog-count", "")
    counts = {word: outputs.get(name, "") for word, name in OVERVIEW_FINDINGS.items()}
    yield ", ".join(f"{count} {word}" for word, count in counts.items() if count.strip("0"))
    yield outputs.get("cost-usd", "")


def _set_state_file(ctx: RunContext) -> None:
    path = store.state_file_of(ctx.state_dir, access_of(ctx))
    if ctx.artifacts is None and path.is_file():
        if path.is_relative_to(ctx.github_context.workspace):
            path = path.relative_to(ctx.github_context.workspace)
        ctx.runner.set_output("state-file", str(path))


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


def _write_summary(runner: Runner, settings: Settings, text: str) -> None:
    if "summary" in settings.report:
        runner.summary(text)
