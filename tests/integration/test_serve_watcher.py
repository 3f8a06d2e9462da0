"""The watcher: one question for many batches, patient, polite, and through the same door."""

from collections.abc import Iterator

import pytest

from batch_action.models.dispatch import DeliverySource, DispatchStatus
from batch_action.server.watcher import IDLE
from tests.harness.serve import file_for, open_service, runs, submit
from tests.harness.workflow import HOUR, WorkflowHarness

LIST = "/v1/messages/batches"


@pytest.fixture
def slow_night(workflow: WorkflowHarness) -> Iterator[WorkflowHarness]:
    """A night whose batches end when told."""
    workflow.sandbox.claude.hold = True
    yield workflow
    workflow.sandbox.claude.hold = False


def asked(workflow: WorkflowHarness) -> int:
    """How often Anthropic was asked, by whatever call."""
    return sum(call.service == "claude" for call in workflow.sandbox.faults.calls)


def test_an_ended_batch_is_told_as_a_webhook_tells_it(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        service.watcher.round()
        assert service.ctx.store.deliveries.newest(1) == []
        workflow.sandbox.claude.finish(batch)
        assert not service.ctx.arrived.is_set()
        service.watcher.round()
        (delivery,) = service.ctx.store.deliveries.newest(2)
        assert (delivery.notice.source, delivery.notice.event.batch) == (
            DeliverySource.WATCHER,
            batch,
        )
        assert service.ctx.arrived.is_set()
        service.publish(batch)
        service.pass_time(1)
        service.pass_time(60, rounds=3)
        assert service.status() is DispatchStatus.STARTED
    assert len(runs(workflow)) == 1


def test_many_batches_are_one_question(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    first, *rest = [submit(workflow), *(submit(workflow) for _ in range(4))]
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = asked(workflow)
        service.watcher.round()
        assert asked(workflow) - before == 1
        workflow.sandbox.claude.finish(first)
        workflow.sandbox.claude.finish(rest[-1])
        service.watcher.round()
        assert asked(workflow) - before == 2
        requested = service.ctx.store.deliveries.heard_of()
        assert requested == {first, rest[-1]}


def test_without_pending_batches_nobody_is_asked(workflow: WorkflowHarness) -> None:
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = asked(workflow)
        assert service.watcher.round() == IDLE
        assert asked(workflow) == before


def test_a_new_batch_wakes_the_watcher(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert not service.ctx.learnt.is_set()
        submit(workflow)
        service.pass_time(HOUR)
        assert service.ctx.learnt.is_set()


def test_it_asks_less_and_less_often(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        rests = [service.watcher.round() for _ in range(8)]
        assert rests[0] == 5.0
        assert rests[1] > rests[0]
        assert 45.0 <= rests[-1] <= 60.0
        submit(workflow)
        service.pass_time(300)
        assert service.watcher.round() <= 6.0
        workflow.advance(10 * HOUR)
    with open_service(workflow) as service:
        assert 45.0 <= service.watcher.round() <= 60.0


def test_a_rate_limit_is_honoured(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        workflow.sandbox.faults.add(
            "status", service="claude", path=LIST, status=429, headers={"retry-after": "170"}
        )
        before = asked(workflow)
        assert service.watcher.round() == 170.0
        assert asked(workflow) - before == 1
        assert "429" in service.ctx.watching.problem
        workflow.sandbox.claude.finish(batch)
        service.watcher.round()
        assert service.ctx.watching.problem == ""
        assert service.ctx.store.deliveries.heard_of() == {batch}


def test_a_broken_network_is_survived(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    batch = submit(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        for kind in ("drop-before", "drop-after", "truncate"):
            workflow.sandbox.faults.add(kind, service="claude", path=LIST)
            assert service.watcher.round() <= 60.0
            assert service.ctx.watching.problem
        workflow.sandbox.claude.finish(batch)
        service.watcher.round()
        assert service.ctx.store.deliveries.heard_of() == {batch}


def test_a_key_that_is_refused_is_told_and_others_are_asked(slow_night: WorkflowHarness) -> None:
    workflow = slow_night
    submit(workflow)
    web = workflow.run("submit", state_key="web").ids[0]
    file = file_for(workflow, **{"anthropic-api-key-env": "BAD"})
    file["repositories"] += file_for(workflow, **{"state-key": "web"})["repositories"]
    with open_service(workflow, file, environ={"BAD": "sk-ant-invalid"}) as service:
        service.dispatcher.round()
        workflow.sandbox.claude.finish(web)
        assert service.watcher.round() == 60.0
        assert "401" in service.ctx.watching.problem
        assert service.ctx.store.deliveries.heard_of() == {web}
