"""A small workload asked at once, through the Messages API: at full price, and without a net.

The questions are claimed like those of a batch, so that no two runs ask them. But the answers come
only once: what a run that dies has paid for is lost, and its files are owed again.
"""

from batch_action.batches import results, submit
from batch_action.batches.results import BatchResults
from batch_action.batches.submit import ModelCheck
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, Interrupted, TransientError
from batch_action.ledger import store as sessions
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import PendingBatch
from batch_action.models.ledger import Collected, Rejected, Selected, Sent
from batch_action.models.requests import ASK_TIMEOUT, Outcome, OutcomeKind, Plan, Request

PREFIX = "interactive-"
"""No id of Anthropic's begins so: nobody asks for such a batch."""
STARTS = 2 * ASK_TIMEOUT
"""How long another question is begun: with its retries it then still ends within `ASK_WINDOW`."""


def ask(
    ctx: RunContext, session: LedgerSession, plan: Plan, chosen: Selected, ready: ModelCheck
) -> BatchResults | None:
    """The answers, not yet delivered and not in the ledger; None when another run asks the same.

    Raises AnthropicError when there is no answer at all: then everything is owed again.
    """
    intended = submit.claim(ctx, session, plan, chosen, ready)
    if intended is None:
        return None
    try:
        outcomes = _outcomes(ctx, plan.requests)
    except (AnthropicError, Interrupted):
        session.add(Rejected(intent=intended.intent, batch=None))
        sessions.save(ctx, session)
        raise
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=f"{PREFIX}{intended.intent}",
        created_at=intended.at,
        expires_at=intended.at,
    )
    found = results.read_batch(
        ctx, PendingBatch(sent, intended, withdrawn=False), outcomes, batched=False
    )
    return results.BatchResults(
        ended=found.ended,
        answers=found.answers,
        facts=(sent, *found.facts),
        usages=found.usages,
        batched=False,
    )


def is_batch(name: str) -> bool:
    """Whether it names a batch at Anthropic."""
    return not name.startswith(PREFIX)


def lose(ctx: RunContext, session: LedgerSession, found: BatchResults) -> None:
    """Account for answers that could not be delivered: paid for, and their files are owed."""
    known = {fact.key() for fact in session.ledger.facts}
    if known.issuperset(fact.key() for fact in found.facts):
        return  # They were delivered; it was something else that failed.
    for fact in found.facts:
        if isinstance(fact, Collected):
            ids = (answer.request_key.id for answer in found.answers)
            failed = dict.fromkeys(ids, "undelivered") | fact.failed
            session.add(fact.model_copy(update={"failed": failed}))
        else:
            session.add(fact)
    sessions.save(ctx, session)


def _outcomes(ctx: RunContext, requests: tuple[Request, ...]) -> dict[str, Outcome]:
    """What came back for each request; raises the problem when nothing did."""
    api, begun = ctx.require_anthropic(), ctx.clock()
    problem: AnthropicError | None = None
    found: dict[str, Outcome] = {}

    def go_on() -> bool:
        return problem is None and ctx.clock() - begun < STARTS

    with ctx.console.progress("Asking at once", len(requests)) as tick:
        for result in api.answers(requests, go_on):
            if isinstance(result, AnthropicError):
                problem = problem or result
            elif result is not None:
                found[result.custom_id] = result
            tick(len(found), len(requests))
    answered = [o for o in found.values() if o.kind is not OutcomeKind.UNANSWERED]
    if not answered:
        why = next((o.detail for o in found.values()), "no time was left")
        raise problem or TransientError(
            f"None of the {len(requests)} requests was answered ({why}).",
            fix="Their files are owed: the next run asks again.",
        )
    if problem is not None:
        ctx.warn(f"Some requests were not asked: {problem}")
    names = (request.request_key.id for request in requests)
    return {name: found.get(name) or _unanswered(name) for name in names}


def _unanswered(name: str) -> Outcome:
    return Outcome(custom_id=name, kind=OutcomeKind.UNANSWERED)
