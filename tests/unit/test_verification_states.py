"""Which findings wait to be verified, and which result counts."""

from dataclasses import replace

import pytest

from batch_action.findings import verification
from batch_action.findings.lifecycle import reconcile
from batch_action.models.findings import (
    BatchAnswers,
    CodePositions,
    FindingState,
    Severity,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy, VerificationPolicy
from batch_action.models.verification import Verification, VerificationResult
from tests.harness.reports import A, B, finding_status

UNCONFIRMED, CONFIRMED, DISPUTED, UNDECIDED = Verification
NAME = f"{1:016x}"


def policy(verify: str | None = "high", hides: bool = False, **known) -> FindingPolicy:
    severity = Severity(verify) if verify else None
    return FindingPolicy(
        verification=VerificationPolicy(severity=severity, **known), hides_security=hides
    )


def test_what_was_found_without_the_model_is_not_verified() -> None:
    status = finding_status(1, FindingState.NEW)
    assert status.finding
    computed = replace(status.finding, is_computed=True)
    assert verification.apply(replace(status, finding=computed), policy()).tracked == status.tracked


def came_in(result: Verification) -> dict[str, VerificationResult]:
    return {NAME: VerificationResult(fingerprint=NAME, result=result, reason="Because")}


WAITING = [
    ("new", {}, "high", UNCONFIRMED),
    ("more severe", {"severity": Severity.CRITICAL}, "high", UNCONFIRMED),
    ("less severe", {"severity": Severity.MEDIUM}, "high", None),
    ("high of critical", {}, "critical", None),
    ("off", {}, None, None),
    ("older than the change", {"pre_existing": True}, "high", UNCONFIRMED),
    ("reported again", {"state": FindingState.OPEN}, "high", UNCONFIRMED),
    ("back", {"state": FindingState.BACK}, "high", UNCONFIRMED),
    ("not reported", {"state": FindingState.RECHECKING}, "high", None),
    ("fixed", {"state": FindingState.FIXED}, "high", None),
    ("dismissed", {"state": FindingState.DISMISSED}, "high", None),
    ("accepted", {"state": FindingState.IGNORED}, "high", None),
    ("hidden", {"security": True, "hides": True}, "high", None),
    ("security", {"security": True}, "high", UNCONFIRMED),
    (
        "waiting",
        {"state": FindingState.RECHECKING, "verification": UNCONFIRMED},
        "high",
        UNCONFIRMED,
    ),
    ("switched off", {"verification": UNCONFIRMED}, None, None),
    ("fixed meanwhile", {"state": FindingState.FIXED, "verification": UNCONFIRMED}, "high", None),
]


@pytest.mark.parametrize(
    ("fields", "verify", "expected"), [row[1:] for row in WAITING], ids=[row[0] for row in WAITING]
)
def test_what_waits_to_be_verified(fields, verify, expected) -> None:
    fields = dict(fields)
    state, hides = fields.pop("state", FindingState.NEW), fields.pop("hides", False)
    status = finding_status(1, state, **fields)
    applied = verification.apply(status, policy(verify, hides))
    assert applied.tracked.verification is expected
    assert replace(applied, tracked=status.tracked) == status


KNOWN = [
    ("ledger", None, {"recorded": {NAME: DISPUTED}}, DISPUTED),
    ("ledger before the destination", CONFIRMED, {"recorded": {NAME: DISPUTED}}, DISPUTED),
    (
        "this run before the ledger",
        None,
        {"recorded": {NAME: DISPUTED}, "results": CONFIRMED},
        CONFIRMED,
    ),
    ("this run", UNCONFIRMED, {"results": UNDECIDED}, UNDECIDED),
    ("a lost ledger", DISPUTED, {}, DISPUTED),
    ("switched off later", DISPUTED, {"verify": None}, DISPUTED),
    ("waiting in the ledger", None, {"recorded": {NAME: UNCONFIRMED}}, UNCONFIRMED),
    ("waiting in a ledger behind", DISPUTED, {"recorded": {NAME: UNCONFIRMED}}, DISPUTED),
    ("due", UNCONFIRMED, {"due": frozenset({NAME}), "reported": False}, UNCONFIRMED),
    ("a lost ledger, waiting", UNCONFIRMED, {"due": frozenset(), "reported": False}, UNDECIDED),
    ("a lost ledger, reported", UNCONFIRMED, {"due": frozenset()}, UNCONFIRMED),
    ("a lost ledger, a batch", UNCONFIRMED, {"due": None, "reported": False}, UNCONFIRMED),
    ("waiting, switched off", None, {"recorded": {NAME: UNCONFIRMED}, "verify": None}, None),
    ("about another finding", None, {"recorded": {"f" * 16: DISPUTED}}, UNCONFIRMED),
]


@pytest.mark.parametrize("actor", ["", "ada"])
@pytest.mark.parametrize(
    ("before", "known", "expected"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN]
)
def test_which_result_counts(before, known, expected, actor) -> None:
    known = dict(known)
    if "results" in known:
        known["results"] = came_in(known["results"])
    is_reported = known.pop("reported", True)
    status = finding_status(1, FindingState.OPEN, verification=before, confirmed_by=actor)
    if not is_reported:
        status = replace(status, finding=None)
    applied = verification.apply(status, policy(**known))
    assert applied.tracked.verification is (CONFIRMED if actor else expected)
    # Why a second request doubts what a person has confirmed is not shown.
    assert applied.verified == (None if actor else known.get("results", {}).get(NAME))


@pytest.mark.parametrize("security", [False, True])
@pytest.mark.parametrize("state", FindingState)
def test_a_disputed_finding_is_no_news_unless_it_is_about_security(state, security) -> None:
    status = replace(finding_status(1, state, security=security), changed=True)
    applied = verification.apply(status, policy(recorded={NAME: DISPUTED}))
    is_new = state in (FindingState.NEW, FindingState.BACK)
    assert applied.changed is (security or not is_new)
    assert applied.tracked.state is state


def known(result: Verification, state: FindingState = FindingState.OPEN) -> TrackedFinding:
    return finding_status(1, state, verification=result).tracked


def test_a_disputed_finding_is_fixed_dismissed_and_back_as_any_other() -> None:
    recorded = VerificationPolicy(recorded={NAME: DISPUTED})
    answers = BatchAnswers(task="code-review", commit=A)
    gone = CodePositions(
        commit=B, current_blobs={}, renames={}, line_maps={}, descendants=frozenset()
    )
    there = replace(gone, current_blobs={"src/db.py": B})
    for dismissed, positions, before, state in (
        (frozenset(), gone, FindingState.OPEN, FindingState.FIXED),
        (frozenset(), there, FindingState.OPEN, FindingState.OPEN),
        (frozenset({NAME}), there, FindingState.OPEN, FindingState.DISMISSED),
        (frozenset(), there, FindingState.FIXED, FindingState.BACK),
    ):
        (status,) = reconcile(
            [known(DISPUTED, before)],
            answers,
            positions,
            FindingPolicy(dismissed=dismissed, verification=recorded),
        ).statuses
        assert status.tracked.state is state
        assert status.tracked.verification is DISPUTED
        assert status.tracked.is_disputed is (state in (FindingState.OPEN, FindingState.BACK))
