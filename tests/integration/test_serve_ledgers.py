"""Whose batch it is: learnt from the repositories' own ledgers, with the trust of every run."""

import json

import pytest

from batch_action.errors import ConfigError
from batch_action.models.dispatch import DispatchStatus
from tests.harness.serve import begin, file_for, open_service, runs, send, submit
from tests.harness.workflow import HOUR, WorkflowHarness

FEATURE = {"event": "push", "branch": "feature"}


def log_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_batch_that_no_ledger_names_is_looked_for_and_then_let_go(
    workflow: WorkflowHarness, capsys
) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.publish("msgbatch_stranger")
        calls = len(workflow.sandbox.faults.calls)
        service.dispatcher.round()
        service.dispatcher.round()
        assert len(workflow.sandbox.faults.calls) - calls < 20
        service.pass_time(300, rounds=7)
        assert service.ctx.store.deliveries.lost() == {"msgbatch_stranger"}
        assert service.dispatches() == []
        assert service.publish("msgbatch_stranger").told["status"] == "known"
    problems = [line.get("problem", "") for line in log_of(capsys)]
    assert sum("names this batch" in problem for problem in problems) == 1


def test_a_ledger_that_names_it_later_brings_it_back(workflow: WorkflowHarness) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        batch = send(workflow)
        service.publish(batch)
        workflow.sandbox.github.list_lag = 2 * HOUR
        service.pass_time(300, rounds=8)
        assert service.ctx.store.deliveries.lost() == {batch}
        workflow.sandbox.github.list_lag = 0.0
        service.pass_time(300, rounds=2)
        assert service.ctx.store.deliveries.lost() == frozenset()
        assert service.status() is DispatchStatus.STARTED


def test_a_batch_is_not_let_go_while_a_ledger_cannot_be_read(workflow: WorkflowHarness) -> None:
    begin(workflow)
    file = file_for(workflow)
    file["repositories"].append({"repository": "octo/gone", "token-env": "TOKEN"})
    with open_service(workflow, file) as service:
        service.publish("msgbatch_of_gone")
        service.pass_time(900, rounds=8)
        assert service.ctx.store.deliveries.lost() == frozenset()


def test_a_delivery_may_be_faster_than_the_ledger(workflow: WorkflowHarness) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        batch = send(workflow)
        service.publish(batch)
        workflow.sandbox.github.list_lag = 30.0
        service.pass_time(1)
        assert service.dispatches() == []
        service.pass_time(45, rounds=2)
        assert service.status() is DispatchStatus.STARTED


def test_a_ledger_of_a_branch_or_a_fork_wakes_nobody(workflow: WorkflowHarness, capsys) -> None:
    workflow.repo.git("branch", "feature")
    batch = begin(workflow)
    (ours,) = workflow.artifacts
    workflow.hub.artifacts.clear()
    for how in (FEATURE, {"event": "pull_request", "head_repository": "mallory/demo"}):
        run = workflow.open(how)
        workflow.hub.artifacts.append(
            type(ours)(
                **{
                    **{n: getattr(ours, n) for n in ours.__slots__},
                    "id": run.id + 1,
                    "run_id": run.id,
                }
            )
        )
    with open_service(workflow) as service:
        service.publish(batch)
        service.pass_time(60, rounds=3)
        assert service.dispatches() == []
    with open_service(workflow, file_for(workflow, **{"state-branch": "feature"})) as service:
        service.pass_time(60, rounds=3)
        assert service.status() is DispatchStatus.STARTED
    refused = [line["problem"] for line in log_of(capsys) if "refused" in line.get("problem", "")]
    assert sum("a fork" in one for one in refused) == 2
    assert sum("`state-branch: feature` would admit it" in one for one in refused) == 1


