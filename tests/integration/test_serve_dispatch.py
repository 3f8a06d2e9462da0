"""From a delivery to the workflow run, on the emulated GitHub with faults: at least one run."""

import re

import pytest

from batch_action.errors import ConfigError
from batch_action.server.dispatcher import MAX_REFUSALS
from batch_action.server.store import BatchStatus
from tests.harness.serve import (
    EXAMPLE,
    FILE,
    begin,
    dispatched,
    file_for,
    open_service,
    runs,
    send,
    submit,
)
from tests.harness.workflow import HOUR, WorkflowHarness

POST = r"/dispatches$"
EVENTS = ["workflow_dispatch", "repository_dispatch"]
NIGHTLY_ONLY = "on: {schedule: [{cron: '17 2 * * *'}]}\njobs: {}\n"


def test_an_ended_batch_starts_the_collecting_workflow_once(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        response = service.publish(batch)
        assert (response.status, response.body["batch"]) == (202, batch)
        assert runs(workflow) == []
        service.dispatcher.round()
        (run,) = runs(workflow)
        assert (run.title, run.event, run.head_branch) == (
            f"batch-action {batch}",
            "workflow_dispatch",
            "main",
        )
        assert run.payload["inputs"] == {"batch-id": batch}
        record = service.batch()
        assert (record.status, record.run) == (BatchStatus.STARTED, str(run.id))
        name = workflow.github_repository.full_name
        assert record.url.endswith(f"/{name}/actions/runs/{run.id}")
        assert service.publish(batch).body["status"] == "known"
        assert service.publish(batch, "msg_2").status == 202
        service.pass_time(60, rounds=5)
        assert len(runs(workflow)) == 1


def test_a_workflow_without_a_run_name_is_started_too(workflow: WorkflowHarness) -> None:
    batch = begin(workflow, re.sub("run-name: .*\n", "", EXAMPLE))
    with open_service(workflow) as service:
        service.publish(batch)
        service.pass_time(60, rounds=3)
        assert service.batch().status is BatchStatus.STARTED
    assert dispatched(workflow) == [batch]


def test_a_batch_is_pending_until_its_run_has_collected_it(workflow: WorkflowHarness) -> None:
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert service.batches(BatchStatus.PENDING) == {batch}
        service.publish(batch)
        service.dispatcher.round()
        (run,) = runs(workflow)
        collect = workflow.start(
            "collect", {"event": run.event}, batch_id=run.payload["inputs"]["batch-id"]
        )
        assert collect.outputs["status"] == "collected"
        service.pass_time(HOUR)
        assert service.batch(batch).status is BatchStatus.COLLECTED


def test_a_batch_that_was_collected_is_not_dispatched(workflow: WorkflowHarness) -> None:
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert workflow.run("collect").outputs["status"] == "collected"
        workflow.advance(60)
        service.publish(batch)
        service.dispatcher.round()
        assert service.batch().status is BatchStatus.COLLECTED
    workflow.advance(60)
    with open_service(workflow) as service:
        service.publish(batch, "msg_2")
        service.dispatcher.round()
        assert service.batch().status is BatchStatus.COLLECTED
    assert runs(workflow) == []


def test_a_batch_that_was_collected_before_the_store_knew_it_is_not_dispatched(
    workflow: WorkflowHarness,
) -> None:
    batch = submit(workflow)
    assert workflow.run("collect").outputs["status"] == "collected"
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert service.batch().status is BatchStatus.COLLECTED
    assert runs(workflow) == []


def test_a_restart_loses_nothing(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        assert service.publish(batch).status == 202
    with open_service(workflow) as service:
        assert service.publish(batch).body["status"] == "known"
        service.dispatcher.round()
        assert dispatched(workflow) == [batch]
    with open_service(workflow) as service:
        service.pass_time(60, rounds=3)
    assert len(runs(workflow)) == 1


def test_the_store_belongs_to_one_process(workflow: WorkflowHarness, monkeypatch) -> None:
    monkeypatch.setattr("batch_action.server.store.LOCK_SECONDS", 0.01)
    with (
        open_service(workflow),
        pytest.raises(ConfigError, match="Another process uses the store"),
        open_service(workflow),
    ):
        pass


@pytest.mark.parametrize("event", EVENTS)
def test_after_a_lost_response_a_second_run_is_started(
    workflow: WorkflowHarness, event: str
) -> None:
    batch = begin(workflow)
    workflow.sandbox.faults.add("drop-after", method="POST", path=POST)
    with open_service(workflow, file_for(workflow, event=event)) as service:
        service.publish(batch)
        service.dispatcher.round()
        record = service.batch()
        assert (record.status, record.tries) == (BatchStatus.ENDED, 1)
        assert record.note
        assert dispatched(workflow) == [batch]
        service.pass_time(6)
        assert service.batch().status is BatchStatus.STARTED
        service.pass_time(60, rounds=5)
    assert dispatched(workflow) == [batch, batch]


def test_after_a_lost_response_nothing_is_started_once_the_run_has_collected(
    workflow: WorkflowHarness,
) -> None:
    batch = submit(workflow)
    workflow.sandbox.faults.add("drop-after", method="POST", path=POST)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert dispatched(workflow) == [batch]
        assert workflow.run("collect", batch_id=batch).outputs["status"] == "collected"
        service.pass_time(30)
        assert service.batch().status is BatchStatus.COLLECTED
        service.pass_time(60, rounds=3)
    assert dispatched(workflow) == [batch]


@pytest.mark.parametrize("event", EVENTS)
def test_a_lost_request_is_sent_again(workflow: WorkflowHarness, event: str) -> None:
    first, second = begin(workflow), send(workflow)
    with open_service(workflow, file_for(workflow, event=event)) as service:
        service.publish(first)
        service.dispatcher.round()
        workflow.sandbox.faults.add("drop-before", method="POST", path=POST)
        service.publish(second, "msg_2")
        service.dispatcher.round()
        assert service.batch(second).status is BatchStatus.ENDED
        service.pass_time(6)
        assert service.batches(BatchStatus.STARTED) == {first, second}
        service.pass_time(60, rounds=3)
    assert dispatched(workflow) == [first, second]


def test_a_refusal_is_tried_again_and_then_shown_as_failed(workflow: WorkflowHarness) -> None:
    batch = begin(workflow, NIGHTLY_ONLY)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        record = service.batch()
        assert (record.status, record.tries) == (BatchStatus.ENDED, 1)
        assert "Workflow does not have 'workflow_dispatch' trigger" in record.note
        service.pass_time(HOUR / 4, rounds=MAX_REFUSALS)
        record = service.batch()
        assert (record.status, record.tries) == (BatchStatus.FAILED, MAX_REFUSALS)
        workflow.commit({FILE: EXAMPLE})
        service.pass_time(HOUR, rounds=2)
        assert service.batch().status is BatchStatus.FAILED
        service.publish(batch, "msg_2")
        service.dispatcher.round()
        assert service.batch().status is BatchStatus.STARTED
    assert len(runs(workflow)) == 1


def test_a_failed_batch_that_a_scheduled_run_collects_is_not_failed_any_more(
    workflow: WorkflowHarness,
) -> None:
    batch = submit(workflow)
    workflow.commit({FILE: NIGHTLY_ONLY})
    with open_service(workflow) as service:
        service.publish(batch)
        service.pass_time(HOUR / 4, rounds=MAX_REFUSALS)
        assert service.batch().status is BatchStatus.FAILED
        assert workflow.run("collect").outputs["status"] == "collected"
        service.pass_time(HOUR)
        assert service.batch().status is BatchStatus.COLLECTED


def test_a_repaired_workflow_is_started_by_a_later_try(workflow: WorkflowHarness) -> None:
    batch = begin(workflow, NIGHTLY_ONLY)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        workflow.commit({FILE: EXAMPLE})
        service.pass_time(60)
        assert service.batch().status is BatchStatus.STARTED


def test_a_rate_limit_is_waited_for(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        limit = {"status": 429, "headers": {"Retry-After": "300"}}
        workflow.sandbox.faults.add("status", method="POST", path=POST, **limit)
        service.publish(batch)
        service.dispatcher.round()
        service.pass_time(60, rounds=4)
        assert runs(workflow) == []
        service.pass_time(61)
        assert service.batch().status is BatchStatus.STARTED


def test_after_a_day_without_success_it_is_given_up(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        service.publish(batch)
        limit = {"status": 403, "headers": {"Retry-After": "300"}}
        workflow.sandbox.faults.add("status", service="github", times=10_000, **limit)
        service.pass_time(60)
        record = service.batch()
        assert (record.status, record.tries) == (BatchStatus.ENDED, 1)
        service.pass_time(HOUR, rounds=MAX_REFUSALS)
        assert service.batch().status is BatchStatus.ENDED
        service.pass_time(25 * HOUR)
        assert service.batch().status is BatchStatus.FAILED


def test_the_other_event_starts_the_workflow_too(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow, file_for(workflow, event="repository_dispatch")) as service:
        service.publish(batch)
        service.dispatcher.round()
        (run,) = runs(workflow)
        assert (run.title, run.event) == (f"batch-action {batch}", "repository_dispatch")
        assert run.payload["client_payload"] == {"batch-id": batch}
        record = service.batch()
        assert (record.status, record.run, record.url) == (BatchStatus.STARTED, "", "")
        second = send(workflow)
        workflow.advance(60)
        service.publish(second, "msg_2")
        service.pass_time(60, rounds=2)
    assert dispatched(workflow) == [batch, second]


def test_branch_and_workflow_can_be_chosen(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/workflows/collect.yaml": EXAMPLE})
    workflow.repo.git("branch", "release")
    batch = begin(workflow)
    with open_service(
        workflow, file_for(workflow, workflow="collect.yaml", ref="release")
    ) as service:
        service.publish(batch)
        service.dispatcher.round()
    (run,) = runs(workflow)
    assert (run.workflow_path, run.head_branch) == (".github/workflows/collect.yaml", "release")


def test_a_repository_that_left_the_file_and_came_back(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.publish(batch)
        workflow.sandbox.faults.add("status", method="POST", path=POST, status=422, times=2)
        service.dispatcher.round()
        pending = send(workflow)
        service.pass_time(301)
        assert service.batches() == {batch, pending}
    with open_service(workflow, file_for(workflow, tasks=["security-scan"])) as service:
        service.pass_time(60)
        assert service.batch().status is BatchStatus.ENDED
        service.pass_time(1800)
        record = service.batch(batch)
        assert (record.status, record.ledger) == (BatchStatus.FAILED, "")
        assert "Is its repository, task and state key in the file?" in record.note
    with open_service(workflow) as service:
        service.pass_time(60)
        assert service.batches(BatchStatus.STARTED) == {batch}
        assert service.batches(BatchStatus.PENDING) == {pending}
    assert dispatched(workflow) == [batch]


def test_a_bug_about_one_batch_does_not_hold_up_another(
    workflow: WorkflowHarness, monkeypatch
) -> None:
    first, second = begin(workflow), send(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        start = service.dispatcher._start

        def fail_for_the_first(batch):
            if batch.id == first:
                raise ZeroDivisionError
            start(batch)

        monkeypatch.setattr(service.dispatcher, "_start", fail_for_the_first)
        service.publish(first)
        service.publish(second, "msg_2")
        service.dispatcher.round()
        assert dispatched(workflow) == [second]
        assert "ZeroDivisionError" in service.batch(first).note
        monkeypatch.undo()
        service.pass_time(HOUR)
    assert dispatched(workflow) == [second, first]
