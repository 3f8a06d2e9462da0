"""Batches: pending, perhaps created, answered, and how often a question failed."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from batch_action.models.ledger import (
    BaseFact,
    Collected,
    Dismissed,
    Intended,
    Ledger,
    Recheck,
    Rejected,
    RequestKey,
    Selected,
    Sent,
    Withdrawn,
)

F = TypeVar("F", bound=BaseFact)

ADOPTION_SLACK = timedelta(minutes=5)
"""How long after a create's timeout its batch may still turn up in the list."""

FREE_OF_ATTEMPT = frozenset({"billing", "canceled", "closed", "unanswered", "undelivered"})
"""Failures that say nothing about the question: they count no attempt."""


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch that was sent and not yet collected."""

    sent: Sent
    intended: Intended
    withdrawn: bool

    @property
    def request_keys(self) -> tuple[RequestKey, ...]:
        """What was asked in this batch, in sending order."""
        return self.intended.batches[self.sent.index]


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent with batches whose creates were never answered."""

    intended: Intended
    indexes: tuple[int, ...]
    rejected: frozenset[str]
    """Candidates that turned out to be somebody else's."""


def facts_of(ledger: Ledger, kind: type[F]) -> Iterator[F]:
    """The facts of one kind."""
    return (fact for fact in ledger.facts if isinstance(fact, kind))


def sent_batches(ledger: Ledger) -> Iterator[tuple[Sent, Intended]]:
    """Each sent batch with its intent; a fact that points at nothing is passed over."""
    intents = {x.intent: x for x in facts_of(ledger, Intended)}
    for sent in facts_of(ledger, Sent):
        intended = intents.get(sent.intent)
        if intended is not None and sent.index < len(intended.batches):
            yield sent, intended


def pending(ledger: Ledger) -> tuple[PendingBatch, ...]:
    """Batches sent and not yet collected, oldest first."""
    done = {x.batch for x in facts_of(ledger, Collected)}
    withdrawn = {x.batch for x in facts_of(ledger, Withdrawn)}
    found = [
        PendingBatch(sent, intended, sent.batch in withdrawn)
        for sent, intended in sent_batches(ledger)
        if sent.batch not in done
    ]
    return tuple(sorted(found, key=lambda p: (p.sent.created_at, p.sent.batch)))


def open_intents(ledger: Ledger) -> tuple[OpenIntent, ...]:
    """Intents that may have batches we do not know of, oldest first."""
    sent: dict[str, set[int]] = {}
    for fact in facts_of(ledger, Sent):
        sent.setdefault(fact.intent, set()).add(fact.index)
    rejected: dict[str, set[str]] = {}
    closed = set()
    for no in facts_of(ledger, Rejected):
        if no.batch is None:
            closed.add(no.intent)
        else:
            rejected.setdefault(no.intent, set()).add(no.batch)
    found = []
    for intended in sorted(facts_of(ledger, Intended), key=lambda x: (x.at, x.intent)):
        missing = set(range(len(intended.batches))) - sent.get(intended.intent, set())
        if missing and intended.intent not in closed:
            others = frozenset(rejected.get(intended.intent, set()))
            found.append(OpenIntent(intended, tuple(sorted(missing)), others))
    return tuple(found)


def window(intended: Intended, timeout: timedelta) -> tuple[datetime, datetime]:
    """When a batch of this intent can have been created, by Anthropic's clock."""
    count = max(1, len(intended.batches))
    return intended.at, intended.at + timeout * count + ADOPTION_SLACK


def known_batches(ledger: Ledger) -> frozenset[str]:
    """Every batch id the ledger can place: never a candidate again."""
    return frozenset(x.batch for x in facts_of(ledger, Sent))


def outcomes(ledger: Ledger) -> Iterator[tuple[RequestKey, Intended, Sent, str | None]]:
    """Each collected question with its failure, None for a verdict."""
    collected = {x.batch: x for x in facts_of(ledger, Collected)}
    for sent, intended in sent_batches(ledger):
        fact = collected.get(sent.batch)
        if fact is not None:
            for request_key in intended.batches[sent.index]:
                yield request_key, intended, sent, fact.failed.get(request_key.id)


