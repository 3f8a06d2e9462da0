"""Queries on a ledger: batches, requests, files, backlog, spend and the cache warm-up."""

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
"""How long after a create's timeout its batch may still appear in the list."""

UNCOUNTED_FAILURES = frozenset({"billing", "canceled", "closed", "unanswered", "undelivered"})
"""Failures that are not the request's own: they do not count as an attempt."""


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch that was sent and not yet collected."""

    sent: Sent
    intended: Intended
    withdrawn: bool

    @property
    def request_keys(self) -> tuple[RequestKey, ...]:
        """The requests of this batch, in the order in which they were sent."""
        return self.intended.batches[self.sent.index]


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent with creates whose response was lost."""

    intended: Intended
    indexes: tuple[int, ...]
    rejected: frozenset[str]
    """Candidate batches that turned out to be another submit's."""


def facts_of(ledger: Ledger, kind: type[F]) -> Iterator[F]:
    """Yield the facts of one kind."""
    return (fact for fact in ledger.facts if isinstance(fact, kind))


def sent_batches(ledger: Ledger) -> Iterator[tuple[Sent, Intended]]:
    """Yield each sent batch with its intent; skip facts without one."""
    intents = {x.intent: x for x in facts_of(ledger, Intended)}
    for sent in facts_of(ledger, Sent):
        intended = intents.get(sent.intent)
        if intended is not None and sent.index < len(intended.batches):
            yield sent, intended


def pending_batches(ledger: Ledger) -> tuple[PendingBatch, ...]:
    """Return the batches that were sent and not yet collected, oldest first."""
    collected = {x.batch for x in facts_of(ledger, Collected)}
    withdrawn = {x.batch for x in facts_of(ledger, Withdrawn)}
    batches = [
        PendingBatch(sent, intended, sent.batch in withdrawn)
        for sent, intended in sent_batches(ledger)
        if sent.batch not in collected
    ]
    return tuple(sorted(batches, key=lambda p: (p.sent.created_at, p.sent.batch)))


def open_intents(ledger: Ledger) -> tuple[OpenIntent, ...]:
    """Return the intents that may have batches unknown to the ledger, oldest first."""
    sent: dict[str, set[int]] = {}
    for fact in facts_of(ledger, Sent):
        sent.setdefault(fact.intent, set()).add(fact.index)
    rejected: dict[str, set[str]] = {}
    closed = set()
    for rejection in facts_of(ledger, Rejected):
        if rejection.batch is None:
            closed.add(rejection.intent)
        else:
            rejected.setdefault(rejection.intent, set()).add(rejection.batch)
    intents = []
    for intended in sorted(facts_of(ledger, Intended), key=lambda x: (x.at, x.intent)):
        missing = set(range(len(intended.batches))) - sent.get(intended.intent, set())
        if missing and intended.intent not in closed:
            candidates = frozenset(rejected.get(intended.intent, set()))
            intents.append(OpenIntent(intended, tuple(sorted(missing)), candidates))
    return tuple(intents)


def create_window(intended: Intended, timeout: timedelta) -> tuple[datetime, datetime]:
    """Return when a batch of this intent can have been created, by Anthropic's clock."""
    count = max(1, len(intended.batches))
    return intended.at, intended.at + timeout * count + ADOPTION_SLACK


def known_batch_ids(ledger: Ledger) -> frozenset[str]:
    """Return the ids of all sent batches: they are no candidates for a lost create."""
    return frozenset(x.batch for x in facts_of(ledger, Sent))


def request_outcomes(ledger: Ledger) -> Iterator[tuple[RequestKey, Intended, Sent, str | None]]:
    """Yield each collected request with its failure, None for a verdict."""
    collected = {x.batch: x for x in facts_of(ledger, Collected)}
    for sent, intended in sent_batches(ledger):
        fact = collected.get(sent.batch)
        if fact is not None:
            for key in intended.batches[sent.index]:
                yield key, intended, sent, fact.failed.get(key.id)


