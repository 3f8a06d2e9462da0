"""`cancel`: cancel pending batches; the next collect reports what was answered before."""

from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.models.ledger import Withdrawn
from batch_action.models.requests import BatchState


def cancel(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Cancel `batch-id`, or every pending batch of the task; list them in *data*. Returns 0.

    The files of a canceled batch are withdrawn: they are not sent again until they change. So are
    those of a batch in `batch-id` that Anthropic does not know. Finished results are billed, and
    reported by the next collect. Raises ConfigError when `batch-id` is not pending.
    """
    session = session or store.load(ctx)
    pull_requests = store.load_pull_requests(ctx)
    batches = _cancel(ctx, session)
    batches |= _cancel(ctx, pull_requests) if pull_requests else {}
    batch_id = ctx.settings.batch_id
    if batch_id and not batches:
        raise ConfigError(f"`batch-id` {batch_id} is not a pending batch of {ctx.title}.")
    if data is not None:
        listed = [{"batch": batch, "status": status} for batch, status in batches.items()]
        data.append({"task": ctx.task.name, "state_key": ctx.settings.state_key, "batches": listed})
    if not batches:
        ctx.console.print(f"No batch of {ctx.title} is pending.")
    return 0


def _cancel(ctx: RunContext, session: LedgerSession) -> dict[str, str]:
    """Cancel the pending batches of a ledger; return their status, `unknown` to Anthropic."""
    statuses = {}
    batch_id = ctx.settings.batch_id
    pending = [
        batch for batch in session.view.pending_batches if batch_id in (None, batch.sent.batch)
    ]
    for batch in pending:
        state = ctx.require_anthropic().cancel(batch.sent.batch)
        ctx.console.print(f"Batch {batch.sent.batch} {_describe(state)}.")
        statuses[batch.sent.batch] = state.status if state else "unknown"
        is_lost = state is None and batch_id is not None
        if is_lost or (state is not None and (state.canceled or state.status != "ended")):
            actor = ctx.github_context.run
            session.add(Withdrawn(batch=batch.sent.batch, actor=actor, at=ctx.now()))
    store.save(ctx, session)
    return statuses


def _describe(state: BatchState | None) -> str:
    if state is None:
        return "is unknown to Anthropic with this key"
    if state.status == "ended" and not state.canceled:
        return "has already ended: `collect` reports it"
    return f"is {state.status}"
