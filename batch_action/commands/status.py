"""`status`: show pending batches with age and expiry, the backlog, and what was spent."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.context import RunContext
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.publishers import job_summary
from batch_action.publishers.job_summary import RunningBatch
from batch_action.publishers.pull_request import collect
from batch_action.publishers.report_text import format_dollars
from batch_action.requests.planner import month_start
from batch_action.text import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOverview:
    """The state of a task, and of its pull requests."""

    ledger: str
    """Where the ledger is: names of artifacts, path of the file; empty for none."""
    last_head: str | None
    pending: Sequence[RunningBatch]
    pull_requests: Sequence[PendingBatch]
    """The pending batches of pull requests."""
    open_intents: list[str]
    backlog: list[str]
    given_up: list[str]
    month_usd: float | None
    """None when a price is unknown."""
    committed_usd: float


def status(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Print the state of a task, or add it to *data*. Returns 0."""
    overview = _read_overview(ctx, session or store.load(ctx))
    if data is not None:
        data.append(_as_data(ctx, overview))
    else:
        _print(ctx, overview)
    return 0


def _read_overview(ctx: RunContext, session: LedgerSession) -> StateOverview:
    view, max_attempts = session.view, ctx.settings.max_attempts
    pull_requests = collect.load_ledger(ctx)
    file = store.state_file_of(ctx, session.access)
    places = [*(session.access.names if ctx.github else ()), *([str(file)] * file.is_file())]
    return StateOverview(
        ledger=", ".join(places),
        last_head=next(iter(view.recorded_heads()), None),
        pending=job_summary.list_running_batches(ctx, session),
        pull_requests=(pull_requests.view.pending_batches if pull_requests else ()),
        open_intents=[item.intended.intent for item in view.open_intents],
        backlog=sorted(view.backlog(max_attempts=max_attempts, scope=ctx.scope)),
        given_up=sorted({path for path, _ in view.given_up_files(max_attempts)}),
        month_usd=view.spend_usd(month_start(ctx.now())),
        committed_usd=view.committed_usd,
    )


def _as_data(ctx: RunContext, overview: StateOverview) -> dict[str, object]:
    return {
        "task": ctx.task.name,
        "state_key": ctx.settings.state_key,
        "ledger": overview.ledger,
        "last_head": overview.last_head,
        "pending": [
            {
                "batch": batch.batch,
                "requests": batch.requests,
                "age_hours": round(batch.age_hours, 2),
                "expires": batch.expires,
            }
            for batch in overview.pending
        ],
        "pull_requests": [
            {
                "pull_request": batch.intended.pull_request,
                "batch": batch.sent.batch,
                "requests": len(batch.request_keys),
            }
            for batch in overview.pull_requests
        ],
        "open_intents": overview.open_intents,
        "backlog": overview.backlog,
        "given_up": overview.given_up,
        "month_usd": overview.month_usd,
        "committed_usd": overview.committed_usd,
    }


def _print(ctx: RunContext, overview: StateOverview) -> None:
    console = ctx.console
    last = overview.last_head[:12] if overview.last_head else "no commit yet"
    console.print(f"Task {ctx.title}; last run on {last}; ledger: {overview.ledger or 'none'}.")
    rows = [(b.batch, str(b.requests), f"{b.age_hours:.1f} h", b.expires) for b in overview.pending]
    console.table(["Pending batch", "Requests", "Age", "Expires"], rows or [("none", "", "", "")])
    numbers = {batch.intended.pull_request for batch in overview.pull_requests} - {None}
    if numbers:
        listed = ", ".join(f"#{number}" for number in sorted(filter(None, numbers)))
        console.print(f"Also pending for pull requests: {listed}.")
    backlog = ", ".join(overview.backlog[:10]) or "none"
    console.print(f"{plural(len(overview.backlog), 'file')} in the backlog: {backlog}")
    if overview.given_up:
        console.print(f"{len(overview.given_up)} given up: {', '.join(overview.given_up[:10])}")
    if overview.open_intents:
        console.print("A create got no response: the next run finds out whether its batch exists.")
    console.print(
        f"This month {format_dollars(overview.month_usd)}; "
        f"in flight at most {format_dollars(overview.committed_usd)}."
    )
