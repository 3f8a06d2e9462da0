"""Files: which are owed, settled or given up, and from where the next submit counts."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from batch_action.history.batches import (
    attempts,
    facts_of,
    in_flight,
    outcomes,
    sent_batches,
    verdicts,
    wishes,
)
from batch_action.models.ledger import Dismissed, Intended, Ledger, Question, Selected, Withdrawn


@dataclass(frozen=True, slots=True)
class Owed:
    """A file that still needs a verdict."""

    path: str
    blob: str
    old: str | None
    """The blob its change is counted from."""
    since: datetime
    """When it was first selected without having had a verdict since."""


def _file(question: Question) -> tuple[str, str]:
    return question.path, question.blob


def settled_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """(path, blob) pairs all of whose parts have a verdict in one round of asking.

    Not those of which a person wishes another look.
    """
    again = {wish.path for wish in wishes(ledger)}
    return frozenset((p, b) for p, b, _ in verdicts(ledger) if p not in again)


def withdrawn_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """(path, blob) pairs of batches that were canceled: not asked again by themselves."""
    gone = {x.batch for x in facts_of(ledger, Withdrawn)}
    return frozenset(
        _file(question)
        for sent, intended in sent_batches(ledger)
        if sent.batch in gone
        for question in intended.batches[sent.index]
    )


def _in_flight_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    ids = in_flight(ledger)
    return frozenset(
        _file(question)
        for intended in facts_of(ledger, Intended)
        for question in chain.from_iterable(intended.batches)
        if question.id in ids
    )


def given_up_files(ledger: Ledger, max_attempts: int) -> frozenset[tuple[str, str]]:
    """(path, blob) pairs with a question that failed as often as it may."""
    counts = attempts(ledger)
    return frozenset(
        _file(q)
        for q, _, _, failure in outcomes(ledger)
        if failure is not None and counts[q.id] >= max_attempts
    )


def _selections(ledger: Ledger) -> list[Selected]:
    return sorted(facts_of(ledger, Selected), key=lambda x: (x.at, x.head))


def _gone(fact: Selected, scope: str | None) -> tuple[str, ...]:
    """What this selection says is no longer reviewed; other patterns speak for themselves only."""
    return fact.gone + (fact.excluded if scope in (None, fact.scope) else ())


def newest(ledger: Ledger, scope: str | None = None) -> dict[str, Owed]:
    """For each path ever selected and still there: its newest blob, and what to compare with.

    The comparison starts from the last blob that had a verdict, so that a change that was owed
    for some nights is shown whole. *scope*: whose excluded paths count; None: everybody's.
    """
    settled = settled_files(ledger)
    found: dict[str, Owed] = {}
    for fact in _selections(ledger):
        for path in _gone(fact, scope):
            found.pop(path, None)
        for entry in fact.files:
            before = found.get(entry.path)
            open_before = before is not None and (before.path, before.blob) not in settled
            first = before if before is not None and open_before else None
            old, since = (first.old, first.since) if first else (entry.old, fact.at)
            found[entry.path] = Owed(entry.path, entry.blob, old, since)
    return found


def left_out(ledger: Ledger) -> frozenset[str]:
    """Paths whose newest mention says they are no longer reviewed: deleted or excluded."""
    found: set[str] = set()
    for fact in _selections(ledger):
        found = (found | set(_gone(fact, None))) - {entry.path for entry in fact.files}
    return frozenset(found)


def unsettled(ledger: Ledger, scope: str | None = None) -> dict[str, Owed]:
    """What is selected and has no verdict, is not in flight and was not withdrawn, by path.

    Files that were given up are among them: with another model or prompt they are asked again, so
    the next submit looks at their questions once more.
    """
    done = settled_files(ledger) | _in_flight_files(ledger) | withdrawn_files(ledger)
    found = newest(ledger, scope).items()
    return {path: item for path, item in found if (path, item.blob) not in done}


def owed(ledger: Ledger, *, max_attempts: int, scope: str | None = None) -> dict[str, Owed]:
    """What goes out with the next submit, by path: unsettled, and not given up."""
    given_up = given_up_files(ledger, max_attempts)
    waiting = unsettled(ledger, scope).items()
    return {path: item for path, item in waiting if (path, item.blob) not in given_up}


def heads(ledger: Ledger, scope: str | None = None) -> tuple[str, ...]:
    """Recorded heads, newest first: the base is the nearest of them that is an ancestor.

    Those that were looked at with the same patterns, if there are any, else all: a run narrowed by
    hand must not hide from the next one what lay outside.
    """
    found = [fact for fact in reversed(_selections(ledger)) if not fact.partial]
    same = [fact for fact in found if scope in (None, fact.scope)]
    return tuple(dict.fromkeys(fact.head for fact in same or found))


def dismissed(ledger: Ledger) -> frozenset[str]:
    """Fingerprints of findings that a person dismissed for good."""
    return frozenset(x.fingerprint for x in facts_of(ledger, Dismissed))
