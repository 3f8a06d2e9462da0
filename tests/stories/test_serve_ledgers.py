"""Whose batch it is: learnt from the repositories' own ledgers, with the trust of every run."""

import json

import pytest

from batch_action.errors import ConfigError
from batch_action.models.dispatch import Fate
from tests.nights import HOUR, Night
from tests.serving import begin, file_for, open_service, runs, send, submit

FEATURE = {"event": "push", "branch": "feature"}


def log_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_batch_that_no_ledger_names_is_looked_for_and_then_let_go(night: Night, capsys) -> None:
    begin(night)
    with open_service(night) as service:
        service.deliver("msgbatch_stranger")
        calls = len(night.sandbox.faults.calls)
        service.dispatcher.round()
        service.dispatcher.round()
        assert len(night.sandbox.faults.calls) - calls < 20
        service.pass_time(300, rounds=7)
        assert service.station.store.arrivals.lost() == {"msgbatch_stranger"}
        assert service.dispatches() == []
        assert service.deliver("msgbatch_stranger").told["status"] == "known"
    problems = [line.get("problem", "") for line in log_of(capsys)]
    assert sum("names this batch" in problem for problem in problems) == 1


def test_a_ledger_that_names_it_later_brings_it_back(night: Night) -> None:
    begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        batch = send(night)
        service.deliver(batch)
        night.sandbox.github.list_lag = 2 * HOUR
        service.pass_time(300, rounds=8)
        assert service.station.store.arrivals.lost() == {batch}
        night.sandbox.github.list_lag = 0.0
        service.pass_time(300, rounds=2)
        assert service.station.store.arrivals.lost() == frozenset()
        assert service.fate() is Fate.STARTED


def test_a_batch_is_not_let_go_while_a_ledger_cannot_be_read(night: Night) -> None:
    begin(night)
    file = file_for(night)
    file["repositories"].append({"repository": "octo/gone", "token-env": "TOKEN"})
    with open_service(night, file) as service:
        service.deliver("msgbatch_of_gone")
        service.pass_time(900, rounds=8)
        assert service.station.store.arrivals.lost() == frozenset()


def test_a_delivery_may_be_faster_than_the_ledger(night: Night) -> None:
    begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        batch = send(night)
        service.deliver(batch)
        night.sandbox.github.list_lag = 30.0
        service.pass_time(1)
        assert service.dispatches() == []
        service.pass_time(45, rounds=2)
        assert service.fate() is Fate.STARTED


def test_a_ledger_of_a_branch_or_a_fork_wakes_nobody(night: Night, capsys) -> None:
    night.repo.git("branch", "feature")
    batch = begin(night)
    (ours,) = night.artifacts
    night.hub.artifacts.clear()
    for how in (FEATURE, {"event": "pull_request", "head_repository": "mallory/demo"}):
        run = night.open(how)
        night.hub.artifacts.append(
            type(ours)(
                **{
                    **{n: getattr(ours, n) for n in ours.__slots__},
                    "id": run.id + 1,
                    "run_id": run.id,
                }
            )
        )
    with open_service(night) as service:
        service.deliver(batch)
        service.pass_time(60, rounds=3)
        assert service.dispatches() == []
    with open_service(night, file_for(night, **{"state-branch": "feature"})) as service:
        service.pass_time(60, rounds=3)
        assert service.fate() is Fate.STARTED
    refused = [line["problem"] for line in log_of(capsys) if "refused" in line.get("problem", "")]
    assert sum("a fork" in one for one in refused) == 2
    assert sum("`state-branch: feature` would admit it" in one for one in refused) == 1


def test_batches_of_pull_requests_are_waited_for_when_asked(night: Night) -> None:
    begin(night)
    own = {"event": "pull_request", "branch": "topic"}
    name = "batch-action-code-review-pr-a"
    batch = send(night, own, name=name)
    send(night, {**own, "head_repository": "mallory/demo"}, name=name)
    with open_service(night) as service:
        service.deliver(batch)
        service.dispatcher.round()
        assert service.dispatches() == []
    night.advance(60)
    with open_service(night, file_for(night, **{"pull-requests": True})) as service:
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.batch, one.fate) == (batch, Fate.STARTED)
        assert one.shelf == f"{night.hub.full_name}/code-review/pull-requests"
        assert len(service.station.store.waiting.all()) == 2


def test_signed_ledgers_need_their_secret(night: Night) -> None:
    night.inputs["state_secret"] = "a secret of the state"
    batch = submit(night)
    environ = {"NEW": "another secret", "OLD": "a secret of the state"}
    with open_service(night, file_for(night, **{"state-secret-env": "NEW"}), environ=environ) as s:
        s.deliver(batch)
        s.dispatcher.round()
        assert s.station.store.waiting.all() == []
    both = {"state-secret-env": "NEW", "state-secret-previous-env": "OLD"}
    with open_service(night, file_for(night, **both), environ=environ) as service:
        service.pass_time(60)
        assert service.fate() is Fate.STARTED


def test_tasks_and_state_keys_have_ledgers_of_their_own(night: Night) -> None:
    begin(night)
    web = submit(night, state_key="web")
    scan = submit(night, task="security-scan")
    file = file_for(night, tasks=["security-scan"])
    file["repositories"] += file_for(night, **{"state-key": "web"})["repositories"]
    with open_service(night, file) as service:
        service.dispatcher.round()
        waiting = service.station.store.waiting.all()
        name = night.hub.full_name
        assert {(one.shelf, one.batch) for one in waiting} == {
            (f"{name}/security-scan", scan),
            (f"{name}/code-review/web", web),
        }


def test_one_repository_that_cannot_be_read_stops_no_other(night: Night, capsys) -> None:
    batch = begin(night)
    file = file_for(night)
    file["repositories"].insert(0, {"repository": "octo/gone", "token-env": "TOKEN"})
    with open_service(night, file) as service:
        service.deliver(batch)
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.repository, one.fate) == (night.hub.full_name, Fate.STARTED)
        service.pass_time(60, rounds=3)
        first, second = service.dispatcher.shelves.all()
        assert "It does not exist" in first.problem
        assert second.problem == ""
    problems = [line for line in log_of(capsys) if line.get("shelf") == "octo/gone/code-review"]
    assert len(problems) == 1


def test_a_ledger_is_opened_once(night: Night) -> None:
    begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        before = len(night.sandbox.faults.calls)
        service.pass_time(HOUR)
        fresh = [call.path for call in night.sandbox.faults.calls[before:]]
        assert not [path for path in fresh if path.endswith("/zip")]


def test_a_repository_made_anew_is_another_one(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        night.hub.id += 7
        service.pass_time(HOUR)
        assert service.station.store.waiting.all() == []
        service.deliver(batch)
        service.pass_time(60)
        assert service.dispatches() == []
    assert runs(night) == []


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
def test_what_is_missing_is_told_at_the_start(night: Night, place, environ, said) -> None:
    with (
        pytest.raises(ConfigError, match=said),
        open_service(night, file_for(night, **place), environ=environ),
    ):
        pass
