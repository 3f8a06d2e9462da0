"""Open intents find their batches: a lost answer is looked for, and nothing unconfirmed adopted."""

from batch_action.context import RunContext
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import OpenIntent
from batch_action.models.ledger import Rejected, Sent
from batch_action.models.requests import ASK_WINDOW, CREATE_TIMEOUT, BatchState


def settle(ctx: RunContext, session: LedgerSession) -> None:
    """Confirm, reject or keep waiting, for every intent whose creates were not all answered.

    A candidate has the same number of requests, was created in the intent's window by Anthropic's
    own clock, and is unknown to the ledger. Only its first result line, once it has ended, proves
    whose it is. When the window has passed and no candidate is left, the intent is closed and its
    questions are owed again.
    """
    for open_ in view.open_intents(session.ledger):
        if open_.intended.mode == "interactive":
            _settle_interactive(ctx, session, open_)
        else:
            _settle(ctx, session, open_)


def _settle_interactive(ctx: RunContext, session: LedgerSession, open_: OpenIntent) -> None:
    """What was asked at once leaves nothing behind that could be looked for."""
    intended = open_.intended
    now = ctx.require_anthropic().model(intended.model)[1]
    if now > intended.at + ASK_WINDOW:
        count = sum(len(batch) for batch in intended.batches)
        session.add(Rejected(intent=intended.intent, batch=None))
        ctx.warn(
            f"A run died while it asked {count} requests at once: their files are owed again, and "
            "what it had asked is perhaps paid for twice."
        )


def _settle(ctx: RunContext, session: LedgerSession, open_: OpenIntent) -> None:
    api = ctx.require_anthropic()
    intended = open_.intended
    start, end = view.window(intended, CREATE_TIMEOUT)
    missing = set(open_.indexes)
    waiting = False
    for candidate in reversed(api.created_between(start, end)):
        if candidate.id in view.known_batches(session.ledger) | open_.rejected:
            continue
        indexes = [i for i in sorted(missing) if len(intended.batches[i]) == candidate.total]
        if not indexes:
            continue
        if candidate.status != "ended":
            waiting = True
            continue
        first = api.first_id(candidate.id)
        if first is None:
            # No line at all says nothing about whose it is.
            waiting = True
            continue
        index = _owner(first, open_, indexes)
        if index is None:
            session.add(Rejected(intent=intended.intent, batch=candidate.id))
        else:
            missing.discard(index)
            session.add(_confirmed(open_, index, candidate))
            ctx.warn(f"Batch {candidate.id}, whose create was never answered, is ours.")
    # By Anthropic's clock, as the window is: a runner's may be hours ahead.
    if missing and not waiting and api.model(intended.model)[1] > end:
        session.add(Rejected(intent=intended.intent, batch=None))
        ctx.warn("A create whose answer was lost made no batch: its files are owed again.")


def _owner(first: str, open_: OpenIntent, indexes: list[int]) -> int | None:
    """Which of the intent's batches holds this custom id; None: it is somebody else's."""
    for index in indexes:
        if any(request_key.id == first for request_key in open_.intended.batches[index]):
            return index
    return None


def _confirmed(open_: OpenIntent, index: int, state: BatchState) -> Sent:
    return Sent(
        intent=open_.intended.intent,
        index=index,
        batch=state.id,
        created_at=state.created_at,
        expires_at=state.expires_at,
    )
