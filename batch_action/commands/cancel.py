"""`cancel`: ask Anthropic to cancel; the next collect reports what was already answered."""

from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.models.ledger import Withdrawn
from batch_action.models.requests import BatchState
from batch_action.publishers.pull_request import collect


def cancel(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Cancel `batch-id`, or every pending batch of the task. Returns 0.

    A batch that Anthropic no longer knows is let go of when it is named. What a canceled batch
    held is withdrawn: it is not asked again until it changes. Answers that were finished are
    billed, and reported by the next collect.
    """
    session = session or sessions.load(ctx)
    beside = collect.beside(ctx)
    count = _cancel(ctx, session)
    count += _cancel(beside.ctx, beside.session) if beside else 0
    wanted = ctx.settings.batch_id
    if wanted and not count:
        raise ConfigError(f"`batch-id` {wanted} is no pending batch of {ctx.title}.")
    if not count:
        ctx.console.say(f"No batch of {ctx.title} is pending.")
    return 0


def _cancel(ctx: RunContext, session: LedgerSession) -> int:
    """Cancel what is pending in one ledger; how many batches that were."""
    wanted = ctx.settings.batch_id
    pending = [p for p in view.pending(session.ledger) if wanted in (None, p.sent.batch)]
    for item in pending:
        state = ctx.require_anthropic().cancel(item.sent.batch)
        ctx.console.say(f"Batch {item.sent.batch} {_told(state)}.")
        lost = state is None and wanted is not None
        if lost or (state is not None and (state.canceled or state.status != "ended")):
            by = ctx.context.run
            session.add(Withdrawn(batch=item.sent.batch, by=by, at=ctx.now()))
    sessions.save(ctx, session)
    return len(pending)


def _told(state: BatchState | None) -> str:
    if state is None:
        return "is unknown to Anthropic with this key"
    if state.status == "ended" and not state.canceled:
        return "has ended already: `collect` reports it"
    return f"is {state.status}"
