"""A finding from unconfirmed to disputed in each destination that keeps findings on GitHub."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.models.findings import FindingState, Severity
from batch_action.models.policy import VerificationPolicy
from batch_action.models.verification import Verification, VerificationResult
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import (
    BUG,
    FAR,
    OK,
    DestinationHarness,
    destination_harness,
    per_finding,
    rolling_issue,
    states_of,
)
from tests.harness.workflow import HOUR, WorkflowHarness
from tests.integration.test_verification import CONFIG, FILES, refute

REASON = "The caller checks `x` before"
PUBLISHERS = {"issue": rolling_issue, "issue-per-finding": per_finding}


@pytest.fixture(params=PUBLISHERS)
def harness(running: Sandbox, tmp_path: Path, request) -> Iterator[DestinationHarness]:
    publisher = PUBLISHERS[request.param]
    with destination_harness(running, tmp_path, request.node.name, publisher) as harness:
        yield harness


def waiting() -> VerificationPolicy:
    return VerificationPolicy(severity=Severity.HIGH)


def came_in(name: str, result: Verification, reason: str = REASON) -> VerificationPolicy:
    one = VerificationResult(fingerprint=name, result=result, reason=reason)
    return VerificationPolicy(severity=Severity.HIGH, recorded={name: result}, results={name: one})


def recorded(name: str, result: Verification) -> VerificationPolicy:
    return VerificationPolicy(severity=Severity.HIGH, recorded={name: result})


def test_from_unconfirmed_to_disputed_fixed_and_back(harness: DestinationHarness) -> None:
    found, done = harness.collect(harness.review("a.py"), verification=waiting())
    name, number = found.statuses[0].tracked.fingerprint, done.number
    assert number is not None
    assert "🆕 new, unconfirmed" in harness.issues.get(number).body

    disputed = came_in(name, Verification.DISPUTED)
    _, done = harness.collect(harness.review(), verification=disputed)
    body = harness.issues.get(number).body
    assert (done.action, done.open, harness.issues.get(number).state) == ("updated", 0, "open")
    assert body.count("The caller checks <code>x</code> before") + body.count(REASON) == 1
    assert "isputed" in body
    assert "unconfirmed" not in body
    assert harness.issues.comments(number) == []

    harness.sandbox.faults.calls.clear()
    _, done = harness.collect(harness.review(), number=harness.runs, verification=disputed)
    assert (done.action, harness.writes()) == ("unchanged", [])

    harness.person.update(number, body=body.replace("The caller", "Says who? The caller"))
    harness.repo.commit({"a.py": "import os\n" + BUG + FAR})
    known = recorded(name, Verification.DISPUTED)
    found, _ = harness.collect(harness.review(), verification=known)
    assert found.statuses[0].tracked.anchor.start_line == 3
    assert "Says who? The caller" in harness.issues.get(number).body

    harness.repo.commit({"a.py": OK + FAR})
    found, done = harness.collect(harness.review("a.py"), verification=known)
    assert (states_of(found), done.fixed) == ([FindingState.FIXED], 1)
    assert harness.issues.get(number).state == "closed"

    harness.repo.commit({"a.py": BUG + FAR})
    comments = len(harness.issues.comments(number))
    found, done = harness.collect(harness.review("a.py"), verification=known)
    assert (states_of(found), done.new, done.open) == ([FindingState.BACK], 0, 0)
    assert harness.issues.get(number).state == "open"
    assert "Says who? The caller" in harness.issues.get(number).body
    if harness.open_publisher is rolling_issue:
        assert len(harness.issues.comments(number)) == comments


def test_a_disputed_finding_is_dismissed_as_any_other(harness: DestinationHarness) -> None:
    found, done = harness.collect(harness.review("a.py"), verification=waiting())
    name, number = found.statuses[0].tracked.fingerprint, done.number
    assert number is not None
    harness.collect(harness.review(), verification=came_in(name, Verification.DISPUTED))
    if harness.open_publisher is rolling_issue:
        body = harness.issues.get(number).body
        folded = body.partition("<summary>Disputed: 1</summary>")[2]
        assert folded.count("- [ ] dismiss this finding for good") == 1
        harness.person.update(number, body=body.replace("- [ ] dismiss", "- [x] dismiss"))
    else:
        harness.person.close(number, "not_planned")
    found, _ = harness.collect_nothing(verification=recorded(name, Verification.DISPUTED))
    assert states_of(found) == [FindingState.DISMISSED]
    assert harness.issues.get(number).state == "closed"


@pytest.mark.parametrize("result", [Verification.CONFIRMED, Verification.UNDECIDED])
def test_a_result_without_news_is_written_and_notifies_nobody(
    harness: DestinationHarness, result: Verification
) -> None:
    found, done = harness.collect(harness.review("a.py"), verification=waiting())
    name, number = found.statuses[0].tracked.fingerprint, done.number
    assert number is not None
    _, done = harness.collect(harness.review(), verification=came_in(name, result))
    body = harness.issues.get(number).body
    assert (done.action, done.open) == ("updated", 1)
    assert result.value in body
    assert ("The caller checks" in body) is (result is Verification.UNDECIDED)
    assert "Disputed" not in body
    assert harness.issues.comments(number) == []


def test_a_run_without_batches_shows_what_the_ledger_has_learnt(
    harness: DestinationHarness,
) -> None:
    found, done = harness.collect(harness.review("a.py"), verification=waiting())
    name, number = found.statuses[0].tracked.fingerprint, done.number
    assert number is not None
    _, done = harness.collect_nothing(verification=recorded(name, Verification.UNDECIDED))
    assert done.action == "updated"
    assert "undecided" in harness.issues.get(number).body
    harness.sandbox.faults.calls.clear()
    _, done = harness.collect_nothing(verification=recorded(name, Verification.UNDECIDED))
    assert (done.action, harness.writes()) == ("unchanged", [])


@pytest.fixture
def nine(workflow: WorkflowHarness) -> WorkflowHarness:
    """Nine findings to verify, three of which are refuted."""
    workflow.commit({CONFIG: "verify: high\n"})
    workflow.run("run")
    workflow.commit(FILES)
    workflow.sandbox.anthropic.answer_with(refute(2))
    return workflow


def test_a_run_about_findings_only_keeps_the_account_of_the_files(
    nine: WorkflowHarness,
) -> None:
    for _ in range(3):
        result = nine.run("run")
        assert result.exit == 0, result.log
        nine.advance(HOUR)
    assert result.outputs["findings-count"] == "6"
    assert "Verified in this run: 6 confirmed, 3 disputed." in result.summary
    assert "**6 open findings, 6 high, 3 disputed.**" in nine.issue.body
    assert "<summary>Files reviewed: 3 of 3</summary>" in nine.issue.body
    assert nine.issue.comments == []


def test_findings_that_cannot_be_asked_about_any_more_are_shown_undecided(
    nine: WorkflowHarness,
) -> None:
    for command in ("submit", "collect"):
        nine.run(command)
        nine.advance(HOUR)
    assert nine.issue.body.count("new, unconfirmed**") == 9
    nine.advance(30 * 24 * HOUR)
    assert nine.run("submit").exit == 0
    assert nine.run("collect").exit == 0
    assert nine.issue.body.count("undecided** · ") == 9
    before = len(nine.writes)
    assert nine.run("collect").exit == 0
    assert len(nine.writes) == before
