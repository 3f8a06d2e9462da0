"""Queries on a ledger about the verification of findings: what waits, what was asked, results."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from batch_action.config.inputs import Verify
from batch_action.ledger.endings import open_findings
from batch_action.ledger.view import UNCOUNTED_FAILURES, FailedRequest, LedgerView
from batch_action.models.findings import Severity
from batch_action.models.ledger import Collected, Confirmed, RequestKey, Withdrawn
from batch_action.models.verification import Verification
from batch_action.models.verification_facts import Deleted, VerificationDue, Verified

_NEVER = datetime.min.replace(tzinfo=UTC)
_ORDER = (Verification.UNDECIDED, Verification.DISPUTED, Verification.CONFIRMED)
"""Of two results of one moment the later one here counts."""


def requests_in(keys: Iterable[RequestKey]) -> Iterator[RequestKey]:
    """Return the requests that verify findings."""
    return (key for key in keys if key.purpose == "verification")


def results(view: LedgerView) -> dict[str, Verification]:
    """Return the newest result of each verified finding, by fingerprint."""
    at = {fact.batch: fact.at for fact in view.facts(Collected)}
    facts = sorted(
        view.facts(Verified), key=lambda x: (at.get(x.batch, _NEVER), _ORDER.index(x.result))
    )
    return {fact.fingerprint: Verification(fact.result) for fact in facts}


def states(view: LedgerView) -> dict[str, Verification]:
    """Return the state of each finding that is, or was, to be verified, by fingerprint."""
    due = {fact.fingerprint: Verification.UNCONFIRMED for fact in view.facts(VerificationDue)}
    return due | results(view)


def in_flight(view: LedgerView) -> frozenset[str]:
    """Return the findings that a request is about whose answer is still to come."""
    keys = requests_in(view.in_flight)
    return frozenset(chain.from_iterable(key.findings for key in keys))


def needed(view: LedgerView, verify: Verify) -> tuple[VerificationDue, ...]:
    """Return for each open finding without a result where it was reported last.

    Sorted by fingerprint. What was fixed, closed, accepted, dismissed or confirmed by a person is
    not asked any more. *verify*: the setting of this run; what is less severe waits for another.
    """
    if verify == "off":
        return ()
    sent = {fact.batch: fact.created_at for fact, _ in view.sent_batches}
    newest = {
        fact.fingerprint: fact
        for fact in sorted(
            view.facts(VerificationDue), key=lambda x: (sent.get(x.batch, _NEVER), x.batch)
        )
    }
    decided = results(view).keys() | {fact.fingerprint for fact in view.facts(Confirmed)}
    is_open, limit = open_findings(view), Severity(verify).rank
    severe = {name for name, finding in is_open.items() if finding.severity.rank <= limit}
    names = newest.keys() & (severe - decided)
    return tuple(newest[name] for name in sorted(names))


def waiting(view: LedgerView, verify: Verify) -> tuple[VerificationDue, ...]:
    """Return those of the findings that are to be asked: no request about them is in flight."""
    asked = in_flight(view)
    return tuple(due for due in needed(view, verify) if due.fingerprint not in asked)


def kept_batches(view: LedgerView) -> frozenset[str]:
    """Return the collected batches that may have been kept for their findings, needed or not."""
    reported = {fact.batch for fact in view.facts(VerificationDue)}
    collected = {fact.batch for fact in view.facts(Collected)}
    return frozenset(reported & collected - {fact.batch for fact in view.facts(Deleted)})


def is_deleted(view: LedgerView, batch: str) -> bool:
    """Return whether we have deleted a batch, so that its results are not lost but gone."""
    return any(fact.batch == batch for fact in view.facts(Deleted))


def given_up(view: LedgerView, max_attempts: int) -> tuple[Verified, ...]:
    """Return that findings are undecided whose request has failed too often, or was canceled."""
    withdrawn = {fact.batch for fact in view.facts(Withdrawn)}
    failures = Counter(
        name
        for failed in _failures(view)
        if failed.kind not in UNCOUNTED_FAILURES
        for name in failed.key.findings
    )
    pending = in_flight(view) | results(view).keys()
    last = {
        name: failed.sent.batch
        for failed in sorted(_failures(view), key=lambda x: (x.sent.created_at, x.sent.batch))
        for name in failed.key.findings
        if failures[name] >= max_attempts or failed.sent.batch in withdrawn
    }
    return tuple(
        Verified(fingerprint=name, batch=batch, result=Verification.UNDECIDED)
        for name, batch in sorted(last.items())
        if name not in pending
    )


def _failures(view: LedgerView) -> Iterator[FailedRequest]:
    return (x for x in view.failed_requests if x.key.purpose == "verification")
