"""The job summary: what this run did, for the person who opens the run's page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.batches.results import BatchResults
from batch_action.batches.synchronous import is_batch
from batch_action.context import RunContext
from batch_action.escape import html_code, markdown, ours
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.models.files import Selection, SkippedFile
from batch_action.models.findings import OPEN_STATES, FindingStatus
from batch_action.models.report import PublishResult, RunReport
from batch_action.models.requests import BatchState, Plan, SubmissionMode
from batch_action.publishers import charts, tables, wording
from batch_action.publishers.templates import fill
from batch_action.publishers.visibility import guarded, hidden, limits_sentence, shown
from batch_action.publishers.wording import dollars
from batch_action.requests.planner import PreparedPlan
from batch_action.text import plural

SUMMARY_MAX_CHARS = 80_000
"""Bytes of one table: the runner drops a summary of more than 1 MiB as a whole, and both halves of
a run share it."""
MOST_WAITING = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A batch that has not ended."""

    batch: str
    requests: int
    age_hours: float
    expires: str


def render_submitted(
    *,
    task: str,
    selection: Selection,
    explanation: str,
    plan: Plan,
    sent: Sequence[BatchState],
    dry_run: bool,
) -> str:
    """What was selected and sent, what it can cost at most, and every file that was left out."""
    return fill(
        "job_summary_submitted.md.j2",
        task=markdown(task, 60),
        range=f"{selection.base[:12] if selection.base else ''}..{selection.head[:12]}",
        explanation=markdown(explanation),
        files=plural(len(selection.files) - len(plan.backlog), "file"),
        requests=plural(len(plan.requests), "request"),
        batches=[(batch.id, batch.total, f"{batch.expires_at:%Y-%m-%d %H:%M}") for batch in sent],
        costs=_costs(plan),
        note=ours(plan.note, 500),
        tokens=plan.tokens,
        backlog=_listed([file.path for file in plan.backlog]),
        skipped=tables.table(
            ("File", "Reason", ""),
            [_skipped(item) for item in selection.skipped],
            SUMMARY_MAX_CHARS,
        ),
        skipped_count=len(selection.skipped),
        backlog_count=len(plan.backlog),
        dry_run=dry_run,
        nothing=not plan.requests,
    )


def _costs(plan: Plan) -> list[str]:
    """The three columns, the one that counts tonight in bold."""
    cost, now = plan.cost, plan.mode is SubmissionMode.INTERACTIVE
    columns = [cost.interactive_usd, cost.batch_usd, cost.batch_cached_usd]
    ours = 0 if now else 1
    return [
        f"**{wording.dollars(usd)}**" if n == ours else wording.dollars(usd)
        for n, usd in enumerate(columns)
    ]


def render_collected(
    published: PublishResult | None, *, waiting: Sequence[Waiting], dry_run: bool = False
) -> str:
    """What came back, where it went, what it cost, and what is still running.

    None: nothing had ended. Always far below the 1 MiB at which the runner drops a summary.
    """
    told = _told(published) if published else {}
    return fill(
        "job_summary_collected.md.j2",
        report=published is not None,
        waiting=waiting[:MOST_WAITING],
        waiting_more=max(0, len(waiting) - MOST_WAITING),
        dry_run=dry_run,
        **told,
    )


def _told(published: PublishResult) -> dict[str, object]:
    report = published.report
    statuses = shown(published.statuses, report)
    news = [s for s in statuses if s.changed]
    older = [s for s in statuses if not s.changed and s.tracked.state in OPEN_STATES]
    spending = report.spending
    return {
        "task": markdown(report.title, 60),
        "pull": f" on #{report.pull}" if report.pull else "",
        "verdict": wording.verdict(statuses, guarded=guarded(report)),
        "charts": [
            chart
            for chart in (
                charts.severities(statuses),
                charts.costs(spending.cost) if spending else "",
            )
            if chart
        ],
        "destinations": [wording.deed(d) for d in published.results],
        "news": _findings(news, report),
        "guarded": bool(hidden(published)),
        "older": _findings(older, report),
        "older_summary": f"Open since earlier nights: {len(older)}",
        "file_verdicts": tables.file_verdicts(published.report, SUMMARY_MAX_CHARS),
        "generated": tables.generated(published.report, SUMMARY_MAX_CHARS),
        "cost": wording.cost_line(spending) if spending else "",
        "file_statuses": wording.receipt_line(report.file_statuses),
        "entries": tables.file_statuses(report.file_statuses, SUMMARY_MAX_CHARS),
        "skipped": wording.skipped_line(report.file_statuses),
        "suppressed": limits_sentence(published),
    }


def _findings(statuses: Sequence[FindingStatus], report: RunReport) -> str:
    rows = [wording.row(standing, report) for standing in statuses]
    return tables.table(("Severity", "Finding", "Where", "State"), rows, SUMMARY_MAX_CHARS)


