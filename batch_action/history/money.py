"""Money: what was spent in a period, and what is committed."""

from collections.abc import Iterable
from datetime import datetime

from batch_action.history.batches import facts_of, open_intents, pending
from batch_action.models.ledger import Collected, Intended, Ledger


def spend(ledger: Ledger, since: datetime) -> float | None:
    """US dollars collected since then; None when a batch of it had no known price."""
    costs = [x.cost_usd for x in facts_of(ledger, Collected) if since <= x.at]
    return None if any(c is None for c in costs) else sum(c for c in costs if c is not None)


def known_spend(ledger: Ledger, since: datetime) -> float:
    """US dollars collected since then, as far as prices are known."""
    return sum(x.cost_usd or 0.0 for x in facts_of(ledger, Collected) if since <= x.at)


def committed(ledger: Ledger) -> float:
    """The worst case of what is in flight, in US dollars; unpriced batches count nothing."""
    by_intent: dict[str, list[int]] = {}
    for p in pending(ledger):
        by_intent.setdefault(p.sent.intent, []).append(p.sent.index)
    for open_ in open_intents(ledger):
        by_intent.setdefault(open_.intended.intent, []).extend(open_.indexes)
    intents = {x.intent: x for x in facts_of(ledger, Intended)}
    return sum(_share(intents[intent], set(ix)) for intent, ix in by_intent.items())


def _share(intended: Intended, indexes: Iterable[int]) -> float:
    total = sum(len(batch) for batch in intended.batches)
    part = sum(len(intended.batches[index]) for index in indexes)
    return (intended.worst_case_usd or 0.0) * part / total if total else 0.0
