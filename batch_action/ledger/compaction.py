"""Remove from a ledger what decides nothing any more, so that it stays readable for decades.

Facts stay, and lose entries of their lists only: no key, id, time, head or cost is forgotten. Each
shortened fact names the digest of its original, and merging keeps what all versions of it list. So
whatever ledger is merged later (another run's, one of years ago, one that was compacted otherwise),
nothing is counted twice, open again or back in the backlog.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from batch_action.ledger import pull_requests
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import (
    Collected,
    Fact,
    Intended,
    Ledger,
    Recheck,
    RequestKey,
    Selected,
    reviews_in,
)

RESULTS_KEPT = timedelta(days=29)
"""How long Anthropic keeps the results of a batch; requests are listed a day longer at least."""
MIN_AGE = RESULTS_KEPT + timedelta(days=1)
BLOBS_KEPT = 3
"""Of each path: a file that goes back to one of its newest answered contents is not sent again."""

Subject = int | None
"""The pull request that a fact is about; None: the branch."""
File = tuple[Subject, str]
Event = tuple[int, int]
"""Where a selection names a path: the selection's index, and in which of its lists."""
REMOVED, EXCLUDED, SELECTED = range(3)
"""The lists of a selection, in the order in which they take effect."""


def compact(ledger: Ledger, now: datetime) -> Ledger:
    """Return the ledger without the entries that decide nothing any more.

    Selections lose files that a later verdict or removal has replaced. Batches that are settled for
    longer than Anthropic keeps their results lose requests about contents that are neither selected
    nor among the newest of their path. What a pull request had is gone that long after its end.
    """
    plan = _Compaction(LedgerView(ledger), now)
    facts = tuple(plan.shorten(fact) for fact in ledger.facts)
    return ledger if facts == ledger.facts else ledger.model_copy(update={"facts": facts})