def answered(ledger: Ledger) -> frozenset[str]:
    """The custom ids that have a verdict: not asked again, unless a person wishes so."""
    again = {wish.path for wish in open_recheck_requests(ledger)}
    return frozenset(
        q.id for q, _, _, failure in outcomes(ledger) if failure is None and q.path not in again
    )


def verdicts(ledger: Ledger) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Path, blob and batches of each round of asking in which all parts of a file were answered."""
    rounds: dict[tuple[str, str, int], dict[int, set[str]]] = {}
    for q, _, sent, failure in outcomes(ledger):
        if failure is None:
            rounds.setdefault((q.path, q.blob, q.of), {}).setdefault(q.part, set()).add(sent.batch)
    for (path, blob, of), parts in rounds.items():
        if len(parts) >= of:
            yield path, blob, frozenset(chain.from_iterable(parts.values()))


def open_recheck_requests(ledger: Ledger) -> tuple[Recheck, ...]:
    """People's wishes for another look that no verdict has answered yet."""
    return tuple(w for w in facts_of(ledger, Recheck) if not _answers(ledger, w))


def answered_recheck_requests(ledger: Ledger, by: frozenset[str]) -> tuple[Recheck, ...]:
    """The wishes that these batches, and none before them, have answered."""
    found = ((wish, _answers(ledger, wish)) for wish in facts_of(ledger, Recheck))
    return tuple(wish for wish, answers in found if answers and answers <= by)


def _answers(ledger: Ledger, wish: Recheck) -> frozenset[str]:
    """The batches whose verdict on the file came after the wish."""
    later = (batches - set(wish.seen) for path, _, batches in verdicts(ledger) if path == wish.path)
    return frozenset(chain.from_iterable(later))


def asking(ledger: Ledger, path: str) -> tuple[str, ...]:
    """The batches that ask, or have asked, about a file."""
    return tuple(
        sorted(
            sent.batch
            for sent, intended in sent_batches(ledger)
            if any(request_key.path == path for request_key in intended.batches[sent.index])
        )
    )


def in_flight(ledger: Ledger) -> frozenset[str]:
    """The custom ids that are being answered, or may be."""
    sent = chain.from_iterable(p.request_keys for p in pending(ledger))
    maybe = (
        request_key
        for open_ in open_intents(ledger)
        for index in open_.indexes
        for request_key in open_.intended.batches[index]
    )
    return frozenset(request_key.id for request_key in chain(sent, maybe))


def attempts(ledger: Ledger) -> Counter[str]:
    """Failed attempts by custom id; billing and quota trouble counts none."""
    return Counter(
        q.id
        for q, _, _, failure in outcomes(ledger)
        if failure is not None and failure.split(":")[0] not in FREE_OF_ATTEMPT
    )


def failures(ledger: Ledger, kind: str) -> Counter[str]:
    """How often each question failed in this way, e.g. `truncated`."""
    return Counter(
        q.id for q, _, _, failure in outcomes(ledger) if failure and failure.split(":")[0] == kind
    )


def last_failure(ledger: Ledger) -> dict[str, str]:
    """The newest failure of each question that has no verdict."""
    found = sorted(outcomes(ledger), key=lambda x: (x[2].created_at, x[2].batch))
    done = answered(ledger)
    return {q.id: failure for q, _, _, failure in found if failure and q.id not in done}


@dataclass(frozen=True, slots=True)
class BacklogFile:
    """A file that still needs a verdict."""

    path: str
    blob: str
    old: str | None
    """The blob its change is counted from."""
    since: datetime
    """When it was first selected without having had a verdict since."""


def _file(request_key: RequestKey) -> tuple[str, str]:
    return request_key.path, request_key.blob


def settled_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """(path, blob) pairs all of whose parts have a verdict in one round of asking.

    Not those of which a person wishes another look.
    """
    again = {wish.path for wish in open_recheck_requests(ledger)}
    return frozenset((p, b) for p, b, _ in verdicts(ledger) if p not in again)


