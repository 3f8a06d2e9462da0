"""The verification of findings: which are to be verified, and what became of it.

A result holds for good: it belongs to the fingerprint, whatever changes in the code later.
"""

from dataclasses import replace

from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus, TrackedFinding
from batch_action.models.policy import FindingPolicy
from batch_action.models.verification import Verification


def apply(status: FindingStatus, policy: FindingPolicy) -> FindingStatus:
    """Return the status with what is known of the finding's verification.

    A disputed finding that is listed apart is not news, whether it is new or back.
    """
    verification = _verification_of(status, policy)
    if verification is None and status.tracked.verification is None:
        return status
    tracked = replace(status.tracked, verification=verification)
    is_news = not (tracked.is_disputed and tracked.state in (FindingState.NEW, FindingState.BACK))
    return replace(
        status,
        tracked=tracked,
        # What a request answers after a person has confirmed the finding decides nothing.
        verified=None
        if tracked.confirmed_by
        else policy.verification.results.get(tracked.fingerprint),
        changed=status.changed and is_news,
    )


def _verification_of(status: FindingStatus, policy: FindingPolicy) -> Verification | None:
    tracked, known = status.tracked, policy.verification
    if tracked.confirmed_by:
        return Verification.CONFIRMED
    if result := known.results.get(tracked.fingerprint):
        return result.result
    # A ledger that was lost knows less than the destination.
    before = known.recorded.get(tracked.fingerprint), tracked.verification
    waits = Verification.UNCONFIRMED in before
    if decided := [x for x in before if x not in (None, Verification.UNCONFIRMED)]:
        return decided[0]
    is_reported = status.finding is not None and not status.finding.is_computed
    if not (is_reported or waits) or not _can_be_verified(tracked, policy):
        return None
    # A lost ledger: nothing says any more what to ask about it.
    is_lost = not is_reported and known.due is not None and tracked.fingerprint not in known.due
    return Verification.UNDECIDED if is_lost else Verification.UNCONFIRMED


def _can_be_verified(tracked: TrackedFinding, policy: FindingPolicy) -> bool:
    limit = policy.verification.severity
    is_severe = limit is not None and tracked.severity.rank <= limit.rank
    is_hidden = policy.hides_security and tracked.security
    return is_severe and not is_hidden and tracked.state in OPEN_STATES
