"""Queries on the ledger of pull requests: the facts of each pull request."""

from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import (
    Closed,
    Collected,
    Dismissed,
    Fact,
    Intended,
    Recheck,
    Rejected,
    Selected,
    Sent,
    Withdrawn,
)

CLOSED = "closed"
"""The failure of a request whose pull request was closed before its answer was published."""


def view_of(view: LedgerView, number: int) -> LedgerView:
    """Return the facts of one pull request as if it had a ledger of its own.

    The same content of a file is requested again in each pull request, since other people read the
    answer. Only the newest selection counts: files that a pull request no longer changes are not
    reviewed there. Dismissals hold in all pull requests.
    """
    intents = {x.intent for x in view.facts(Intended) if x.pull_request == number}
    batches = {x.batch for x in view.facts(Sent) if x.intent in intents}
    newest = max(_selections(view, number), key=lambda x: (x.at, x.head), default=None)

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

    return LedgerView(view.ledger.keep(belongs))


def remove_intents(view: LedgerView, intents: frozenset[str]) -> LedgerView:
    """Return the ledger without these intents and their batches."""

    def remains(fact: Fact) -> bool:
        return not (isinstance(fact, Intended | Sent | Rejected) and fact.intent in intents)

    return LedgerView(view.ledger.keep(remains)) if intents else view


def unfinished_pull_requests(view: LedgerView) -> tuple[int, ...]:
    """Return the pull requests that are open or have batches that were not collected."""
    intended = (x.pull_request for x in view.facts(Intended) if x.pull_request)
    numbers = {*intended, *(x.pull_request for x in view.facts(Selected) if x.pull_request)}
    return tuple(n for n in sorted(numbers) if _is_unfinished(view, n))


def is_closed(view: LedgerView, number: int) -> bool:
    """Return whether it was closed, and not reviewed again since."""
    closed = [x.at for x in view.facts(Closed) if x.pull_request == number]
    return bool(closed) and not any(x.at > max(closed) for x in _selections(view, number))


def _is_unfinished(view: LedgerView, number: int) -> bool:
    own = view_of(view, number)
    return not is_closed(view, number) or bool(own.pending_batches or own.open_intents)


def _selections(view: LedgerView, number: int) -> list[Selected]:
    return [x for x in view.facts(Selected) if x.pull_request == number]