@dataclass(frozen=True)
class _Compaction:
    """What may be removed from each fact of a ledger."""

    view: LedgerView
    now: datetime

    def shorten(self, fact: Fact) -> Fact:
        """Return the fact with what it still decides."""
        match fact:
            case Selected():
                return self._selections[fact.key()]
            case Intended() if fact.intent in self._old_requests:
                batches = self._kept_requests[fact.intent]
                if batches == fact.batches and fact.base is None:
                    return fact
                return fact.reduce(batches=batches, base=None, sizes=fact.request_counts)
            case Collected() if fact.batch in self._kept_ids:
                kept = self._kept_ids[fact.batch]
                failed = {name: kind for name, kind in fact.failed.items() if name in kept}
                if failed == fact.failed:
                    return fact
                return fact.reduce(failed=failed, failed_count=fact.failures)
        return fact

    # Selections

    @cached_property
    def _selections(self) -> dict[tuple[str, ...], Selected]:
        """The shortened selections by key."""
        selections = self.view.selections
        newest = {x.pull_request: index for index, x in enumerate(selections)}
        return {
            x.key(): x
            if x.head in self._heads_in_use
            else self._shorten_selection(
                x, index, is_over=x.pull_request is not None and newest[x.pull_request] != index
            )
            for index, x in enumerate(selections)
        }

    def _shorten_selection(self, fact: Selected, index: int, *, is_over: bool) -> Selected:
        """Return a selection with what counts; of a pull request only the newest one does."""
        subject = fact.pull_request
        if is_over or subject in self._ended_pulls:
            return fact.reduce(files=(), removed=(), excluded=(), skipped={}, base=None)

        def counts(path: str, kind: int) -> bool:
            return (index, kind) >= self._first_events[subject, path]

        files = tuple(x for x in fact.files if counts(x.path, SELECTED))
        is_reviewed = all((x.path, x.blob) in self.view.verdicts for x in files)
        return fact.reduce(
            files=files,
            removed=tuple(x for x in fact.removed if counts(x, REMOVED)),
            excluded=tuple(x for x in fact.excluded if counts(x, EXCLUDED)),
            skipped={},
            # The commits since then describe what still waits for an answer.
            base=None if is_reviewed else fact.base,
        )

    @cached_property
    def _heads_in_use(self) -> frozenset[str]:
        """The heads whose batches are not settled, and that of the newest intent."""
        intents = self.view.facts(Intended)
        newest = max(intents, key=lambda x: (x.at, x.intent), default=None)
        heads = {x.head for x in intents if x.intent not in self._settled}
        return frozenset(heads | ({newest.head} if newest else set()))

    @cached_property
    def _first_events(self) -> dict[File, Event]:
        """The first event of each path that still counts.

        That is the last one to start anew: a removal, or an entry whose content has a verdict. The
        newest entry of a path itself is compared with what was before it, back to such a start; an
        exclusion counts for runs with the same patterns only.
        """
        starts: dict[File, Event] = {}
        reviewed: dict[File, Event] = {}
        for file, event, is_reviewed in self._events():
            starts.setdefault(file, event)
            if event[1] == REMOVED:
                starts[file] = event
                reviewed.pop(file, None)
            elif event[1] == SELECTED:
                starts[file] = reviewed.get(file, starts[file])
                if is_reviewed:
                    reviewed[file] = event
        return starts

    def _events(self) -> Iterator[tuple[File, Event, bool]]:
        """Yield each mention of a path, oldest first, and whether its content has a verdict."""
        for index, fact in enumerate(self.view.selections):
            subject = fact.pull_request
            for path in fact.removed:
                yield (subject, path), (index, REMOVED), False
            for path in fact.excluded:
                yield (subject, path), (index, EXCLUDED), False
            for x in fact.files:
                is_reviewed = (x.path, x.blob) in self.view.verdicts
                yield (subject, x.path), (index, SELECTED), is_reviewed

    # Requests

    @cached_property
    def _settled(self) -> frozenset[str]:
        """The intents of which nothing more is to come."""
        unsettled = {x.intended.intent for x in self.view.pending_batches}
        unsettled |= {x.intended.intent for x in self.view.open_intents}
        return frozenset(x.intent for x in self.view.facts(Intended)) - unsettled

    @cached_property
    def _old_requests(self) -> frozenset[str]:
        """The settled intents whose results Anthropic has deleted."""
        last = {x.intent: x.at for x in self.view.facts(Intended) if x.intent in self._settled}
        for sent, _ in self.view.sent_batches:
            if sent.intent in last:
                last[sent.intent] = max(last[sent.intent], sent.created_at)
        return frozenset(intent for intent, at in last.items() if self.now - at > MIN_AGE)

    @cached_property
    def _kept_requests(self) -> dict[str, tuple[tuple[RequestKey, ...], ...]]:
        """By old intent: the requests of each batch that still count."""
        return {
            fact.intent: tuple(
                tuple(key for key in keys if self._is_kept(fact.pull_request, key))
                for keys in fact.batches
            )
            for fact in self.view.facts(Intended)
            if fact.intent in self._old_requests
        }

    @cached_property
    def _kept_ids(self) -> dict[str, frozenset[str]]:
        """By batch of an old intent: the ids of its requests that still count."""
        return {
            sent.batch: frozenset(key.id for key in self._kept_requests[sent.intent][sent.index])
            for sent, _ in self.view.sent_batches
            if sent.intent in self._old_requests
        }

    def _is_kept(self, subject: Subject, key: RequestKey) -> bool:
        if key.purpose != "review":
            # They are few, and their failures count as attempts.
            return True
        return subject not in self._ended_pulls and (
            key.blob in self._kept_blobs.get((subject, key.path), ())
            or (key.path, key.blob) in self._rechecked
        )

    @cached_property
    def _kept_blobs(self) -> dict[File, set[str]]:
        """By path: the blobs that are selected, and the last ones that were sent."""
        last: dict[File, dict[str, datetime]] = {}
        for fact in self.view.facts(Intended):
            for keys in fact.batches:
                for key in reviews_in(keys):
                    blobs = last.setdefault((fact.pull_request, key.path), {})
                    blobs[key.blob] = max(blobs.get(key.blob, fact.at), fact.at)
        kept: dict[File, set[str]] = {
            file: set(sorted(blobs, key=lambda blob: (blobs[blob], blob))[-BLOBS_KEPT:])
            for file, blobs in last.items()
        }
        for selected in self._selections.values():
            for entry in selected.files:
                kept.setdefault((selected.pull_request, entry.path), set()).add(entry.blob)
        return kept

    @cached_property
    def _rechecked(self) -> frozenset[tuple[str, str]]:
        """For each answered recheck request: the file whose verdict was the first to answer it."""
        rechecks = self.view.facts(Recheck)
        paths = {x.path for x in rechecks}
        created = {sent.batch: sent.created_at for sent, _ in self.view.sent_batches}
        verdicts: dict[str, list[tuple[datetime, str, frozenset[str]]]] = {}
        for (path, blob), batches in self.view.verdicts.items():
            if path in paths:
                verdicts.setdefault(path, []).extend(
                    (created[batch], blob, frozenset({batch})) for batch in batches
                )
        found = set()
        for recheck in rechecks:
            before = frozenset(recheck.batches_before)
            answers = [x for x in verdicts.get(recheck.path, ()) if not x[2] <= before]
            if answers:
                found.add((recheck.path, min(answers, key=lambda x: x[:2])[1]))
        return frozenset(found)

    @cached_property
    def _ended_pulls(self) -> frozenset[int]:
        """The pull requests that were closed long ago."""
        return pull_requests.closed_before(self.view, self.now - MIN_AGE)
