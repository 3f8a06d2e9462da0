"""Merge ledgers: the union of their facts."""

from itertools import chain

from batch_action.models.ledger import Fact, Ledger


def canonical_json(fact: Fact) -> str:
    """Return one line of JSON that is equal exactly when the facts are."""
    return fact.model_dump_json()


def merge(*ledgers: Ledger) -> tuple[Ledger, list[str]]:
    """Return the union of all facts, and a warning for every key with two values.

    Commutative, associative and idempotent: of two unequal facts with one key the one with the
    smaller canonical JSON stays, whatever the order. Raises ValueError: the ledgers are of
    different tasks or repositories.
    """
    first = ledgers[0]
    if any((x.repository, x.task) != (first.repository, first.task) for x in ledgers):
        raise ValueError("ledgers of different tasks or repositories cannot be merged")
    facts: dict[tuple[str, ...], Fact] = {}
    warnings = []
    for fact in chain.from_iterable(x.facts for x in ledgers):
        known = facts.setdefault(fact.key(), fact)
        if known != fact:
            warnings.append(f"two unequal facts for {' '.join(fact.key())}")
            facts[fact.key()] = min(known, fact, key=canonical_json)
    written = [x.written_at for x in ledgers if x.written_at]
    merged = first.model_copy(
        update={
            "facts": tuple(facts[key] for key in sorted(facts)),
            "merged_artifacts": tuple(sorted({i for x in ledgers for i in x.merged_artifacts})),
            "written_at": max(written, default=None),
        }
    )
    return merged, sorted(set(warnings))


def add(ledger: Ledger, *facts: Fact) -> Ledger:
    """Return the ledger with these facts added."""
    return merge(ledger, ledger.model_copy(update={"facts": facts}))[0]
