"""The job summary, the outputs and the console messages of `plan` and `submit`."""

from collections.abc import Iterable, Sequence

from batch_action.clients.console import Console
from batch_action.context import RunContext
from batch_action.escape import html_code, markdown, markdown_with_commits
from batch_action.ledger.store import LedgerSession
from batch_action.models.requests import BatchState, Request, SubmissionMode
from batch_action.requests.planner import Plan
from batch_action.text import format_dollars, plural


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
    # Only here: a plan on a laptop has no summary.
    from batch_action.publishers.report_text import (  # noqa: PLC0415
        SUMMARY_TABLE_BYTES,
        format_table,
        render_template,
    )

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
        note=markdown_with_commits(f"{about_findings_line(plan)} {plan.note}".strip(), 500),
        tokens=plan.tokens,
        backlog=format_table(
            ("File",), [(html_code(file.path),) for file in plan.backlog], SUMMARY_TABLE_BYTES
        ),
        skipped=format_table(
            ("File", "Reason", ""),
            [(html_code(f.path), f.reason.value, markdown(f.detail)) for f in selection.skipped],
            SUMMARY_TABLE_BYTES,
        ),
        skipped_count=len(selection.skipped),
        backlog_count=len(plan.backlog),
        dry_run=dry_run,
        nothing=not plan.requests,
        budget=markdown(budget),
        cost_line=markdown(cost_line),
    )


def report_submitted(
    ctx: RunContext,
    session: LedgerSession,
    plan: Plan,
    sent: Sequence[BatchState],
    *,
    answered: bool = False,
) -> None:
    """Report what was sent, its maximum cost, and the backlog.

    *answered*: the requests were sent synchronously, and their answers are there.
    """
    runner, dry_run = ctx.runner, ctx.settings.dry_run
    is_sent = bool(session.sent) or answered
    status = "dry-run" if dry_run else _submit_status(plan, is_sent=is_sent)
    view = session.view_of(ctx.run)
    backlog = view.backlog(max_attempts=ctx.settings.max_attempts, scope=ctx.scope)
    if status in ("dry-run", "submitted") or "status" not in runner.outputs:
        # After a collect in the same run, its status is more important than that nothing was sent.
        runner.set_output("status", status)
        runner.set_output("batch-ids", ",".join(batch.id for batch in session.sent))
    interactive = len(plan.requests) if answered or dry_run else 0
    runner.set_output("requests-count", interactive + sum(batch.total for batch in session.sent))
    runner.set_output("backlog-count", len(plan.backlog) if dry_run else len(backlog))
    if ctx.writes_summary:
        budget = plan.spend.describe(ctx.settings, ctx.now()) if plan.spend else ""
        runner.summary(render_submitted(ctx.title, plan, sent, dry_run=dry_run, budget=budget))
    _print_submitted(ctx.console, plan, is_sent=bool(sent) or answered or dry_run, dry_run=dry_run)


def _submit_status(plan: Plan, *, is_sent: bool) -> str:
    if is_sent:
        return "submitted"
    if not plan.requests or plan.due:
        return "nothing-to-do"
    return "accumulated"


def _print_submitted(console: Console, plan: Plan, *, is_sent: bool, dry_run: bool) -> None:
    if line := about_findings_line(plan):
        console.print(line)
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
    if ctx.writes_summary:
        runner.summary(render_submitted(title, plan, sent, dry_run=dry_run))
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


def about_findings_line(plan: Plan) -> str:
    """Return what a plan asks about findings, its maximum cost, and what waits for the budget."""
    asked, waiting = _count_findings(plan.about_findings), _count_findings(plan.unasked)
    sentences = []
    if asked:
        sentences.append(f"{asked}, at most {format_dollars(plan.forecast.about_findings_usd)}.")
    if waiting:
        sentences.append(f"Over the cost limit, so they wait: {waiting[0].lower()}{waiting[1:]}.")
    return " ".join(sentences)


def _count_findings(requests: Sequence[Request]) -> str:
    """Count the findings to verify, and those to explain; empty for none."""
    counts = {
        f"findings to {verb}": sum(
            len(r.request_key.findings) for r in requests if r.request_key.purpose == purpose
        )
        for verb, purpose in (("verify", "verification"), ("explain", "explanation"))
    }
    listed = ", ".join(f"{what}: {count}" for what, count in counts.items() if count)
    return listed[:1].upper() + listed[1:]


def _sum_known(amounts: Iterable[float | None]) -> float | None:
    """Return the sum; None when an amount is not known."""
    listed = list(amounts)
    return None if None in listed else sum(amount or 0.0 for amount in listed)


def report_plan(ctx: RunContext, plan: Plan) -> None:
    """Report what a submit would send."""
    ctx.runner.set_output("status", "planned")
    ctx.runner.set_output("requests-count", len(plan.requests))
    ctx.runner.set_output("backlog-count", len(plan.backlog))
    if ctx.writes_summary:
        line = cost_line(ctx.settings.model, ctx.settings.max_cost_usd, [plan])
        ctx.runner.summary(render_submitted(ctx.title, plan, (), dry_run=True, cost_line=line))
