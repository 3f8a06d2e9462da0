"""The ledgers that `serve` reads with the trust of every run: which repository sent a batch."""

import json

import pytest

from batch_action.errors import ConfigError
from batch_action.server.store import BatchStatus
from tests.harness.pull_requests import PullRequestHarness
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
from tests.harness.workflow import BAD, HOUR, WorkflowHarness

FEATURE = {"event": "push", "branch": "feature"}


def log_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_batch_that_no_ledger_names_is_searched_for_and_then_given_up(
    workflow: WorkflowHarness, capsys
) -> None:
    known = begin(workflow)
    with open_service(workflow) as service:
        service.publish("msgbatch_stranger")
        calls = len(workflow.sandbox.faults.calls)
        service.dispatcher.round()
        service.dispatcher.round()
        assert len(workflow.sandbox.faults.calls) - calls < 20
        service.pass_time(300, rounds=7)
        assert service.batches(BatchStatus.FAILED) == {"msgbatch_stranger"}
        assert service.batches(BatchStatus.PENDING) == {known}
        assert service.publish("msgbatch_stranger").body["status"] == "known"
    problems = [line.get("problem", "") for line in log_of(capsys)]
    assert sum("names this batch" in problem for problem in problems) == 1
    assert runs(workflow) == []


def test_a_ledger_that_names_a_batch_later_brings_it_back(workflow: WorkflowHarness) -> None:
    begin(workflow, "on: {schedule: [{cron: '17 2 * * *'}]}\njobs: {}\n")
    with open_service(workflow) as service:
        service.dispatcher.round()
        batch = send(workflow)
        service.publish(batch)
        workflow.sandbox.github.list_lag = 40 * HOUR
        service.pass_time(300, rounds=8)
        service.pass_time(25 * HOUR)
        assert service.batches(BatchStatus.FAILED) == {batch}
        workflow.sandbox.github.list_lag = 0.0
        service.pass_time(300)
        # The search was long, and is forgotten: a refusal is tried again as for any other batch.
        record = service.batch(batch)
        assert (record.status, record.tries) == (BatchStatus.ENDED, 1)
        workflow.commit({FILE: EXAMPLE})
        service.pass_time(60)
        assert service.batch(batch).status is BatchStatus.STARTED
    assert dispatched(workflow) == [batch]


def test_a_batch_is_not_given_up_while_a_ledger_cannot_be_read(workflow: WorkflowHarness) -> None:
    begin(workflow)
    file = file_for(workflow)
    file["repositories"].append({"repository": "octo/gone", "token-env": "TOKEN"})
    with open_service(workflow, file) as service:
        service.publish("msgbatch_of_gone")
        service.pass_time(900, rounds=8)
        assert service.batches(BatchStatus.FAILED) == set()
        assert service.batches(BatchStatus.ENDED) == {"msgbatch_of_gone"}


def test_a_delivery_may_be_faster_than_the_ledger(workflow: WorkflowHarness) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        batch = send(workflow)
        service.publish(batch)
        workflow.sandbox.github.list_lag = 30.0
        service.pass_time(1)
        assert service.batch(batch).status is BatchStatus.ENDED
        service.pass_time(45, rounds=2)
        assert service.batch(batch).status is BatchStatus.STARTED
    assert dispatched(workflow) == [batch]


