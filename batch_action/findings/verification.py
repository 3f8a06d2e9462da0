"""The verification of findings: which are to be verified, and what became of it.

A result holds for good: it belongs to the fingerprint, whatever changes in the code later.
"""

from dataclasses import replace

from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus
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
        verified=policy.verification.results.get(tracked.fingerprint),
        changed=status.changed and is_news,
    )


def _verification_of(status: FindingStatus, policy: FindingPolicy) -> Verification | None:
    tracked, known = status.tracked, policy.verification
    if tracked.confirmed_by:
        return Verification.CONFIRMED
    if result := known.results.get(tracked.fingerprint):
        return result.result
    before = tracked.verification
    # A ledger that was lost knows less than the destination.
    decided = None if before is Verification.UNCONFIRMED else before
    if recorded := known.recorded.get(tracked.fingerprint, decided):
        return recorded
    return Verification.UNCONFIRMED if _is_to_be_verified(status, policy) else None


def _is_to_be_verified(status: FindingStatus, policy: FindingPolicy) -> bool:
    """Whether an open finding without a result waits for one: this run or an earlier one asks."""
    tracked, limit = status.tracked, policy.verification.severity
    is_hidden = policy.hides_security and tracked.security
    is_reported = status.finding is not None or tracked.verification is Verification.UNCONFIRMED
    is_severe = limit is not None and tracked.severity.rank <= limit.rank
    return is_severe and is_reported and not is_hidden and tracked.state in OPEN_STATES
