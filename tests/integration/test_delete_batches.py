"""`delete-batches`: nothing stays at Anthropic once its answers are delivered and saved."""

import pytest

from tests.harness.workflow import BAD, HOUR, WorkflowHarness


@pytest.fixture
def deleting(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.environ["BATCH_ACTION_DELETE_BATCHES"] = "true"
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    return workflow


def deletions(workflow: WorkflowHarness) -> int:
    return sum(call.method == "DELETE" for call in workflow.sandbox.faults.calls)


def test_a_batch_is_deleted_after_its_answers_are_saved(deleting: WorkflowHarness) -> None:
    calls = deleting.sandbox.faults.calls
    start = len(calls)
    assert deleting.run("collect").outputs["findings-count"] == "2"
    made = [(call.method, call.path) for call in calls[start:]]
    deleted = next(n for n, (method, _) in enumerate(made) if method == "DELETE")
    saved = max(n for n, (_, path) in enumerate(made) if path.endswith("/FinalizeArtifact"))
    assert saved < deleted
    assert deleting.batches == []
    again = deleting.run("run")
    assert (again.exit, again.outputs["status"]) == (0, "nothing-to-do")


def test_without_it_nothing_is_deleted(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    before = deletions(workflow)
    workflow.run("collect")
    assert deletions(workflow) == before
    assert len(workflow.batches) == 1


def test_answers_that_are_not_delivered_are_kept(deleting: WorkflowHarness) -> None:
    create = {"service": "github", "path": "/issues$", "method": "POST"}
    deleting.sandbox.faults.add("status", **create, status=500, times=9)
    assert deleting.run("collect").exit == 5
    assert len(deleting.batches) == 1
    deleting.sandbox.faults.clear()
    assert deleting.run("collect").outputs["findings-count"] == "2"
    assert deleting.batches == []


@pytest.mark.parametrize("status", [404, 403, 529])
def test_a_failed_deletion_is_only_reported(deleting: WorkflowHarness, status: int) -> None:
    deleting.sandbox.faults.add(
        "status",
        service="anthropic",
        method="DELETE",
        status=status,
        times=9,
        headers={"x-should-retry": "false"},
    )
    result = deleting.run("collect")
    assert (result.exit, result.outputs["findings-count"]) == (0, "2")
    assert ("was not deleted" in result.summary) == (status != 404)
    deleting.advance(HOUR)
    assert deleting.run("collect").outputs["status"] == "nothing-to-do"
