"""`submit`: choose what changed, ask about it in a batch, let the runner go."""

from batch_action.batches import lost_creates, synchronous
from batch_action.batches import submit as batch_submit
from batch_action.batches.results import BatchResults
from batch_action.batches.submit import ModelCheck
from batch_action.commands.collect import deliver
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.models.requests import SubmissionMode
from batch_action.publishers import job_summary
from batch_action.requests import planner
from batch_action.requests.planner import PreparedPlan


def submit(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Send what is new and what is owed. Returns the exit code; raises BatchActionError.

    A small workload may wait for more, or be asked at once: then its answers are delivered here.
    """
    ctx.require_anthropic()
    session = session or sessions.load(ctx)
    ready = batch_submit.preflight(ctx)
    if view.open_intents(session.ledger):
        lost_creates.settle(ctx, session)
    batch_submit.check_destinations(ctx)
    prepared = planner.prepare(ctx, session, model=ready.model, clock=ready.clock)
    planner.refuse_over_budget(ctx, prepared.plan)
    before = len(session.sent)
    found = None if ctx.settings.dry_run else _send(ctx, session, prepared, ready)
    job_summary.submitted(ctx, session, prepared, session.sent[before:], found)
    return 0 if found is None else _deliver(ctx, session, found)


def _send(
    ctx: RunContext, session: LedgerSession, prepared: PreparedPlan, ready: ModelCheck
) -> BatchResults | None:
    """Send or ask what is due, and remember what was selected; answers only of what was asked."""
    plan, found = prepared.plan, None
    chosen = batch_submit.selected(
        ctx, prepared.selection, partial=prepared.partial, behind=prepared.behind
    )
    if plan.due and plan.mode is SubmissionMode.INTERACTIVE:
        found = synchronous.ask(ctx, session, plan, chosen, ready)
    elif plan.due:
        batch_submit.send(ctx, session, plan, chosen, ready)
    elif batch_submit.is_news(sessions.scope(ctx, session.ledger), chosen):
        # Nothing to ask now, but the next night counts from here.
        session.add(chosen)
    sessions.save(ctx, session)
    return found


def _deliver(ctx: RunContext, session: LedgerSession, found: BatchResults) -> int:
    try:
        return deliver(ctx, session, found)
    except BatchActionError:
        synchronous.lose(ctx, session, found)
        raise
