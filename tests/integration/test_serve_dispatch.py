"""From a delivery to the one workflow run: against the emulated GitHub, with every mishap."""

import re

import pytest

from batch_action.errors import ConfigError
from batch_action.models.dispatch import DispatchStatus
from batch_action.server.dispatcher import MOST_REFUSALS
from tests.harness.serve import (
    EXAMPLE,
    FILE,
    SETTLE,
    begin,
    file_for,
    open_service,
    runs,
    send,
    submit,
)
from tests.harness.workflow import HOUR, WorkflowHarness

POST = r"/actions/workflows/[^/]+/dispatches$"
LISTS = r"/actions/artifacts$"
NAMELESS = re.sub("run-name: .*\n", "", EXAMPLE)
NIGHTLY_ONLY = "on: {schedule: [{cron: '17 2 * * *'}]}\njobs: {}\n"


def titles(workflow: WorkflowHarness) -> list[str]:
    return [run.title for run in runs(workflow)]


def test_an_ended_batch_starts_the_collecting_workflow_once(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        reply = service.publish(batch)
        assert (reply.status, reply.told["batch"]) == (202, batch)
        assert runs(workflow) == []
        service.dispatcher.round()
        (run,) = runs(workflow)
        assert (run.title, run.event, run.head_branch) == (
            f"batch-action {batch}",
            "workflow_dispatch",
            "main",
        )
        assert run.payload["inputs"] == {"batch-id": batch}
        (one,) = service.dispatches()
        assert (one.status, one.run) == (DispatchStatus.STARTED, str(run.id))
        assert one.url.endswith(f"/{workflow.hub.full_name}/actions/runs/{run.id}")
        assert service.publish(batch).told["status"] == "known"
        assert service.publish(batch, "msg_2").status == 202
        service.pass_time(60, rounds=5)
        assert len(runs(workflow)) == 1


def test_what_the_run_collects_is_waited_for_no_more(workflow: WorkflowHarness) -> None:
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert [one.batch for one in service.ctx.store.waiting.all()] == [batch]
        service.publish(batch)
        service.dispatcher.round()
        (run,) = runs(workflow)
        done = workflow.start(
            "collect", {"event": run.event}, batch_id=run.payload["inputs"]["batch-id"]
        )
        assert done.outputs["status"] == "collected"
        service.pass_time(HOUR)
        assert service.ctx.store.waiting.all() == []


def test_a_batch_that_was_collected_is_not_dispatched(workflow: WorkflowHarness) -> None:
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert workflow.run("collect").outputs["status"] == "collected"
        workflow.advance(60)
        service.publish(batch)
        service.dispatcher.round()
        assert service.status() is DispatchStatus.COLLECTED
    workflow.advance(60)
    with open_service(workflow) as service:
        service.publish(batch, "msg_2")
        service.dispatcher.round()
        assert service.status() is DispatchStatus.COLLECTED
    assert runs(workflow) == []


def test_a_restart_forgets_nothing(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        assert service.publish(batch).status == 202
    with open_service(workflow) as service:
        assert service.publish(batch).told["status"] == "known"
        service.dispatcher.round()
        assert titles(workflow) == [f"batch-action {batch}"]
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


@pytest.mark.parametrize("workflow_file", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_a_lost_answer_is_looked_up(workflow: WorkflowHarness, workflow_file: str) -> None:
    batch = begin(workflow, workflow_file)
    workflow.sandbox.faults.add("drop-after", method="POST", path=POST)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert service.status() is DispatchStatus.SENDING
        service.pass_time(6)
        (one,) = service.dispatches()
        assert (one.status, one.run) == (DispatchStatus.STARTED, str(runs(workflow)[0].id))
        service.pass_time(SETTLE, rounds=2)
    assert len(runs(workflow)) == 1


@pytest.mark.parametrize("workflow_file", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_a_lost_request_is_sent_again_when_no_run_came_of_it(
    workflow: WorkflowHarness, workflow_file: str
) -> None:
    batch = begin(workflow, workflow_file)
    workflow.sandbox.faults.add("drop-before", method="POST", path=POST)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        service.pass_time(10, rounds=5)
        assert runs(workflow) == []
        service.pass_time(SETTLE)
        assert service.status() is DispatchStatus.STARTED
    assert len(runs(workflow)) == 1


def test_a_run_that_is_listed_late_is_waited_for(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        workflow.sandbox.github.list_lag = SETTLE / 2
        workflow.sandbox.faults.add("drop-after", method="POST", path=POST)
        service.publish(batch)
        service.dispatcher.round()
        service.pass_time(SETTLE / 5, rounds=5)
        assert service.status() is DispatchStatus.STARTED
    assert len(runs(workflow)) == 1


@pytest.mark.parametrize("workflow_file", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_another_batch_s_run_is_not_taken_for_ours(
    workflow: WorkflowHarness, workflow_file: str
) -> None:
    first, second = begin(workflow, workflow_file), send(workflow)
    with open_service(workflow) as service:
        service.publish(first)
        service.dispatcher.round()
        workflow.sandbox.faults.add("drop-before", method="POST", path=POST)
        service.publish(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE + 1)
    assert [run.payload["inputs"]["batch-id"] for run in runs(workflow)] == [first, second]


def test_a_refusal_is_tried_again_and_then_shown_as_failed(workflow: WorkflowHarness) -> None:
    batch = begin(workflow, NIGHTLY_ONLY)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.status, one.tries) == (DispatchStatus.DUE, 1)
        assert "Workflow does not have 'workflow_dispatch' trigger" in one.note
        service.pass_time(HOUR / 4, rounds=MOST_REFUSALS)
        (one,) = service.dispatches()
        assert (one.status, one.tries) == (DispatchStatus.FAILED, MOST_REFUSALS)
        workflow.commit({FILE: EXAMPLE})
        service.pass_time(HOUR, rounds=2)
        assert service.status() is DispatchStatus.FAILED
        service.publish(batch, "msg_2")
        service.dispatcher.round()
        assert service.status() is DispatchStatus.STARTED
    assert len(runs(workflow)) == 1


def test_a_repaired_workflow_is_started_by_a_later_try(workflow: WorkflowHarness) -> None:
    batch = begin(workflow, NIGHTLY_ONLY)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        workflow.commit({FILE: EXAMPLE})
        service.pass_time(60)
        assert service.status() is DispatchStatus.STARTED


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
        assert service.status() is DispatchStatus.STARTED


def test_after_a_day_without_an_answer_it_is_given_up(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        service.publish(batch)
        limit = {"status": 403, "headers": {"Retry-After": "300"}}
        workflow.sandbox.faults.add("status", service="github", times=10_000, **limit)
        service.pass_time(60)
        (one,) = service.dispatches()
        assert (one.status, one.tries) == (DispatchStatus.DUE, 1)
        service.pass_time(HOUR, rounds=MOST_REFUSALS)
        assert service.status() is DispatchStatus.DUE
        service.pass_time(25 * HOUR)
        assert service.status() is DispatchStatus.FAILED


def test_the_other_event_starts_it_too(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow, file_for(workflow, event="repository_dispatch")) as service:
        workflow.sandbox.faults.add("drop-after", method="POST", path="/dispatches$")
        service.publish(batch)
        service.dispatcher.round()
        service.pass_time(6)
        (run,) = runs(workflow)
        assert (run.title, run.event) == (f"batch-action {batch}", "repository_dispatch")
        assert run.payload["client_payload"] == {"batch-id": batch}
        second = send(workflow)
        workflow.advance(60)
        service.publish(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE, rounds=2)
    assert titles(workflow) == [f"batch-action {batch}", f"batch-action {second}"]


def test_an_unnamed_run_of_the_other_event_proves_nothing(workflow: WorkflowHarness) -> None:
    batch, second = begin(workflow, NAMELESS), send(workflow)
    with open_service(workflow, file_for(workflow, event="repository_dispatch")) as service:
        service.publish(batch)
        service.dispatcher.round()
        workflow.sandbox.faults.add("drop-before", method="POST", path="/dispatches$")
        service.publish(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE + 1)
    told = [run.payload["client_payload"]["batch-id"] for run in runs(workflow)]
    assert told == [batch, second]


def test_branch_and_workflow_can_be_chosen(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/workflows/wake.yaml": EXAMPLE})
    workflow.repo.git("branch", "release")
    batch = begin(workflow)
    with open_service(workflow, file_for(workflow, workflow="wake.yaml", ref="release")) as service:
        service.publish(batch)
        service.dispatcher.round()
    (run,) = runs(workflow)
    assert (run.workflow_path, run.head_branch) == (".github/workflows/wake.yaml", "release")


def test_a_place_that_left_the_file_is_told(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.publish(batch)
        workflow.sandbox.faults.add("status", method="POST", path=POST, status=422)
        service.dispatcher.round()
    with open_service(workflow, file_for(workflow, tasks=["security-scan"])) as service:
        service.pass_time(60)
        (one,) = service.dispatches()
        assert one.status is DispatchStatus.FAILED
        assert "is not in the file any more" in one.note
        assert service.ctx.store.waiting.all() == []


def test_a_bug_about_one_batch_does_not_hold_up_another(
    workflow: WorkflowHarness, monkeypatch
) -> None:
    first, second = begin(workflow), send(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        send_it = service.dispatcher._send

        def stumble(one, shelf):
            if one.batch == first:
                raise ZeroDivisionError
            send_it(one, shelf)

        monkeypatch.setattr(service.dispatcher, "_send", stumble)
        service.publish(first)
        service.publish(second, "msg_2")
        service.dispatcher.round()
        assert titles(workflow) == [f"batch-action {second}"]
        monkeypatch.undo()
        service.pass_time(HOUR)
        assert titles(workflow)[1:] == [f"batch-action {first}"]
