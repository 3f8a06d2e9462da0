"""Batches: pending, perhaps created, answered, and how often a question failed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from batch_action.models.ledger import (
    BaseFact,
    Collected,
    Intended,
    Ledger,
    Question,
    Recheck,
    Rejected,
    Sent,
    Withdrawn,
)

F = TypeVar("F", bound=BaseFact)

ADOPTION_SLACK = timedelta(minutes=5)
"""How long after a create's timeout its batch may still turn up in the list."""

FREE_OF_ATTEMPT = frozenset({"billing", "canceled", "closed", "unanswered", "undelivered"})
"""Failures that say nothing about the question: they count no attempt."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch that was sent and not yet collected."""

    sent: Sent
    intended: Intended
    withdrawn: bool

    @property
    def questions(self) -> tuple[Question, ...]:
        """What was asked in this batch, in sending order."""
        return self.intended.batches[self.sent.index]


@dataclass(frozen=True, slots=True)
class Open:
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


def pending(ledger: Ledger) -> tuple[Pending, ...]:
    """Batches sent and not yet collected, oldest first."""
    done = {x.batch for x in facts_of(ledger, Collected)}
    withdrawn = {x.batch for x in facts_of(ledger, Withdrawn)}
    found = [
        Pending(sent, intended, sent.batch in withdrawn)
        for sent, intended in sent_batches(ledger)
        if sent.batch not in done
    ]
    return tuple(sorted(found, key=lambda p: (p.sent.created_at, p.sent.batch)))


def open_intents(ledger: Ledger) -> tuple[Open, ...]:
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
            found.append(Open(intended, tuple(sorted(missing)), others))
    return tuple(found)


def window(intended: Intended, timeout: timedelta) -> tuple[datetime, datetime]:
    """When a batch of this intent can have been created, by Anthropic's clock."""
    count = max(1, len(intended.batches))
    return intended.at, intended.at + timeout * count + ADOPTION_SLACK


def known_batches(ledger: Ledger) -> frozenset[str]:
    """Every batch id the ledger can place: never a candidate again."""
    return frozenset(x.batch for x in facts_of(ledger, Sent))


def outcomes(ledger: Ledger) -> Iterator[tuple[Question, Intended, Sent, str | None]]:
    """Each collected question with its failure, None for a verdict."""
    collected = {x.batch: x for x in facts_of(ledger, Collected)}
    for sent, intended in sent_batches(ledger):
        fact = collected.get(sent.batch)
        if fact is not None:
            for question in intended.batches[sent.index]:
                yield question, intended, sent, fact.failed.get(question.id)


def answered(ledger: Ledger) -> frozenset[str]:
    """The custom ids that have a verdict: not asked again, unless a person wishes so."""
    again = {wish.path for wish in wishes(ledger)}
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


def wishes(ledger: Ledger) -> tuple[Recheck, ...]:
    """People's wishes for another look that no verdict has answered yet."""
    return tuple(w for w in facts_of(ledger, Recheck) if not _answers(ledger, w))


def granted(ledger: Ledger, by: frozenset[str]) -> tuple[Recheck, ...]:
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
            if any(question.path == path for question in intended.batches[sent.index])
        )
    )


def in_flight(ledger: Ledger) -> frozenset[str]:
    """The custom ids that are being answered, or may be."""
    sent = chain.from_iterable(p.questions for p in pending(ledger))
    maybe = (
        question
        for open_ in open_intents(ledger)
        for index in open_.indexes
        for question in open_.intended.batches[index]
    )
    return frozenset(question.id for question in chain(sent, maybe))


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
