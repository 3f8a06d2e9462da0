"""`cancel`: cancel pending batches; the next collect reports what was answered before."""

from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.models.ledger import Withdrawn
from batch_action.models.requests import BatchState
from batch_action.publishers.pull_request import collect


def cancel(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Cancel `batch-id`, or every pending batch of the task. Returns 0.

    The files of a canceled batch are withdrawn: they are not sent again until they change. So are
    those of a batch in `batch-id` that Anthropic does not know. Finished results are billed, and
    reported by the next collect. Raises ConfigError when `batch-id` is not pending.
    """
    session = session or store.load(ctx)
    pull_requests = collect.load_ledger(ctx)
    count = _cancel(ctx, session)
    count += _cancel(ctx, pull_requests) if pull_requests else 0
    batch_id = ctx.settings.batch_id
    if batch_id and not count:
        raise ConfigError(f"`batch-id` {batch_id} is not a pending batch of {ctx.title}.")
    if not count:
        ctx.console.print(f"No batch of {ctx.title} is pending.")
    return 0


def _cancel(ctx: RunContext, session: LedgerSession) -> int:
    """Cancel the pending batches of a ledger; return how many there were."""
    batch_id = ctx.settings.batch_id
    pending = [
        batch for batch in session.view.pending_batches if batch_id in (None, batch.sent.batch)
    ]
    for batch in pending:
        state = ctx.require_anthropic().cancel(batch.sent.batch)
        ctx.console.print(f"Batch {batch.sent.batch} {_describe(state)}.")
        is_lost = state is None and batch_id is not None
        if is_lost or (state is not None and (state.canceled or state.status != "ended")):
            actor = ctx.github_context.run
            session.add(Withdrawn(batch=batch.sent.batch, actor=actor, at=ctx.now()))
    store.save(ctx, session)
    return len(pending)


def _describe(state: BatchState | None) -> str:
    if state is None:
        return "is unknown to Anthropic with this key"
    if state.status == "ended" and not state.canceled:
        return "has already ended: `collect` reports it"
    return f"is {state.status}"