def test_batches_of_pull_requests_are_waited_for_when_asked(workflow: WorkflowHarness) -> None:
    begin(workflow)
    own = {"event": "pull_request", "branch": "topic"}
    name = "batch-action-code-review-pr-a"
    batch = send(workflow, own, name=name)
    send(workflow, {**own, "head_repository": "mallory/demo"}, name=name)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert service.dispatches() == []
    workflow.advance(60)
    with open_service(workflow, file_for(workflow, **{"pull-requests": True})) as service:
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.batch, one.status) == (batch, DispatchStatus.STARTED)
        assert one.ledger_name == f"{workflow.hub.full_name}/code-review/pull-requests"
        assert len(service.ctx.store.waiting.all()) == 2


def test_signed_ledgers_need_their_secret(workflow: WorkflowHarness) -> None:
    workflow.inputs["state_secret"] = "a secret of the state"
    batch = submit(workflow)
    environ = {"NEW": "another secret", "OLD": "a secret of the state"}
    with open_service(
        workflow, file_for(workflow, **{"state-secret-env": "NEW"}), environ=environ
    ) as s:
        s.publish(batch)
        s.dispatcher.round()
        assert s.ctx.store.waiting.all() == []
    both = {"state-secret-env": "NEW", "state-secret-previous-env": "OLD"}
    with open_service(workflow, file_for(workflow, **both), environ=environ) as service:
        service.pass_time(60)
        assert service.status() is DispatchStatus.STARTED


def test_tasks_and_state_keys_have_ledgers_of_their_own(workflow: WorkflowHarness) -> None:
    begin(workflow)
    web = submit(workflow, state_key="web")
    scan = submit(workflow, task="security-scan")
    file = file_for(workflow, tasks=["security-scan"])
    file["repositories"] += file_for(workflow, **{"state-key": "web"})["repositories"]
    with open_service(workflow, file) as service:
        service.dispatcher.round()
        waiting = service.ctx.store.waiting.all()
        name = workflow.hub.full_name
        assert {(one.ledger_name, one.batch) for one in waiting} == {
            (f"{name}/security-scan", scan),
            (f"{name}/code-review/web", web),
        }


def test_one_repository_that_cannot_be_read_stops_no_other(
    workflow: WorkflowHarness, capsys
) -> None:
    batch = begin(workflow)
    file = file_for(workflow)
    file["repositories"].insert(0, {"repository": "octo/gone", "token-env": "TOKEN"})
    with open_service(workflow, file) as service:
        service.publish(batch)
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.repository, one.status) == (workflow.hub.full_name, DispatchStatus.STARTED)
        service.pass_time(60, rounds=3)
        first, second = service.dispatcher.ledgers.all()
        assert "It does not exist" in first.problem
        assert second.problem == ""
    problems = [line for line in log_of(capsys) if line.get("shelf") == "octo/gone/code-review"]
    assert len(problems) == 1


def test_a_ledger_is_opened_once(workflow: WorkflowHarness) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = len(workflow.sandbox.faults.calls)
        service.pass_time(HOUR)
        fresh = [call.path for call in workflow.sandbox.faults.calls[before:]]
        assert not [path for path in fresh if path.endswith("/zip")]


def test_a_repository_made_anew_is_another_one(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        workflow.hub.id += 7
        service.pass_time(HOUR)
        assert service.ctx.store.waiting.all() == []
        service.publish(batch)
        service.pass_time(60)
        assert service.dispatches() == []
    assert runs(workflow) == []


@pytest.mark.parametrize(
    ("place", "environ", "said"),
    [
        ({"token-env": "MISSING"}, {}, "names the variable MISSING"),
        ({"state-secret-env": "MISSING"}, {}, "names the variable MISSING"),
        ({"token-env": "TWO"}, {"TWO": "a\nb"}, "`TWO` holds a line break"),
        ({"api-url": "http://"}, {}, "no web address"),
        ({"anthropic-api-key-env": "MISSING"}, {}, "MISSING is not set"),
    ],
)
def test_what_is_missing_is_told_at_the_start(
    workflow: WorkflowHarness, place, environ, said
) -> None:
    with (
        pytest.raises(ConfigError, match=said),
        open_service(workflow, file_for(workflow, **place), environ=environ),
    ):
        pass
