"""`status`: show pending batches with age and expiry, the backlog, and what was spent."""

from typing import Any

from batch_action.batches import results
from batch_action.clients.console import Console
from batch_action.context import RunContext
from batch_action.ledger import spend, store
from batch_action.ledger.spend import month_start
from batch_action.ledger.store import LedgerSession
from batch_action.publishers import job_summary
from batch_action.publishers.pull_request import collect
from batch_action.text import format_age, format_dollars, plural


def status(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Print the state of a task, or add it to *data*. Returns 0."""
    state = _read_state(ctx, session or store.load(ctx))
    if data is not None:
        data.append(state)
    else:
        _print(ctx.console, ctx.title, state)
    return 0


def _read_state(ctx: RunContext, session: LedgerSession) -> dict[str, Any]:
    """Return the state of a task and of its pull requests as JSON data."""
    view, max_attempts = session.view, ctx.settings.max_attempts
    pull_requests = collect.load_ledger(ctx)
    known = spend.load(ctx, view) if ctx.has_budget else None
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
        "given_up": sorted({path for path, _ in view.given_up_files(max_attempts)}),
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
