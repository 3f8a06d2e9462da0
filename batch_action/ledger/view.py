"""Queries on a ledger: batches, requests, files, backlog, spend and the cache warm-up."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, wraps
from itertools import chain
from typing import Any, NamedTuple, TypeVar, cast

from batch_action.models.fact import BaseFact
from batch_action.models.ledger import (
    Baselined,
    Collected,
    Dismissed,
    Fact,
    Intended,
    Ledger,
    Recheck,
    Rejected,
    Reported,
    RequestKey,
    Selected,
    Sent,
    Withdrawn,
    reviews_in,
)

F = TypeVar("F", bound=BaseFact)
T = TypeVar("T")

ADOPTION_SLACK = timedelta(minutes=5)
"""How long after a create's timeout its batch may still appear in the list."""

UNCOUNTED_FAILURES = frozenset({"service", "canceled", "closed", "unanswered", "undelivered"})
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


class FailedRequest(NamedTuple):
    """A request of a collected batch without a verdict."""

    key: RequestKey
    sent: Sent
    failure: str
    """Its kind, and a detail after a colon."""

    @property
    def kind(self) -> str:
        """The failure without its detail, e.g. `truncated`."""
        return self.failure.split(":")[0]


class BacklogFile(NamedTuple):
    """A file that still needs a verdict."""

    path: str
    blob: str
    old_blob: str | None
    """The blob to compare with."""
    since: datetime
    """When it was first selected since its last verdict."""


def create_window(intended: Intended, timeout: timedelta) -> tuple[datetime, datetime]:
    """Return when a batch of this intent can have been created, by Anthropic's clock."""
    count = max(1, len(intended.batches))
    waited = timedelta(minutes=intended.warm_minutes)
    return intended.at, intended.at + waited + timeout * count + ADOPTION_SLACK


def _cached(query: Callable[..., T]) -> Callable[..., T]:
    """Compute a query with one parameter once for each value of it."""

    @wraps(query)
    def cached(view: "LedgerView", parameter: object = None) -> T:
        key = (query.__name__, parameter)
        if key not in view.results:
            view.results[key] = query(view, parameter)
        return cast("T", view.results[key])

    return cached


