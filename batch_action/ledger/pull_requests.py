"""The ledger of pull requests: each one's own facts, as if it had a ledger to itself."""

from collections.abc import Callable

from batch_action.ledger.view import facts_of, open_intents, pending
from batch_action.models.ledger import (
    Closed,
    Collected,
    Dismissed,
    Fact,
    Intended,
    Ledger,
    Recheck,
    Rejected,
    Selected,
    Sent,
    Withdrawn,
)

CLOSED = "closed"
"""The failure of a question whose pull request ended before its answer could be told."""


def of(ledger: Ledger, number: int) -> Ledger:
    """What the ledger knows of one pull request.

    The same file at the same content is a question of its own in each pull request: it is told to
    other people. Of the selections only the newest counts: what a pull request no longer changes
    is nobody's business there. What people dismissed is dismissed in all of them.
    """
    intents = {x.intent for x in facts_of(ledger, Intended) if x.pull == number}
    batches = {x.batch for x in facts_of(ledger, Sent) if x.intent in intents}
    newest = max(_selections(ledger, number), key=lambda x: (x.at, x.head), default=None)

    def ours(fact: Fact) -> bool:
        match fact:
            case Selected():
                return fact == newest
            case Intended() | Closed():
                return fact.pull == number
            case Sent() | Rejected():
                return fact.intent in intents
            case Collected() | Withdrawn():
                return fact.batch in batches
            case Recheck():
                return f"/pull/{number}#" in fact.where
            case Dismissed():
                return True

    return _only(ledger, ours)


def without(ledger: Ledger, intents: frozenset[str]) -> Ledger:
    """The ledger without what came of these intents."""

    def kept(fact: Fact) -> bool:
        return not (isinstance(fact, Intended | Sent | Rejected) and fact.intent in intents)

    return _only(ledger, kept)


def to_look_at(ledger: Ledger) -> tuple[int, ...]:
    """The pull requests that have not ended, or with batches that were not collected."""
    intended = (x.pull for x in facts_of(ledger, Intended) if x.pull)
    numbers = {*intended, *(x.pull for x in facts_of(ledger, Selected) if x.pull)}
    return tuple(n for n in sorted(numbers) if _unfinished(ledger, n))


def is_closed(ledger: Ledger, number: int) -> bool:
    """Whether it ended, and was not looked at again since."""
    ends = [x.at for x in facts_of(ledger, Closed) if x.pull == number]
    return bool(ends) and not any(x.at > max(ends) for x in _selections(ledger, number))


def _unfinished(ledger: Ledger, number: int) -> bool:
    view = of(ledger, number)
    return not is_closed(ledger, number) or bool(pending(view) or open_intents(view))


def _selections(ledger: Ledger, number: int) -> list[Selected]:
    return [x for x in facts_of(ledger, Selected) if x.pull == number]


def _only(ledger: Ledger, wanted: Callable[[Fact], bool]) -> Ledger:
    return ledger.model_copy(update={"facts": tuple(x for x in ledger.facts if wanted(x))})
