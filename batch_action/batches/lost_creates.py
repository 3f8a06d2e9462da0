"""Open intents find their batches: a lost answer is looked for, and nothing unconfirmed adopted."""

from batch_action.context import World
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.ledger.view import Open
from batch_action.models.ledger import Rejected, Sent
from batch_action.models.requests import ASK_WINDOW, CREATE_TIMEOUT, BatchState


def settle(world: World, memory: Memory) -> None:
    """Confirm, reject or keep waiting, for every intent whose creates were not all answered.

    A candidate has the same number of requests, was created in the intent's window by Anthropic's
    own clock, and is unknown to the ledger. Only its first result line, once it has ended, proves
    whose it is. When the window has passed and no candidate is left, the intent is closed and its
    questions are owed again.
    """
    for open_ in view.open_intents(memory.ledger):
        if open_.intended.way == "interactive":
            _settle_interactive(world, memory, open_)
        else:
            _settle(world, memory, open_)


def _settle_interactive(world: World, memory: Memory, open_: Open) -> None:
    """What was asked at once leaves nothing behind that could be looked for."""
    intended = open_.intended
    now = world.need_anthropic().model(intended.model)[1]
    if now > intended.at + ASK_WINDOW:
        count = sum(len(batch) for batch in intended.batches)
        memory.add(Rejected(intent=intended.intent, batch=None))
        world.warn(
            f"A run died while it asked {count} requests at once: their files are owed again, and "
            "what it had asked is perhaps paid for twice."
        )


def _settle(world: World, memory: Memory, open_: Open) -> None:
    api = world.need_anthropic()
    intended = open_.intended
    start, end = view.window(intended, CREATE_TIMEOUT)
    missing = set(open_.indexes)
    waiting = False
    for candidate in reversed(api.created_between(start, end)):
        if candidate.id in view.known_batches(memory.ledger) | open_.rejected:
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
            memory.add(Rejected(intent=intended.intent, batch=candidate.id))
        else:
            missing.discard(index)
            memory.add(_confirmed(open_, index, candidate))
            world.warn(f"Batch {candidate.id}, whose create was never answered, is ours.")
    # By Anthropic's clock, as the window is: a runner's may be hours ahead.
    if missing and not waiting and api.model(intended.model)[1] > end:
        memory.add(Rejected(intent=intended.intent, batch=None))
        world.warn("A create whose answer was lost made no batch: its files are owed again.")


def _owner(first: str, open_: Open, indexes: list[int]) -> int | None:
    """Which of the intent's batches holds this custom id; None: it is somebody else's."""
    for index in indexes:
        if any(question.id == first for question in open_.intended.batches[index]):
            return index
    return None


def _confirmed(open_: Open, index: int, state: BatchState) -> Sent:
    return Sent(
        intent=open_.intended.intent,
        index=index,
        batch=state.id,
        created_at=state.created_at,
        expires_at=state.expires_at,
    )