def answered_ids(ledger: Ledger) -> frozenset[str]:
    """Return the custom ids with a verdict: not sent again without a recheck request."""
    rechecked = {recheck.path for recheck in open_recheck_requests(ledger)}
    return frozenset(
        key.id
        for key, _, _, failure in request_outcomes(ledger)
        if failure is None and key.path not in rechecked
    )


def verdicts(ledger: Ledger) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield path, blob and batches of each file all of whose parts were answered."""
    rounds: dict[tuple[str, str, int], dict[int, set[str]]] = {}
    for key, _, sent, failure in request_outcomes(ledger):
        if failure is None:
            rounds.setdefault((key.path, key.blob, key.parts), {}).setdefault(key.part, set()).add(
                sent.batch
            )
    for (path, blob, of), parts in rounds.items():
        if len(parts) >= of:
            yield path, blob, frozenset(chain.from_iterable(parts.values()))


def open_recheck_requests(ledger: Ledger) -> tuple[Recheck, ...]:
    """Return the recheck requests that no later verdict has answered."""
    return tuple(
        recheck for recheck in facts_of(ledger, Recheck) if not _answering_batches(ledger, recheck)
    )


def answered_recheck_requests(ledger: Ledger, by: frozenset[str]) -> tuple[Recheck, ...]:
    """Return the recheck requests that these batches, and none before them, have answered."""
    answered = (
        (recheck, _answering_batches(ledger, recheck)) for recheck in facts_of(ledger, Recheck)
    )
    return tuple(recheck for recheck, batches in answered if batches and batches <= by)


def _answering_batches(ledger: Ledger, recheck: Recheck) -> frozenset[str]:
    """Return the batches with a verdict on the file that are later than the recheck request."""
    later = (
        batches - set(recheck.batches_before)
        for path, _, batches in verdicts(ledger)
        if path == recheck.path
    )
    return frozenset(chain.from_iterable(later))


def batches_of_path(ledger: Ledger, path: str) -> tuple[str, ...]:
    """Return the ids of all batches with a request about a file, sorted."""
    return tuple(
        sorted(
            sent.batch
            for sent, intended in sent_batches(ledger)
            if any(key.path == path for key in intended.batches[sent.index])
        )
    )


def in_flight_ids(ledger: Ledger) -> frozenset[str]:
    """Return the custom ids that are in flight, or may be (an open intent)."""
    sent = chain.from_iterable(p.request_keys for p in pending_batches(ledger))
    maybe = (
        key
        for intent in open_intents(ledger)
        for index in intent.indexes
        for key in intent.intended.batches[index]
    )
    return frozenset(key.id for key in chain(sent, maybe))


def count_attempts(ledger: Ledger) -> Counter[str]:
    """Count failed attempts by custom id, without `UNCOUNTED_FAILURES`."""
    return Counter(
        key.id
        for key, _, _, failure in request_outcomes(ledger)
        if failure is not None and failure.split(":")[0] not in UNCOUNTED_FAILURES
    )


def count_failures(ledger: Ledger, kind: str) -> Counter[str]:
    """Count the failures of one kind, e.g. `truncated`, by custom id."""
    return Counter(
        key.id
        for key, _, _, failure in request_outcomes(ledger)
        if failure and failure.split(":")[0] == kind
    )


def last_failures(ledger: Ledger) -> dict[str, str]:
    """Return the newest failure of each request without a verdict, by custom id."""
    outcomes = sorted(request_outcomes(ledger), key=lambda x: (x[2].created_at, x[2].batch))
    answered = answered_ids(ledger)
    return {
        key.id: failure for key, _, _, failure in outcomes if failure and key.id not in answered
    }


@dataclass(frozen=True, slots=True)
class BacklogFile:
    """A file that still needs a verdict."""

    path: str
    blob: str
    old_blob: str | None
    """The blob to compare with."""
    since: datetime
    """When it was first selected since its last verdict."""


def _file_of(key: RequestKey) -> tuple[str, str]:
    return key.path, key.blob


def reviewed_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """Return the (path, blob) pairs all of whose parts have a verdict.

    Files with an open recheck request are not among them.
    """
    rechecked = {recheck.path for recheck in open_recheck_requests(ledger)}
    return frozenset((p, b) for p, b, _ in verdicts(ledger) if p not in rechecked)


def withdrawn_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """Return the (path, blob) pairs of canceled batches: they are not sent again on their own."""
    withdrawn = {x.batch for x in facts_of(ledger, Withdrawn)}
    return frozenset(
        _file_of(key)
        for sent, intended in sent_batches(ledger)
        if sent.batch in withdrawn
        for key in intended.batches[sent.index]
    )


def in_flight_files(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """Return the (path, blob) pairs with a request that is in flight, or may be."""
    ids = in_flight_ids(ledger)
    return frozenset(
        _file_of(key)
        for intended in facts_of(ledger, Intended)
        for key in chain.from_iterable(intended.batches)
        if key.id in ids
    )


def given_up_files(ledger: Ledger, max_attempts: int) -> frozenset[tuple[str, str]]:
    """Return the (path, blob) pairs with a request that failed `max-attempts` times."""
    counts = count_attempts(ledger)
    return frozenset(
        _file_of(key)
        for key, _, _, failure in request_outcomes(ledger)
        if failure is not None and counts[key.id] >= max_attempts
    )


def _selections(ledger: Ledger) -> list[Selected]:
    return sorted(facts_of(ledger, Selected), key=lambda x: (x.at, x.head))


def _removed_paths(fact: Selected, scope: str | None) -> tuple[str, ...]:
    """Return the paths that a selection drops; its excluded ones only within its own scope."""
    return fact.removed + (fact.excluded if scope in (None, fact.scope) else ())


def newest_files(ledger: Ledger, scope: str | None = None) -> dict[str, BacklogFile]:
    """Return the newest blob, and the blob to compare with, of each path that still exists.

    The comparison starts from the last blob that had a verdict, so that a change that was in the
    backlog for several runs is reviewed as a whole. *scope*: the digest of the patterns whose
    excluded paths count; None counts all.
    """
    reviewed = reviewed_files(ledger)
    newest: dict[str, BacklogFile] = {}
    for fact in _selections(ledger):
        for path in _removed_paths(fact, scope):
            newest.pop(path, None)
        for entry in fact.files:
            before = newest.get(entry.path)
            open_before = before is not None and (before.path, before.blob) not in reviewed
            first = before if before is not None and open_before else None
            old_blob, since = (first.old_blob, first.since) if first else (entry.old_blob, fact.at)
            newest[entry.path] = BacklogFile(entry.path, entry.blob, old_blob, since)
    return newest


def excluded_paths(ledger: Ledger) -> frozenset[str]:
    """Return the paths that the newest selection naming them removed or excluded."""
    paths: set[str] = set()
    for fact in _selections(ledger):
        paths = (paths | set(_removed_paths(fact, None))) - {entry.path for entry in fact.files}
    return frozenset(paths)


def unreviewed_files(ledger: Ledger, scope: str | None = None) -> dict[str, BacklogFile]:
    """Return the selected files without a verdict, neither in flight nor withdrawn, by path.

    Files that were given up are among them: another model or prompt makes new requests for them.
    """
    done = reviewed_files(ledger) | in_flight_files(ledger) | withdrawn_files(ledger)
    newest = newest_files(ledger, scope).items()
    return {path: file for path, file in newest if (path, file.blob) not in done}


def backlog(
    ledger: Ledger, *, max_attempts: int, scope: str | None = None
) -> dict[str, BacklogFile]:
    """Return the files to send with the next submit, by path: unreviewed and not given up."""
    given_up = given_up_files(ledger, max_attempts)
    unreviewed = unreviewed_files(ledger, scope).items()
    return {path: file for path, file in unreviewed if (path, file.blob) not in given_up}


def recorded_heads(ledger: Ledger, scope: str | None = None) -> tuple[str, ...]:
    """Return the recorded heads, newest first: the base is the nearest of them that is an ancestor.

    Only the heads of runs with the same patterns, if there are any, else all: a run with narrower
    patterns must not hide other files from the next one.
    """
    selections = [fact for fact in reversed(_selections(ledger)) if not fact.partial]
    same_scope = [fact for fact in selections if scope in (None, fact.scope)]
    return tuple(dict.fromkeys(fact.head for fact in same_scope or selections))


def dismissed_fingerprints(ledger: Ledger) -> frozenset[str]:
    """Return the fingerprints of findings that a person dismissed for good."""
    return frozenset(x.fingerprint for x in facts_of(ledger, Dismissed))


def spend_usd(ledger: Ledger, since: datetime) -> float | None:
    """Return the US dollars of the batches collected since then; None when a price is unknown."""
    costs = [x.cost_usd for x in facts_of(ledger, Collected) if since <= x.at]
    return None if any(c is None for c in costs) else sum(c for c in costs if c is not None)


def known_spend_usd(ledger: Ledger, since: datetime) -> float:
    """Return the US dollars of the batches collected since then, without those of unknown price."""
    return sum(x.cost_usd or 0.0 for x in facts_of(ledger, Collected) if since <= x.at)


def committed_usd(ledger: Ledger) -> float:
    """Return the worst case of what is in flight, in US dollars; an unknown price counts as 0."""
    by_intent: dict[str, list[int]] = {}
    for p in pending_batches(ledger):
        by_intent.setdefault(p.sent.intent, []).append(p.sent.index)
    for intent in open_intents(ledger):
        by_intent.setdefault(intent.intended.intent, []).extend(intent.indexes)
    intents = {x.intent: x for x in facts_of(ledger, Intended)}
    return sum(_worst_case_share(intents[intent], set(ix)) for intent, ix in by_intent.items())


def _worst_case_share(intended: Intended, indexes: Iterable[int]) -> float:
    total = sum(len(batch) for batch in intended.batches)
    part = sum(len(intended.batches[index]) for index in indexes)
    return (intended.worst_case_usd or 0.0) * part / total if total else 0.0


@dataclass(frozen=True, slots=True)
class CacheWarmUp:
    """A request that was sent first, so that the others can read the prompt cache it writes."""

    intended: Intended
    sent: Sent | None
    """None: the response to the create was lost."""
    collected: Collected | None
    withdrawn: bool
    selected: frozenset[str]
    """The paths that were selected with it; those without an answer wait for it."""

    @property
    def is_lost(self) -> bool:
        """Whether it has no answer, so that the content of the cache is unknown."""
        return self.withdrawn or bool(self.collected and self.collected.failed)


def outstanding_warm_up(ledger: Ledger) -> CacheWarmUp | None:
    """Return the newest warm-up, if nothing has been sent since."""
    sent = {intended.intent: fact for fact, intended in sent_batches(ledger)}
    unresolved = {intent.intended.intent for intent in open_intents(ledger)}
    intents = [x for x in facts_of(ledger, Intended) if x.intent in sent or x.intent in unresolved]
    newest = max(intents, key=lambda x: (x.at, x.intent), default=None)
    if newest is None or newest.mode != "warm-up":
        return None
    fact = sent.get(newest.intent)
    batch = fact.batch if fact else None
    collected = (x for x in facts_of(ledger, Collected) if x.batch == batch)
    withdrawn = any(x.batch == batch for x in facts_of(ledger, Withdrawn))
    chosen = (x for x in facts_of(ledger, Selected) if x.head == newest.head)
    paths = frozenset(file.path for x in chosen for file in x.files)
    return CacheWarmUp(newest, fact, next(collected, None), withdrawn, paths)