def warnings(sentences: Sequence[str]) -> str:
    """The sentences that need attention, as a list; empty when there are none."""
    if not sentences:
        return ""
    return "\n".join(["**Attention**", "", *(f"- {ours(s)}" for s in sentences)])


def _skipped(item: SkippedFile) -> tuple[str, str, str]:
    return html_code(item.path), item.reason.value, markdown(item.detail)


def _listed(paths: Sequence[str]) -> list[str]:
    """Lines of a list that fit, the last one telling how many do not."""
    lines: list[str] = []
    room = SUMMARY_MAX_CHARS
    for path in paths:
        line = html_code(path)
        room -= len(line.encode()) + 3
        if room < 0:
            return [*lines, f"… and {len(paths) - len(lines)} more"]
        lines.append(line)
    return lines


OVERVIEW_MAX_CHARS = 20_000
COLUMNS = {
    "Status": "status",
    "Requests": "requests-count",
    "Owed": "backlog-count",
    "Open": "findings-count",
    "New": "new-findings-count",
    "Fixed": "fixed-findings-count",
    "Cost ($)": "cost-usd",
}


def overview(told: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """A row for each task, from the outputs it has set; empty where nobody has set any."""
    if not any("status" in outputs for _, outputs in told):
        return ""
    rows = [
        (markdown(title, 60), *(_cell(outputs, name) for name in COLUMNS.values()))
        for title, outputs in told
    ]
    return "\n".join(
        ["### All tasks", "", tables.table(("Task", *COLUMNS), rows, OVERVIEW_MAX_CHARS)]
    )


def _cell(outputs: Mapping[str, str], name: str) -> str:
    return outputs.get(name, "failed" if name == "status" else "")


def submitted(
    ctx: RunContext,
    session: LedgerSession,
    prepared: PreparedPlan,
    sent: Sequence[BatchState],
    found: BatchResults | None = None,
) -> None:
    """Tell what was sent, what it can cost at most, and what is owed.

    *found*: the answers, where they were asked for at once.
    """
    plan, runner, dry = prepared.plan, ctx.runner, ctx.settings.dry_run
    waits = bool(plan.requests) and not plan.due
    status = (
        "dry-run"
        if dry
        else "submitted"
        if session.sent or found
        else "accumulated"
        if waits and plan.mode is SubmissionMode.ACCUMULATE
        else "pending"
        if waits
        else "nothing-to-do"
    )
    ledger = sessions.scope(ctx, session.ledger)
    backlog = view.backlog(ledger, max_attempts=ctx.settings.max_attempts, scope=ctx.scope)
    if status in ("dry-run", "submitted") or "status" not in runner.told:
        # After a collect in the same run, that nothing was sent is no news.
        runner.set_output("status", status)
        runner.set_output("batch-ids", ",".join(batch.id for batch in session.sent))
    asked = len(plan.requests) if found or dry else 0
    runner.set_output("requests-count", asked + sum(batch.total for batch in session.sent))
    runner.set_output("backlog-count", len(plan.backlog) if dry else len(backlog))
    _summarise(ctx, _submission(ctx, prepared, sent, dry_run=dry))
    _say_submitted(ctx, plan, going=bool(sent or found or dry))


def _say_submitted(ctx: RunContext, plan: Plan, *, going: bool) -> None:
    if plan.note:
        ctx.console.say(plan.note)
    if not (plan.due and going):
        ctx.console.say("Nothing was sent." if plan.requests else "Nothing new to send.")
        return
    told = "Would send" if ctx.settings.dry_run else "Sent"
    count = sum(len(batch) for batch in plan.due)
    ctx.console.say(
        f"{told} {plural(count, 'request')} {_in_batches(plan)}: at most {dollars(plan.worst_usd)}."
    )


def _in_batches(plan: Plan) -> str:
    if plan.mode is SubmissionMode.INTERACTIVE:
        return "at once, at full price"
    count = len(plan.due)
    return "in 1 batch" if count == 1 else f"in {count} batches"


def planned(ctx: RunContext, prepared: PreparedPlan) -> None:
    """Tell what would be sent."""
    ctx.runner.set_output("status", "planned")
    ctx.runner.set_output("requests-count", len(prepared.plan.requests))
    ctx.runner.set_output("backlog-count", len(prepared.plan.backlog))
    _summarise(ctx, _submission(ctx, prepared, (), dry_run=True))


def _submission(
    ctx: RunContext, prepared: PreparedPlan, sent: Sequence[BatchState], *, dry_run: bool
) -> str:
    return render_submitted(
        task=ctx.title,
        selection=prepared.selection,
        explanation=prepared.explanation,
        plan=prepared.plan,
        sent=sent,
        dry_run=dry_run,
    )


def waiting(ctx: RunContext, session: LedgerSession) -> list[Waiting]:
    """The batches that have not ended, for the summary and `status`."""
    now = ctx.now()
    return [
        Waiting(
            batch=pending.sent.batch,
            requests=len(pending.request_keys),
            age_hours=(now - pending.sent.created_at).total_seconds() / 3600,
            expires=f"{pending.sent.expires_at:%Y-%m-%d %H:%M} UTC",
        )
        for pending in view.pending(sessions.scope(ctx, session.ledger))
    ]


def collected(ctx: RunContext, session: LedgerSession, published: PublishResult | None) -> None:
    """Tell what came back, where it went and what it cost; None: nothing had ended."""
    runner = ctx.runner
    still = waiting(ctx, session)
    if published is None:
        runner.set_output("status", "pending" if still else "nothing-to-do")
        ctx.console.say(f"Nothing to collect; {len(still)} still running.")
    else:
        _outputs(ctx, published)
        for sentence in published.warnings:
            ctx.warn(sentence)
    if published is not None or still:
        dry = ctx.settings.dry_run
        _summarise(ctx, render_collected(published, waiting=still, dry_run=dry))


def pulls(ctx: RunContext, session: LedgerSession, published: Sequence[PublishResult]) -> None:
    """From a branch's run: tell what came back for pull requests, each by itself."""
    for one in published:
        for delivered in one.results:
            ctx.console.say(
                f"#{one.report.pull}: {delivered.action} {delivered.url or ''}".rstrip()
            )
        dry = ctx.settings.dry_run
        _summarise(ctx, render_collected(one, waiting=(), dry_run=dry))
    if published and ctx.runner.told.get("status") in ("pending", "nothing-to-do"):
        ctx.runner.set_output("status", "dry-run" if ctx.settings.dry_run else "collected")
        ids = [batch for one in published for batch in one.report.batch_ids]
        ctx.runner.set_output("batch-ids", ",".join(ids))
    if still := waiting(ctx, session):
        ctx.console.say(f"For pull requests, {len(still)} still running.")


def interrupted(ctx: RunContext) -> None:
    """Say where the run stopped; what was known then is saved already."""
    doing = ctx.console.doing or "starting"
    _summarise(
        ctx, f"**Interrupted while {doing}.** What was known is saved; the next run goes on."
    )


def attention(*contexts: RunContext) -> None:
    """Write what became of each task, and the run's warnings, to the summary, once, at its end."""
    for ctx in contexts:
        _file(ctx)
    several = [(ctx.title, ctx.runner.told) for ctx in contexts] if len(contexts) > 1 else []
    for text in (overview(several), warnings(contexts[0].warnings)):
        if text:
            _summarise(contexts[0], text)


def _file(ctx: RunContext) -> None:
    if ctx.artifacts is None and sessions.path_of(ctx).is_file():
        where = sessions.path_of(ctx)
        if where.is_relative_to(ctx.context.workspace):
            where = where.relative_to(ctx.context.workspace)
        ctx.runner.set_output("state-file", str(where))


def _outputs(ctx: RunContext, published: PublishResult) -> None:
    runner, report = ctx.runner, published.report
    changed = [s.tracked.state.value for s in published.statuses if s.changed]
    live = [s for s in published.statuses if s.tracked.state in OPEN_STATES]
    runner.set_output("status", "dry-run" if ctx.settings.dry_run else "collected")
    runner.set_output("batch-ids", ",".join(filter(is_batch, report.batch_ids)))
    runner.set_output("findings-count", len(live))
    new, fixed = (int(_before(ctx, f"{name}-findings-count")) for name in ("new", "fixed"))
    runner.set_output("new-findings-count", new + changed.count("new"))
    runner.set_output("fixed-findings-count", fixed + changed.count("fixed"))
    runner.set_output("generated-count", len(published.report.generated))
    for delivered in published.results:
        if delivered.destination == "issue":
            runner.set_output("issue-number", delivered.number or "")
            runner.set_output("issue-url", delivered.url or "")
            runner.set_output("issue-action", delivered.action)
        ctx.console.say(
            f"{delivered.destination}: {delivered.action} {delivered.url or ''}".rstrip()
        )
    if report.spending and report.spending.cost.priced:
        paid, less = report.spending.paid_usd or 0, report.spending.saved_usd or 0
        runner.set_output("cost-usd", f"{_before(ctx, 'cost-usd') + paid:.6f}")
        runner.set_output("savings-usd", f"{_before(ctx, 'savings-usd') + less:.6f}")
        ctx.console.say(f"Cost {dollars(paid)}, saved {dollars(less)}.")


def _before(ctx: RunContext, name: str) -> float:
    """What an earlier collect of this run has told: one waits for a warm-up, then for the rest."""
    return float(ctx.runner.told.get(name) or 0)


def _summarise(ctx: RunContext, text: str) -> None:
    if "summary" in ctx.settings.report:
        ctx.runner.summary(text)
