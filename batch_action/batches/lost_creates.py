"""Resolve open intents: find the batches of creates whose response was lost.

A batch is adopted only after its custom ids have confirmed that it is ours.
"""

from batch_action.batches.submit import sent_fact
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import OpenIntent, create_window
from batch_action.models.ledger import Rejected
from batch_action.models.requests import CREATE_TIMEOUT, SYNCHRONOUS_WINDOW


def resolve_open_intents(ctx: RunContext, session: LedgerSession) -> None:
    """Confirm, reject or leave open each intent whose creates were not all answered.

    A candidate has the same number of requests, was created in the intent's window by Anthropic's
    clock, and is unknown to the ledger. Only the first line of its results, once it has ended,
    proves whose it is. When the window has passed and no candidate is left, the intent is closed
    and its requests are back in the backlog.
    """
    for intent in session.view.open_intents:
        if intent.intended.mode == "interactive":
            _resolve_interactive(ctx, session, intent)
        else:
            _resolve(ctx, session, intent)


def _resolve_interactive(ctx: RunContext, session: LedgerSession, intent: OpenIntent) -> None:
    """Close an intent of the Messages API: its requests leave nothing that could be found."""
    intended = intent.intended
    now = ctx.require_anthropic().model(intended.model)[1]
    if now > intended.at + SYNCHRONOUS_WINDOW:
        count = sum(len(batch) for batch in intended.batches)
        session.add(Rejected(intent=intended.intent, batch=None))
        ctx.warn(
            f"A run was interrupted while it sent {count} requests at full price: their files are "
            "back in the backlog, and what it had sent may be paid for twice."
        )


def _resolve(ctx: RunContext, session: LedgerSession, intent: OpenIntent) -> None:
    api = ctx.require_anthropic()
    intended = intent.intended
    start, end = create_window(intended, CREATE_TIMEOUT)
    missing = set(intent.indexes)
    waiting = False
    for candidate in reversed(api.created_between(start, end)):
        if candidate.id in session.view.known_batch_ids | intent.rejected:
            continue
        indexes = [i for i in sorted(missing) if len(intended.batches[i]) == candidate.total]
        if not indexes:
            continue
        if candidate.status != "ended":
            waiting = True
            continue
        try:
            first = next(api.result_ids(candidate), None)
        except AnthropicError as error:
            ctx.warn(f"Whether batch {candidate.id} is ours is decided later: {error}")
            first = None
        if first is None:
            # Without any line nothing proves whose it is.
            waiting = True
            continue
        index = _index_of_id(first, intent, indexes)
        if index is None:
            session.add(Rejected(intent=intended.intent, batch=candidate.id))
        else:
            missing.discard(index)
            session.add(sent_fact(intended, index, candidate))
            ctx.warn(f"Batch {candidate.id} was created, but the response was lost: found again.")
    # By Anthropic's clock, as the window is: the runner's may be hours ahead.
    if missing and not waiting and api.model(intended.model)[1] > end:
        session.add(Rejected(intent=intended.intent, batch=None))
        ctx.warn(
            "A create whose response was lost made no batch: its files are back in the backlog."
        )


def _index_of_id(custom_id: str, intent: OpenIntent, indexes: list[int]) -> int | None:
    """Return which of the intent's batches has this custom id; None when none has."""
    for index in indexes:
        if any(key.id == custom_id for key in intent.intended.batches[index]):
            return index
    return None
