"""`wait-minutes`: a collect that waits, by growing pauses, also when the network fails."""

from collections.abc import Iterator

import pytest

from batch_action.batches import results
from tests.harness.workflow import BAD, WorkflowHarness

ONE = "/v1/messages/batches/msgbatch_"


class Pauses(list[float]):
    """The seconds of each pause."""

    last: int | None = 4
    """The batch ends after this pause."""


@pytest.fixture
def pauses(workflow: WorkflowHarness) -> Iterator[Pauses]:
    """Record the pauses without waiting: the sandbox's clock advances instead."""
    waited = Pauses()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        workflow.advance(seconds)
        if len(waited) == waited.last:
            workflow.finish()

    workflow.sleep = wait
    workflow.sandbox.anthropic.hold = True
    yield waited
    workflow.sandbox.anthropic.hold = False


def asked(workflow: WorkflowHarness) -> int:
    return sum(ONE in call.path for call in workflow.sandbox.faults.calls)


@pytest.fixture
def sent(workflow: WorkflowHarness, pauses: Pauses) -> WorkflowHarness:
    workflow.commit({"a.js": BAD})
    assert workflow.run("submit").exit == 0
    return workflow


def test_pauses_grow_until_the_batch_has_ended(sent: WorkflowHarness, pauses: Pauses) -> None:
    done = sent.run("collect", wait_minutes="10")
    assert done.outputs["status"] == "collected"
    assert pauses == [5.0, 10.0, 20.0, 40.0]


def test_the_wait_has_an_end(sent: WorkflowHarness, pauses: Pauses) -> None:
    pauses.last = None
    done = sent.run("collect", wait_minutes="0.5")
    assert (done.exit, done.outputs["status"]) == (0, "pending")
    assert pauses[:2] == [5.0, 10.0]
    assert sum(pauses) <= 31
    assert max(pauses) <= results.MAX_POLL_SECONDS


def test_without_it_nothing_is_waited_for(sent: WorkflowHarness, pauses: Pauses) -> None:
    assert sent.run("collect").outputs["status"] == "pending"
    assert pauses == []


def test_a_broken_network_ends_no_wait(sent: WorkflowHarness, pauses: Pauses) -> None:
    away = {"status": 500, "headers": {"x-should-retry": "false"}}
    sent.sandbox.faults.add("status", service="anthropic", path=ONE, times=2, **away)
    before = asked(sent)
    done = sent.run("collect", wait_minutes="10")
    assert done.outputs["status"] == "collected"
    assert asked(sent) - before > 2
    assert pauses == [5.0, 10.0, 20.0, 40.0]


def test_a_network_failure_until_the_end_is_reported(sent: WorkflowHarness, pauses: Pauses) -> None:
    away = {"status": 500, "headers": {"x-should-retry": "false"}}
    sent.sandbox.faults.add("status", service="anthropic", path=ONE, times=99, **away)
    pauses.last = None
    done = sent.run("collect", wait_minutes="0.5")
    assert done.exit == 4
    assert "500" in "".join(done.annotations("error"))
    assert pauses
