"""Queries on a ledger about explanations: which requests wait, and which end without one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain

from batch_action.ledger.view import UNCOUNTED_FAILURES, LedgerView
from batch_action.models.explanation import (
    Explained,
    ExplanationRequested,
    ExplanationResult,
    Unexplainable,
)
from batch_action.models.ledger import (
    Collected,
    RequestKey,
    Withdrawn,
)
from batch_action.models.verification_facts import Deleted

Subject = tuple[str, str]
"""The fingerprint of a finding, and the content that it is in."""


def subject_of(fact: ExplanationRequested | Unexplainable | Explained) -> Subject:
    """Return what a fact is about: a finding is explained once in each content."""
    return fact.fingerprint, fact.blob


def subjects_of(key: RequestKey) -> Iterator[Subject]:
    """Yield what a request explains: one subject, or none for a request of another purpose."""
    if key.purpose == "explanation":
        yield from ((fingerprint, key.blob) for fingerprint in key.findings)


def open_requests(view: LedgerView) -> dict[Subject, ExplanationRequested]:
    """Return the requests of people that were not answered, the first one of each subject.

    That there is no explanation answers only those who had asked by then: a later review, or a
    higher `max-attempts`, may bring one, and else who asks again is told why there is none.
    """
    told = view.facts(Explained)
    answered = {subject_of(x) for x in told if x.result is ExplanationResult.ANSWERED}
    until = _latest(x for x in told if x.result is not ExplanationResult.ANSWERED)
    facts = sorted(view.facts(ExplanationRequested), key=lambda x: (x.at, x.source), reverse=True)
    return {
        subject_of(fact): fact
        for fact in facts
        if subject_of(fact) not in answered and not _is_until(fact, until)
    }


def _latest(facts: Iterable[Unexplainable | Explained]) -> dict[Subject, datetime]:
    return {subject_of(fact): fact.at for fact in sorted(facts, key=lambda x: x.at)}


def _is_until(fact: ExplanationRequested, moments: Mapping[Subject, datetime]) -> bool:
    moment = moments.get(subject_of(fact))
    return moment is not None and fact.at <= moment


def waiting(view: LedgerView, max_attempts: int) -> tuple[ExplanationRequested, ...]:
    """Return the requests that a submit should send to a model, the oldest first."""
    in_flight = set(chain.from_iterable(map(subjects_of, view.in_flight)))
    done = in_flight | ended_without(view, max_attempts).keys()
    facts = [fact for subject, fact in open_requests(view).items() if subject not in done]
    return tuple(sorted(facts, key=lambda x: (x.at, x.source)))


def ended_without(view: LedgerView, max_attempts: int) -> dict[Subject, ExplanationResult]:
    """Return the open requests that get no explanation any more, with what they resulted in."""
    withdrawn = {fact.batch for fact in view.facts(Withdrawn)}
    attempts: Counter[Subject] = Counter()
    canceled: set[Subject] = set()
    for failed in view.failed_requests:
        for subject in subjects_of(failed.key):
            if failed.sent.batch in withdrawn:
                canceled.add(subject)
            if failed.kind not in UNCOUNTED_FAILURES:
                attempts[subject] += 1
    failures = canceled | {subject for subject, n in attempts.items() if n >= max_attempts}
    gone = _latest(view.facts(Unexplainable))
    results: dict[Subject, ExplanationResult] = {}
    for subject, fact in open_requests(view).items():
        if _is_until(fact, gone):
            results[subject] = ExplanationResult.UNAVAILABLE
        elif subject in failures:
            results[subject] = ExplanationResult.FAILED
    return results


def needed_batches(view: LedgerView, max_attempts: int) -> frozenset[str]:
    """Return the batches that may have the wording of a finding that is still to be explained."""
    ended = ended_without(view, max_attempts)
    facts = (fact for subject, fact in open_requests(view).items() if subject not in ended)
    return frozenset(chain.from_iterable(view.batches_of_path(fact.path) for fact in facts))


def deletable(view: LedgerView, max_attempts: int, since: datetime) -> frozenset[str]:
    """Return the batches sent *since* that may have been kept for an explanation, and need not be.

    Of files that nobody has asked about none was kept.
    """
    paths = {fact.path for fact in view.facts(ExplanationRequested)}
    about = set(chain.from_iterable(map(view.batches_of_path, paths)))
    recent = {sent.batch for sent, _ in view.sent_batches if sent.created_at > since}
    collected = {fact.batch for fact in view.facts(Collected)}
    deleted = {fact.batch for fact in view.facts(Deleted)}
    return frozenset(about & recent & collected - deleted - needed_batches(view, max_attempts))
