"""Send a small workload through the Messages API, at full price and without a batch.

The intent is saved like that of a batch, so that no two runs send the same requests. But the
answers come only once: those of an interrupted run are lost, and its files are back in the backlog.
"""

from dataclasses import replace
from functools import partial

from batch_action.batches.results import INTERACTIVE_PREFIX, BatchResults, read_batch
from batch_action.batches.submit import save_intent
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, Interrupted, TransientError
from batch_action.ledger import spend, store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.models.ledger import Collected, Rejected, Selected, Sent
from batch_action.models.requests import SYNCHRONOUS_TIMEOUT, Outcome, OutcomeKind
from batch_action.models.verification_facts import Verified
from batch_action.requests.planner import Plan

START_LIMIT = 2 * SYNCHRONOUS_TIMEOUT
"""How long more requests are started: with retries they then end within `SYNCHRONOUS_WINDOW`."""


def send_requests(
    ctx: RunContext, session: LedgerSession, plan: Plan, selected: Selected
) -> BatchResults | None:
    """Return the answers, not yet published and not in the ledger.

    None when another run is sending the same requests. Raises AnthropicError: nothing was answered,
    and everything is back in the backlog.
    """
    intended = save_intent(ctx, session, plan, selected)
    if intended is None:
        return None
    try:
        outcomes = _collect_outcomes(ctx, plan)
    except (AnthropicError, Interrupted):
        session.add(Rejected(intent=intended.intent, batch=None))
        store.save(ctx, session)
        if plan.spend:
            spend.settle(ctx, plan.spend, session.view_of(ctx.run))
        raise
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=f"{INTERACTIVE_PREFIX}{intended.intent}",
        created_at=intended.at,
        expires_at=intended.at,
    )
    batch = PendingBatch(sent, intended, withdrawn=False)
    batch_results = read_batch(ctx, batch, outcomes, batched=False)
    return replace(batch_results, facts=(sent, *batch_results.facts))


def record_undelivered(
    ctx: RunContext, session: LedgerSession, batch_results: BatchResults
) -> None:
    """Record answers that could not be published: they are paid for, their files in the backlog."""
    known = {fact.key() for fact in session.ledger.facts}
    if known.issuperset(fact.key() for fact in batch_results.facts):
        return  # They were published; something else has failed.
    for fact in batch_results.facts:
        if isinstance(fact, Collected):
            answers = (*batch_results.answers, *batch_results.about_findings)
            ids = (answer.request_key.id for answer in answers)
            failed = dict.fromkeys(ids, "undelivered") | fact.failed
            session.add(fact.model_copy(update={"failed": failed}))
        elif not isinstance(fact, Verified):
            session.add(fact)
    store.save(ctx, session)


def _collect_outcomes(ctx: RunContext, plan: Plan) -> dict[str, Outcome]:
    """Send the plan's requests and return the outcome of each by custom id.

    Raises AnthropicError: nothing was answered.
    """
    api, started = ctx.require_anthropic(), ctx.clock()
    error: AnthropicError | None = None
    outcomes: dict[str, Outcome] = {}
    requests = {r.request_key.id: partial(plan.request_file.params, r) for r in plan.requests}

    def should_continue() -> bool:
        return error is None and ctx.clock() - started < START_LIMIT

    with ctx.console.progress("Sending requests", len(requests)) as progress:
        for result in api.create_messages(requests, should_continue):
            if isinstance(result, AnthropicError):
                error = error or result
            elif result is not None:
                outcomes[result.custom_id] = result
            progress(len(outcomes), len(requests))
    if all(outcome.kind is OutcomeKind.UNANSWERED for outcome in outcomes.values()):
        reason = next((outcome.detail for outcome in outcomes.values()), "no time was left")
        raise error or TransientError(
            f"None of the {len(requests)} requests was answered ({reason}).",
            fix="Their files are in the backlog: the next run sends them again.",
        )
    if error is not None:
        ctx.warn(f"Some requests were not sent: {error}")
    return {
        custom_id: outcomes.get(custom_id)
        or Outcome(custom_id=custom_id, kind=OutcomeKind.UNANSWERED)
        for custom_id in requests
    }