def withdrawn_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """(path, blob) pairs of batches that were canceled: not asked again by themselves."""
    gone = {x.batch for x in facts_of(ledger, Withdrawn)}
    return frozenset(
        _file(request_key)
        for sent, intended in sent_batches(ledger)
        if sent.batch in gone
        for request_key in intended.batches[sent.index]
    )


def _in_flight_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    ids = in_flight(ledger)
    return frozenset(
        _file(request_key)
        for intended in facts_of(ledger, Intended)
        for request_key in chain.from_iterable(intended.batches)
        if request_key.id in ids
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


def newest(ledger: Ledger, scope: str | None = None) -> dict[str, BacklogFile]:
    """For each path ever selected and still there: its newest blob, and what to compare with.

    The comparison starts from the last blob that had a verdict, so that a change that was owed
    for some nights is shown whole. *scope*: whose excluded paths count; None: everybody's.
    """
    settled = settled_files(ledger)
    found: dict[str, BacklogFile] = {}
    for fact in _selections(ledger):
        for path in _gone(fact, scope):
            found.pop(path, None)
        for entry in fact.files:
            before = found.get(entry.path)
            open_before = before is not None and (before.path, before.blob) not in settled
            first = before if before is not None and open_before else None
            old, since = (first.old, first.since) if first else (entry.old, fact.at)
            found[entry.path] = BacklogFile(entry.path, entry.blob, old, since)
    return found


def left_out(ledger: Ledger) -> frozenset[str]:
    """Paths whose newest mention says they are no longer reviewed: deleted or excluded."""
    found: set[str] = set()
    for fact in _selections(ledger):
        found = (found | set(_gone(fact, None))) - {entry.path for entry in fact.files}
    return frozenset(found)


def unsettled(ledger: Ledger, scope: str | None = None) -> dict[str, BacklogFile]:
    """What is selected and has no verdict, is not in flight and was not withdrawn, by path.

    Files that were given up are among them: with another model or prompt they are asked again, so
    the next submit looks at their questions once more.
    """
    done = settled_files(ledger) | _in_flight_files(ledger) | withdrawn_files(ledger)
    found = newest(ledger, scope).items()
    return {path: item for path, item in found if (path, item.blob) not in done}


def backlog(
    ledger: Ledger, *, max_attempts: int, scope: str | None = None
) -> dict[str, BacklogFile]:
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


@dataclass(frozen=True, slots=True)
class CacheWarmUp:
    """A request that was sent first, so that others can read what it leaves in the cache."""

    intended: Intended
    sent: Sent | None
    """None: the create was never answered, or not yet."""
    collected: Collected | None
    withdrawn: bool
    selected: frozenset[str]
    """The paths that were selected with it: those that have no answer wait for it."""

    @property
    def spoilt(self) -> bool:
        """Whether it came back without an answer, so that nobody knows what is in the cache."""
        return self.withdrawn or bool(self.collected and self.collected.failed)


def outstanding(ledger: Ledger) -> CacheWarmUp | None:
    """The newest warm-up, if nothing has been sent since."""
    sent = {intended.intent: fact for fact, intended in sent_batches(ledger)}
    maybe = {open_.intended.intent for open_ in open_intents(ledger)}
    asked = [x for x in facts_of(ledger, Intended) if x.intent in sent or x.intent in maybe]
    newest = max(asked, key=lambda x: (x.at, x.intent), default=None)
    if newest is None or newest.mode != "warm-up":
        return None
    fact = sent.get(newest.intent)
    batch = fact.batch if fact else None
    collected = (x for x in facts_of(ledger, Collected) if x.batch == batch)
    gone = (x for x in facts_of(ledger, Withdrawn) if x.batch == batch)
    chosen = (x for x in facts_of(ledger, Selected) if x.head == newest.head)
    paths = frozenset(file.path for x in chosen for file in x.files)
    return CacheWarmUp(newest, fact, next(collected, None), next(gone, None) is not None, paths)
