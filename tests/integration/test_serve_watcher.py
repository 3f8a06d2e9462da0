"""The watcher: one call for many batches, with growing pauses; it reports ends like a webhook."""

from collections.abc import Iterator

import pytest

from batch_action.server.store import BatchStatus
from batch_action.server.watcher import IDLE_SECONDS
from tests.harness.serve import file_for, open_service, runs, submit
from tests.harness.workflow import HOUR, WorkflowHarness

LIST = "/v1/messages/batches"


@pytest.fixture
def held(workflow: WorkflowHarness) -> Iterator[WorkflowHarness]:
    """A workflow whose batches end only when a test finishes them."""
    workflow.sandbox.anthropic.hold = True
    yield workflow
    workflow.sandbox.anthropic.hold = False


def calls(workflow: WorkflowHarness) -> int:
    """Count the calls of Anthropic's API."""
    return sum(call.service == "anthropic" for call in workflow.sandbox.faults.calls)


def test_an_ended_batch_is_a_delivery_like_a_webhook(held: WorkflowHarness) -> None:
    workflow = held
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        service.watcher.round()
        assert service.ctx.store.deliveries(1) == []
        workflow.sandbox.anthropic.finish(batch)
        assert not service.ctx.dispatching.wake.is_set()
        service.watcher.round()
        (delivery,) = service.ctx.store.deliveries(2)
        assert (delivery.source, delivery.batch) == ("watcher", batch)
        assert service.ctx.dispatching.wake.is_set()
        service.publish(batch)
        service.pass_time(1)
        service.pass_time(60, rounds=3)
        service.watcher.round()
        assert service.batch().status is BatchStatus.STARTED
    assert len(runs(workflow)) == 1


def test_many_batches_are_one_call(held: WorkflowHarness) -> None:
    workflow = held
    first, *rest = [submit(workflow), *(submit(workflow) for _ in range(4))]
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = calls(workflow)
        service.watcher.round()
        assert calls(workflow) - before == 1
        workflow.sandbox.anthropic.finish(first)
        workflow.sandbox.anthropic.finish(rest[-1])
        service.watcher.round()
        assert calls(workflow) - before == 2
        assert service.batches(BatchStatus.ENDED) == {first, rest[-1]}


def test_without_pending_batches_there_is_no_call(workflow: WorkflowHarness) -> None:
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = calls(workflow)
        assert service.watcher.round() == IDLE_SECONDS
        assert calls(workflow) == before


def test_a_new_batch_starts_the_watcher_again(held: WorkflowHarness) -> None:
    workflow = held
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert not service.ctx.watching.wake.is_set()
        submit(workflow)
        service.pass_time(HOUR)
        assert service.ctx.watching.wake.is_set()


def test_the_pauses_grow(held: WorkflowHarness) -> None:
    workflow = held
    submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        pauses = [service.watcher.round() for _ in range(8)]
        assert pauses[0] == 5.0
        assert pauses[1] > pauses[0]
        assert 45.0 <= pauses[-1] <= 60.0
        submit(workflow)
        service.pass_time(300)
        assert service.watcher.round() <= 6.0
        workflow.advance(10 * HOUR)
    with open_service(workflow) as service:
        assert 45.0 <= service.watcher.round() <= 60.0


def test_a_rate_limit_is_respected(held: WorkflowHarness) -> None:
    workflow = held
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        workflow.sandbox.faults.add(
            "status", service="anthropic", path=LIST, status=429, headers={"retry-after": "170"}
        )
        before = calls(workflow)
        assert service.watcher.round() == 170.0
        assert calls(workflow) - before == 1
        assert "429" in service.ctx.watching.problem
        workflow.sandbox.anthropic.finish(batch)
        service.watcher.round()
        assert service.ctx.watching.problem == ""
        assert service.batches(BatchStatus.ENDED) == {batch}


def test_a_broken_network_is_reported_and_tried_again(held: WorkflowHarness) -> None:
    workflow = held
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        for kind in ("drop-before", "drop-after", "truncate"):
            workflow.sandbox.faults.add(kind, service="anthropic", path=LIST)
            assert service.watcher.round() <= 60.0
            assert service.ctx.watching.problem
        workflow.sandbox.anthropic.finish(batch)
        service.watcher.round()
        assert service.batches(BatchStatus.ENDED) == {batch}


def test_a_refused_key_is_reported_and_other_workspaces_are_asked(held: WorkflowHarness) -> None:
    workflow = held
    submit(workflow)
    web = workflow.run("submit", state_key="web").ids[0]
    file = file_for(workflow, **{"anthropic-api-key-env": "BAD"})
    file["repositories"] += file_for(workflow, **{"state-keys": "web"})["repositories"]
    with open_service(workflow, file, environ={"BAD": "sk-ant-invalid"}) as service:
        service.dispatcher.round()
        workflow.sandbox.anthropic.finish(web)
        assert service.watcher.round() == 60.0
        assert "401" in service.ctx.watching.problem
        assert service.batches(BatchStatus.ENDED) == {web}
