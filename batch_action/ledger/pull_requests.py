"""Queries on the ledger of pull requests: the facts of each pull request."""

from collections.abc import Callable

from batch_action.ledger.view import facts_of, open_intents, pending_batches
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
"""The failure of a request whose pull request was closed before its answer was published."""


def ledger_of(ledger: Ledger, number: int) -> Ledger:
    """Return the facts of one pull request as a ledger.

    The same content of a file is requested again in each pull request, since other people read the
    answer. Only the newest selection counts: files that a pull request no longer changes are not
    reviewed there. Dismissals hold in all pull requests.
    """
    intents = {x.intent for x in facts_of(ledger, Intended) if x.pull_request == number}
    batches = {x.batch for x in facts_of(ledger, Sent) if x.intent in intents}
    newest = max(_selections(ledger, number), key=lambda x: (x.at, x.head), default=None)

    def belongs(fact: Fact) -> bool:
        match fact:
            case Selected():
                return fact == newest
            case Intended() | Closed():
                return fact.pull_request == number
            case Sent() | Rejected():
                return fact.intent in intents
            case Collected() | Withdrawn():
                return fact.batch in batches
            case Recheck():
                return f"/pull/{number}#" in fact.source
            case Dismissed():
                return True

    return _filter_facts(ledger, belongs)


def remove_intents(ledger: Ledger, intents: frozenset[str]) -> Ledger:
    """Return the ledger without these intents and their batches."""

    def remains(fact: Fact) -> bool:
        return not (isinstance(fact, Intended | Sent | Rejected) and fact.intent in intents)

    return _filter_facts(ledger, remains)


def unfinished_pull_requests(ledger: Ledger) -> tuple[int, ...]:
    """Return the pull requests that are open or have batches that were not collected."""
    intended = (x.pull_request for x in facts_of(ledger, Intended) if x.pull_request)
    numbers = {*intended, *(x.pull_request for x in facts_of(ledger, Selected) if x.pull_request)}
    return tuple(n for n in sorted(numbers) if _is_unfinished(ledger, n))


def is_closed(ledger: Ledger, number: int) -> bool:
    """Return whether it was closed, and not reviewed again since."""
    closed = [x.at for x in facts_of(ledger, Closed) if x.pull_request == number]
    return bool(closed) and not any(x.at > max(closed) for x in _selections(ledger, number))


def _is_unfinished(ledger: Ledger, number: int) -> bool:
    own = ledger_of(ledger, number)
    return not is_closed(ledger, number) or bool(pending_batches(own) or open_intents(own))


def _selections(ledger: Ledger, number: int) -> list[Selected]:
    return [x for x in facts_of(ledger, Selected) if x.pull_request == number]


def _filter_facts(ledger: Ledger, predicate: Callable[[Fact], bool]) -> Ledger:
    return ledger.model_copy(update={"facts": tuple(x for x in ledger.facts if predicate(x))})