class LedgerView:
    """All that a ledger's facts imply. The ledger is immutable, so each query is computed once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._by_kind: dict[type[BaseFact], list[BaseFact]] = {}
        for fact in ledger.facts:
            self._by_kind.setdefault(type(fact), []).append(fact)
        self.results: dict[tuple[str, object], Any] = {}
        """Results of the queries with parameters."""

    def add(self, *facts: Fact) -> "LedgerView":
        """Return the view with these facts added."""
        return LedgerView(self.ledger.add(*facts))

    def facts(self, kind: type[F]) -> list[F]:
        """Return the facts of one kind."""
        return cast("list[F]", self._by_kind.get(kind, []))

    # Batches

    @cached_property
    def _intents(self) -> dict[str, Intended]:
        return {fact.intent: fact for fact in self.facts(Intended)}

    @cached_property
    def _collected(self) -> dict[str, Collected]:
        return {fact.batch: fact for fact in self.facts(Collected)}

    @cached_property
    def _withdrawn(self) -> frozenset[str]:
        return frozenset(fact.batch for fact in self.facts(Withdrawn))

    @cached_property
    def sent_batches(self) -> tuple[tuple[Sent, Intended], ...]:
        """Each sent batch with its intent, without facts that have none."""
        pairs = ((sent, self._intents.get(sent.intent)) for sent in self.facts(Sent))
        return tuple(
            (sent, intended)
            for sent, intended in pairs
            if intended is not None and sent.index < len(intended.batches)
        )

    @cached_property
    def pending_batches(self) -> tuple[PendingBatch, ...]:
        """The batches that were sent and not yet collected, oldest first."""
        batches = [
            PendingBatch(sent, intended, sent.batch in self._withdrawn)
            for sent, intended in self.sent_batches
            if sent.batch not in self._collected
        ]
        return tuple(sorted(batches, key=lambda p: (p.sent.created_at, p.sent.batch)))

    @cached_property
    def open_intents(self) -> tuple[OpenIntent, ...]:
        """The intents that may have batches unknown to the ledger, oldest first."""
        sent: dict[str, set[int]] = {}
        for fact in self.facts(Sent):
            sent.setdefault(fact.intent, set()).add(fact.index)
        rejected: dict[str, set[str]] = {}
        closed = set()
        for rejection in self.facts(Rejected):
            if rejection.batch is None:
                closed.add(rejection.intent)
            else:
                rejected.setdefault(rejection.intent, set()).add(rejection.batch)
        intents = []
        for intended in sorted(self.facts(Intended), key=lambda x: (x.at, x.intent)):
            missing = set(range(len(intended.batches))) - sent.get(intended.intent, set())
            if missing and intended.intent not in closed:
                candidates = frozenset(rejected.get(intended.intent, set()))
                intents.append(OpenIntent(intended, tuple(sorted(missing)), candidates))
        return tuple(intents)

    @cached_property
    def known_batch_ids(self) -> frozenset[str]:
        """The ids of all sent batches: they are no candidates for a lost create."""
        return frozenset(fact.batch for fact in self.facts(Sent))

    def batches_of_path(self, path: str) -> tuple[str, ...]:
        """Return the ids of all batches with a request about a file, sorted."""
        return self._batches_by_path.get(path, ())

    @cached_property
    def _batches_by_path(self) -> dict[str, tuple[str, ...]]:
        batches: dict[str, set[str]] = {}
        for sent, keys in self._reviews:
            for key in keys:
                batches.setdefault(key.path, set()).add(sent.batch)
        return {path: tuple(sorted(ids)) for path, ids in batches.items()}

    # Requests

    @cached_property
    def _reviews(self) -> tuple[tuple[Sent, tuple[RequestKey, ...]], ...]:
        """Each sent batch with its reviews: other requests are about findings, not about files."""
        return tuple(
            (sent, reviews_in(intended.batches[sent.index])) for sent, intended in self.sent_batches
        )

    @cached_property
    def failed_requests(self) -> tuple[FailedRequest, ...]:
        """Each failure of a request of a collected batch."""
        return tuple(
            FailedRequest(key, sent, failed[key.id])
            for sent, intended in self.sent_batches
            if sent.batch in self._collected and (failed := self._collected[sent.batch].failed)
            for key in intended.batches[sent.index]
            if key.id in failed
        )

    def _answered_keys(self) -> Iterator[tuple[Sent, list[RequestKey]]]:
        """Yield each collected batch with its reviews that have a verdict."""
        for sent, keys in self._reviews:
            fact = self._collected.get(sent.batch)
            if fact is not None:
                yield sent, [key for key in keys if key.id not in fact.failed]

    @cached_property
    def answered_ids(self) -> frozenset[str]:
        """The custom ids with a verdict: not sent again without a recheck request."""
        return frozenset(
            key.id
            for _, keys in self._answered_keys()
            for key in keys
            if key.path not in self.rechecked_paths
        )

    @cached_property
    def verdicts(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The batches that answered a (path, blob), of each file all of whose parts are answered.

        A file that was cut into another number of parts before is another file here.
        """
        batches: dict[tuple[str, str], frozenset[str]] = {}
        parts: dict[tuple[str, str, int], dict[int, frozenset[str]]] = {}
        for sent, keys in self._answered_keys():
            # One set for all files of a batch: a ledger has tens of thousands of files.
            batch = frozenset({sent.batch})
            for key in keys:
                file = key.path, key.blob
                if key.parts == 1:
                    batches[file] = batches[file] | batch if file in batches else batch
                else:
                    answered = parts.setdefault((*file, key.parts), {})
                    answered[key.part] = answered.get(key.part, frozenset()) | batch
        for (path, blob, count), answered in parts.items():
            if len(answered) >= count:
                file = path, blob
                batches[file] = batches.get(file, frozenset()).union(*answered.values())
        return batches

    @cached_property
    def shown_lines(self) -> Mapping[tuple[str, str], str]:
        """The ranges of lines that the answers about a (path, blob) were shown.

        A file that is not among them was shown whole to one of them, or has no answer.
        """
        shown: dict[tuple[str, str], list[str]] = {}
        whole: set[tuple[str, str]] = set()
        for _, keys in self._answered_keys():
            for key in keys:
                if key.shown is None:
                    whole.add((key.path, key.blob))
                else:
                    shown.setdefault((key.path, key.blob), []).append(key.shown)
        return {file: ",".join(lines) for file, lines in shown.items() if file not in whole}

    @cached_property
    def in_flight(self) -> tuple[RequestKey, ...]:
        """The requests that are in flight, or may be (an open intent)."""
        sent = chain.from_iterable(batch.request_keys for batch in self.pending_batches)
        maybe = (
            key
            for intent in self.open_intents
            for index in intent.indexes
            for key in intent.intended.batches[index]
        )
        return (*sent, *maybe)

    @cached_property
    def in_flight_ids(self) -> frozenset[str]:
        """The custom ids of the requests that are in flight, or may be."""
        return frozenset(key.id for key in self.in_flight)

    @cached_property
    def attempts(self) -> Counter[str]:
        """The failed attempts by custom id, without `UNCOUNTED_FAILURES`."""
        return Counter(
            failed.key.id
            for failed in self.failed_requests
            if failed.kind not in UNCOUNTED_FAILURES
        )

    @cached_property
    def failures(self) -> Counter[tuple[str, str]]:
        """The failures by custom id and kind, e.g. `truncated`."""
        return Counter((failed.key.id, failed.kind) for failed in self.failed_requests)

    @cached_property
    def last_failures(self) -> dict[str, str]:
        """The newest failure of each request without a verdict, by custom id."""
        failures = sorted(self.failed_requests, key=lambda x: (x.sent.created_at, x.sent.batch))
        return {
            failed.key.id: failed.failure
            for failed in failures
            if failed.key.id not in self.answered_ids
        }

    # Recheck requests and dismissals

    @cached_property
    def open_recheck_requests(self) -> tuple[Recheck, ...]:
        """The recheck requests that no later verdict has answered."""
        return tuple(
            recheck for recheck in self.facts(Recheck) if not self._answering_batches(recheck)
        )

    def answered_recheck_requests(self, by: frozenset[str]) -> tuple[Recheck, ...]:
        """Return the recheck requests that these batches, and none before them, have answered."""
        answered = ((fact, self._answering_batches(fact)) for fact in self.facts(Recheck))
        return tuple(recheck for recheck, batches in answered if batches and batches <= by)

    def _answering_batches(self, recheck: Recheck) -> frozenset[str]:
        """Return the batches with a verdict on the file that are later than the request."""
        batches = self._verdict_batches.get(recheck.path, set())
        return frozenset(batches.difference(recheck.batches_before))

    @cached_property
    def _verdict_batches(self) -> dict[str, set[str]]:
        batches: dict[str, set[str]] = {}
        for (path, _), ids in self.verdicts.items():
            batches.setdefault(path, set()).update(ids)
        return batches

    @cached_property
    def rechecked_paths(self) -> frozenset[str]:
        """The paths with an open recheck request."""
        return frozenset(recheck.path for recheck in self.open_recheck_requests)

    @cached_property
    def dismissed_fingerprints(self) -> frozenset[str]:
        """The fingerprints of findings that a person dismissed for good."""
        return frozenset(fact.fingerprint for fact in self.facts(Dismissed))

    # The first run

    def unreviewed_first_files(self) -> frozenset[tuple[str, str]]:
        """Return the (path, blob) pairs of the first run without a verdict; it may be large."""
        firsts = (fact for fact in self.facts(Selected) if fact.first)
        files = ((entry.path, entry.blob) for fact in firsts for entry in fact.files)
        return frozenset(file for file in files if file not in self.verdicts)

    @cached_property
    def baselined(self) -> dict[str, str]:
        """The findings of the first run that were not reported: fingerprint to reviewed blob."""
        return {fact.fingerprint: fact.blob for fact in self.facts(Baselined)}

    # Files

    @cached_property
    def reviewed_files(self) -> AbstractSet[tuple[str, str]]:
        """The (path, blob) pairs all of whose parts have a verdict.

        Files with an open recheck request are not among them.
        """
        files, rechecked = self.verdicts.keys(), self.rechecked_paths
        return frozenset(f for f in files if f[0] not in rechecked) if rechecked else files

    @cached_property
    def withdrawn_files(self) -> frozenset[tuple[str, str]]:
        """The (path, blob) pairs of canceled batches: they are not sent again on their own."""
        return frozenset(
            (key.path, key.blob)
            for sent, keys in self._reviews
            if sent.batch in self._withdrawn
            for key in keys
        )

    @cached_property
    def in_flight_files(self) -> frozenset[tuple[str, str]]:
        """The (path, blob) pairs with a review that is in flight, or may be."""
        return frozenset((key.path, key.blob) for key in reviews_in(self.in_flight))

    @_cached
    def given_up_files(self, max_attempts: int) -> frozenset[tuple[str, str]]:
        """Return the (path, blob) pairs with a review that failed `max-attempts` times."""
        return frozenset(
            (failed.key.path, failed.key.blob)
            for failed in self.failed_requests
            if failed.key.purpose == "review" and self.attempts[failed.key.id] >= max_attempts
        )

    @cached_property
    def selections(self) -> list[Selected]:
        """The selections, oldest first."""
        return sorted(self.facts(Selected), key=lambda x: (x.at, x.head))

    @_cached
    def newest_files(self, scope: str | None = None) -> dict[str, BacklogFile]:
        """Return the newest blob, and the blob to compare with, of each path that still exists.

        The comparison starts from the last blob that had a verdict, so that a change that was in
        the backlog for several runs is reviewed as a whole. *scope*: the digest of the patterns
        whose excluded paths count; None counts all.
        """
        return self._find_newest(scope)

    def _find_newest(self, scope: str | None) -> dict[str, BacklogFile]:
        newest: dict[str, tuple[str, str | None, datetime]] = {}
        verdicts = self.verdicts
        for fact in self.selections:
            for path in _removed_paths(fact, scope):
                newest.pop(path, None)
            for entry in fact.files:
                path, old_blob, since = entry.path, entry.old_blob, fact.at
                if path in newest and (path, newest[path][0]) not in verdicts:
                    _, old_blob, since = newest[path]
                newest[path] = entry.blob, old_blob, since
        return {path: BacklogFile(path, *values) for path, values in newest.items()}

    @cached_property
    def excluded_paths(self) -> frozenset[str]:
        """The paths that the newest selection naming them removed or excluded."""
        paths: set[str] = set()
        for fact in self.selections:
            paths.update(_removed_paths(fact, None))
            paths.difference_update(entry.path for entry in fact.files)
        return frozenset(paths)

    @_cached
    def unreviewed_files(self, scope: str | None = None) -> dict[str, BacklogFile]:
        """Return the selected files without a verdict, neither in flight nor withdrawn, by path.

        Files that were given up are among them: another model or prompt makes new requests.
        """
        done = self.reviewed_files, self.in_flight_files, self.withdrawn_files
        newest = self._find_newest(scope).items()  # Not kept: most of them have a verdict.
        return {p: file for p, file in newest if not any((p, file.blob) in x for x in done)}

    def first_bases(self, scope: str | None = None) -> dict[str, str | None]:
        """Return by path what each unreviewed file was compared with when it was selected first."""
        bases = {fact.at: fact.base for fact in self.selections}
        return {path: bases.get(file.since) for path, file in self.unreviewed_files(scope).items()}

    def backlog(self, *, max_attempts: int, scope: str | None = None) -> dict[str, BacklogFile]:
        """Return the files to send with the next submit, by path: unreviewed and not given up."""
        given_up = self.given_up_files(max_attempts)
        unreviewed = self.unreviewed_files(scope).items()
        return {path: file for path, file in unreviewed if (path, file.blob) not in given_up}

    def recorded_heads(self, scope: str | None = None) -> tuple[str, ...]:
        """Return the recorded heads, newest first: the base is the nearest that is an ancestor.

        Only the heads of runs with the same patterns, if there are any, else all: a run with
        narrower patterns must not hide other files from the next one.
        """
        selections = [fact for fact in reversed(self.selections) if not fact.partial]
        same_scope = [fact for fact in selections if scope in (None, fact.scope)]
        return tuple(dict.fromkeys(fact.head for fact in same_scope or selections))

    @property
    def last_issue(self) -> int | None:
        """The number of the rolling issue that was written last."""
        last = max(self.facts(Reported), key=lambda fact: (fact.at, fact.issue), default=None)
        return last.issue if last else None

    # Money

    def spend_usd(self, since: datetime) -> float | None:
        """Return the US dollars of the batches collected since; None if a price is unknown."""
        is_known = all(x.cost_usd is not None for x in self.facts(Collected) if since <= x.at)
        return self.known_spend_usd(since) if is_known else None

    def known_spend_usd(self, since: datetime) -> float:
        """Return the US dollars of the batches collected since, without those of unknown price."""
        return sum(fact.cost_usd or 0.0 for fact in self.facts(Collected) if since <= fact.at)

    @cached_property
    def committed_usd(self) -> float:
        """The worst case of what is in flight, in US dollars; an unknown price counts as 0."""
        sent = ((batch.intended, batch.sent.index) for batch in self.pending_batches)
        maybe = (
            (intent.intended, index) for intent in self.open_intents for index in intent.indexes
        )
        return sum(intended.worst_case_shares[index] for intended, index in chain(sent, maybe))


def _removed_paths(fact: Selected, scope: str | None) -> tuple[str, ...]:
    """Return the paths that a selection drops; its excluded ones only within its own scope."""
    return fact.removed + (fact.excluded if scope in (None, fact.scope) else ())
