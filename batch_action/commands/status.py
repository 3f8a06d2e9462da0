"""`status`: show pending batches with age and expiry, the backlog, and what was spent."""

from collections.abc import Sequence
from typing import Any

from batch_action.batches import results
from batch_action.clients.console import Console
from batch_action.context import RunContext
from batch_action.ledger import savings, spend, store
from batch_action.ledger.spend import month_start
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import merge
from batch_action.models.report import Savings, SavingsByPeriod
from batch_action.publishers import job_summary, report_text
from batch_action.text import format_age, format_dollars, plural


def status(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
    saved: list[SavingsByPeriod] | None = None,
) -> int:
    """Print the state of a task, or add it to *data*, and its savings to *saved*. Returns 0."""
    session = session or store.load(ctx)
    pull_requests = store.load_pull_requests(ctx)
    spent = merge(session.ledger, *([pull_requests.ledger] if pull_requests else []))[0]
    task_savings = savings.by_period(LedgerView(spent), (), ctx.now())
    state = _read_state(ctx, session, pull_requests) | {"savings": describe_savings(task_savings)}
    if saved is not None:
        saved.append(task_savings)
    if data is not None:
        data.append(state)
    else:
        _print(ctx.console, ctx.title, state)
        _print_savings(ctx.console, task_savings)
    return 0


def print_total(console: Console, saved: Sequence[SavingsByPeriod]) -> None:
    """Print what all tasks have saved together."""
    console.print(f"All {len(saved)} tasks:")
    _print_savings(console, SavingsByPeriod.sum(saved))


def _print_savings(console: Console, periods: SavingsByPeriod) -> None:
    rows = [
        ("this month", *report_text.savings_cells(periods.month)),
        ("since the beginning", *report_text.savings_cells(periods.total)),
    ]
    console.table(["Cost", *report_text.SAVINGS_COLUMNS], rows)


def describe_savings(*saved: SavingsByPeriod) -> dict[str, object]:
    """Return what tasks have saved, in the month and since the beginning, as JSON data."""
    periods = SavingsByPeriod.sum(saved)
    return {"month": _describe(periods.month), "total": _describe(periods.total)}


def _describe(period: Savings) -> dict[str, float | int | None]:
    amounts = {
        "interactive_usd": period.interactive_usd,
        "paid_usd": period.paid_usd,
        "saved_usd": period.saved_usd,
        "cache_saved_usd": period.cache_saved_usd,
    }
    known = {name: round(usd, 6) if period.is_known else None for name, usd in amounts.items()}
    return known | {
        "cache_share": round(period.cache_share, 4),
        "batches": period.batches,
        # Their cost is in no amount.
        "unknown_batches": period.unknown_batches,
    }


def _read_state(
    ctx: RunContext, session: LedgerSession, pull_requests: LedgerSession | None
) -> dict[str, Any]:
    """Return the state of a task and of its pull requests as JSON data."""
    view, max_attempts = session.view, ctx.settings.max_attempts
    known = spend.load(ctx, view) if ctx.has_budget else None
    given_up, newest = view.given_up_files(max_attempts), view.newest_files()
    file = store.state_file_of(ctx.state_dir, session.access)
    # Artifacts by name, then the path of the file.
    places = [*(session.access.names if ctx.github else ()), *([str(file)] * file.is_file())]
    return {
        "task": ctx.task.name,
        "state_key": ctx.settings.state_key,
        "ledger": ", ".join(places),
        "last_head": next(iter(view.recorded_heads()), None),
        "pending": [
            {
                "batch": batch.batch,
                "requests": batch.requests,
                "age_hours": round(batch.age_hours, 2),
                "expires": batch.expires,
                "overdue": batch.overdue,
            }
            for batch in job_summary.list_running_batches(
                session.view_of(ctx.run).pending_batches, ctx.now()
            )
        ],
        "pull_requests": [
            {
                "pull_request": batch.intended.pull_request,
                "batch": batch.sent.batch,
                "requests": len(batch.request_keys),
            }
            for batch in (pull_requests.view.pending_batches if pull_requests else ())
        ],
        "open_intents": [item.intended.intent for item in view.open_intents],
        "backlog": sorted(view.backlog(max_attempts=max_attempts, scope=ctx.scope)),
        "given_up": sorted(
            {path for path, blob in given_up if path in newest and newest[path].blob == blob}
        ),
        # None when a price is unknown.
        "month_usd": view.spend_usd(month_start(ctx.now())),
        "committed_usd": view.committed_usd,
        # None without a budget.
        "budget": known.describe(ctx.settings, ctx.now()) if known else None,
    }


def _print(console: Console, title: str, state: dict[str, Any]) -> None:
    last = state["last_head"][:12] if state["last_head"] else "no commit yet"
    console.print(f"Task {title}; last run on {last}; ledger: {state['ledger'] or 'none'}.")
    rows = [
        (b["batch"], str(b["requests"]), format_age(b["age_hours"]), b["expires"])
        for b in state["pending"]
    ]
    console.table(["Pending batch", "Requests", "Age", "Expires"], rows or [("none", "", "", "")])
    for batch in state["pending"]:
        if batch["overdue"]:
            advice = results.overdue_advice(batch["batch"], batch["expires"])
            console.print(f"Batch {batch['batch']} {advice}. `batch-action collect` asks for it.")
    numbers = {batch["pull_request"] for batch in state["pull_requests"]} - {None}
    if numbers:
        listed = ", ".join(f"#{number}" for number in sorted(numbers))
        console.print(f"Also pending for pull requests: {listed}.")
    backlog, given_up = state["backlog"], state["given_up"]
    files = f": {', '.join(backlog[:10])}" if backlog else ""
    console.print(f"{plural(len(backlog), 'file')} in the backlog{files}.")
    if given_up:
        console.print(f"{len(given_up)} given up: {', '.join(given_up[:10])}")
    if state["open_intents"]:
        console.print("A create got no response: the next run finds out whether its batch exists.")
    console.print(
        f"This month {format_dollars(state['month_usd'])}; "
        f"in flight at most {format_dollars(state['committed_usd'])}."
    )
    if state["budget"]:
        console.print(state["budget"])