def test_a_ledger_of_a_branch_or_a_fork_starts_nothing(workflow: WorkflowHarness, capsys) -> None:
    batch = begin(workflow)
    workflow.repo.git("branch", "feature")
    (ours,) = workflow.artifacts
    workflow.github_repository.artifacts.clear()
    for how in (FEATURE, {"event": "pull_request", "head_repository": "mallory/demo"}):
        run = workflow.open(how)
        workflow.github_repository.artifacts.append(
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
        assert runs(workflow) == []
    with open_service(workflow, file_for(workflow, **{"state-branch": "feature"})) as service:
        service.pass_time(60, rounds=3)
        assert service.batch().status is BatchStatus.STARTED
    refused = [line["problem"] for line in log_of(capsys) if "refused" in line.get("problem", "")]
    assert sum("a fork" in reason for reason in refused) == 2
    assert sum("`state-branch: feature` would accept it" in reason for reason in refused) == 1


def test_batches_of_pull_requests_are_dispatched_when_configured(
    workflow: WorkflowHarness,
) -> None:
    begin(workflow)
    PullRequestHarness.open(workflow, {"app.js": BAD}, "topic")
    own = {"event": "pull_request", "branch": "topic"}
    name = "batch-action-code-review-pr-a"
    batch = send(workflow, own, 1, name=name)
    send(workflow, {**own, "head_repository": "mallory/demo"}, 1, name=name)
    send(workflow, {**own, "branch": "other"}, 1, name=name)
    with open_service(workflow) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert service.batch(batch).status is BatchStatus.ENDED
    workflow.advance(60)
    with open_service(workflow, file_for(workflow, **{"pull-requests": True})) as service:
        service.dispatcher.round()
        record = service.batch(batch)
        assert record.status is BatchStatus.STARTED
        repository = workflow.github_repository.full_name
        assert record.ledger == f"{repository}/code-review/pull-requests"
        assert len(service.batches()) == 2
    assert dispatched(workflow) == [batch]


def test_signed_ledgers_need_their_secret(workflow: WorkflowHarness) -> None:
    workflow.inputs["state_secret"] = "a secret of the state"
    batch = submit(workflow)
    environ = {"NEW": "another secret", "OLD": "a secret of the state"}
    with open_service(
        workflow, file_for(workflow, **{"state-secret-env": "NEW"}), environ=environ
    ) as service:
        service.publish(batch)
        service.dispatcher.round()
        assert service.batch().ledger == ""
    both = {"state-secret-env": "NEW", "state-secret-previous-env": "OLD"}
    with open_service(workflow, file_for(workflow, **both), environ=environ) as service:
        service.pass_time(60)
        assert service.batch().status is BatchStatus.STARTED


def test_tasks_and_state_keys_have_ledgers_of_their_own(workflow: WorkflowHarness) -> None:
    begin(workflow)
    web = submit(workflow, state_key="web")
    scan = submit(workflow, task="security-scan")
    file = file_for(workflow, tasks=["security-scan"])
    file["repositories"] += file_for(workflow, **{"state-keys": "web"})["repositories"]
    with open_service(workflow, file) as service:
        service.dispatcher.round()
        name = workflow.github_repository.full_name
        assert {service.batch(batch).ledger: batch for batch in service.batches()} == {
            f"{name}/security-scan": scan,
            f"{name}/code-review/web": web,
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
        record = service.batch()
        assert (record.repository, record.status) == (
            workflow.github_repository.full_name,
            BatchStatus.STARTED,
        )
        service.pass_time(60, rounds=3)
        first, second = service.dispatcher.ledgers.by_name.values()
        assert "It does not exist" in first.problem
        assert second.problem == ""
    problems = [line for line in log_of(capsys) if line.get("ledger") == "octo/gone/code-review"]
    assert len(problems) == 1


def test_a_ledger_is_opened_once(workflow: WorkflowHarness) -> None:
    begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        before = len(workflow.sandbox.faults.calls)
        service.pass_time(HOUR)
        paths = [call.path for call in workflow.sandbox.faults.calls[before:]]
        assert paths
        assert not [path for path in paths if path.endswith("/zip")]


def test_a_repository_with_the_same_name_is_another_one(workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        service.dispatcher.round()
        assert service.batches(BatchStatus.PENDING) == {batch}
        workflow.github_repository.id += 7
        service.pass_time(HOUR)
        assert service.batches(BatchStatus.PENDING) == set()
        service.publish(batch)
        service.pass_time(60)
    assert runs(workflow) == []


@pytest.mark.parametrize(
    ("config", "environ", "message"),
    [
        ({"token-env": "MISSING"}, {}, "needs the variable MISSING, which is not set"),
        ({"state-secret-env": "MISSING"}, {}, "needs the variable MISSING, which is not set"),
        ({"token-env": "TWO"}, {"TWO": "a\nb"}, "`TWO` contains a line break"),
        ({"api-url": "http://"}, {}, "is no URL"),
        ({"anthropic-api-key-env": "MISSING"}, {}, "`--watch` needs the variable MISSING"),
    ],
)
def test_what_is_missing_is_reported_at_the_start(
    workflow: WorkflowHarness, config, environ, message
) -> None:
    with (
        pytest.raises(ConfigError, match=message),
        open_service(workflow, file_for(workflow, **config), environ=environ),
    ):
        pass
