"""From a delivery to the one workflow run: against the emulated GitHub, with every mishap."""

import re

import pytest

from batch_action.errors import ConfigError
from batch_action.models.dispatch import Fate
from batch_action.server.dispatcher import MOST_REFUSALS
from tests.nights import HOUR, Night
from tests.serving import EXAMPLE, FILE, SETTLE, begin, file_for, open_service, runs, send, submit

POST = r"/actions/workflows/[^/]+/dispatches$"
LISTS = r"/actions/artifacts$"
NAMELESS = re.sub("run-name: .*\n", "", EXAMPLE)
NIGHTLY_ONLY = "on: {schedule: [{cron: '17 2 * * *'}]}\njobs: {}\n"


def titles(night: Night) -> list[str]:
    return [run.title for run in runs(night)]


def test_an_ended_batch_starts_the_collecting_workflow_once(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        reply = service.deliver(batch)
        assert (reply.status, reply.told["batch"]) == (202, batch)
        assert runs(night) == []
        service.dispatcher.round()
        (run,) = runs(night)
        assert (run.title, run.event, run.head_branch) == (
            f"batch-action {batch}",
            "workflow_dispatch",
            "main",
        )
        assert run.payload["inputs"] == {"batch-id": batch}
        (one,) = service.dispatches()
        assert (one.fate, one.run) == (Fate.STARTED, str(run.id))
        assert one.url.endswith(f"/{night.hub.full_name}/actions/runs/{run.id}")
        assert service.deliver(batch).told["status"] == "known"
        assert service.deliver(batch, "msg_2").status == 202
        service.pass_time(60, rounds=5)
        assert len(runs(night)) == 1


def test_what_the_run_collects_is_waited_for_no_more(night: Night) -> None:
    batch = submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        assert [one.batch for one in service.station.store.waiting.all()] == [batch]
        service.deliver(batch)
        service.dispatcher.round()
        (run,) = runs(night)
        done = night.start(
            "collect", {"event": run.event}, batch_id=run.payload["inputs"]["batch-id"]
        )
        assert done.outputs["status"] == "collected"
        service.pass_time(HOUR)
        assert service.station.store.waiting.all() == []


def test_a_batch_that_was_collected_is_not_dispatched(night: Night) -> None:
    batch = submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        assert night.run("collect").outputs["status"] == "collected"
        night.advance(60)
        service.deliver(batch)
        service.dispatcher.round()
        assert service.fate() is Fate.COLLECTED
    night.advance(60)
    with open_service(night) as service:
        service.deliver(batch, "msg_2")
        service.dispatcher.round()
        assert service.fate() is Fate.COLLECTED
    assert runs(night) == []


def test_a_restart_forgets_nothing(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        assert service.deliver(batch).status == 202
    with open_service(night) as service:
        assert service.deliver(batch).told["status"] == "known"
        service.dispatcher.round()
        assert titles(night) == [f"batch-action {batch}"]
    with open_service(night) as service:
        service.pass_time(60, rounds=3)
    assert len(runs(night)) == 1


def test_the_store_belongs_to_one_process(night: Night, monkeypatch) -> None:
    monkeypatch.setattr("batch_action.server.store.LOCK_SECONDS", 0.01)
    with (
        open_service(night),
        pytest.raises(ConfigError, match="Another process uses the store"),
        open_service(night),
    ):
        pass


@pytest.mark.parametrize("workflow", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_a_lost_answer_is_looked_up(night: Night, workflow: str) -> None:
    batch = begin(night, workflow)
    night.sandbox.faults.add("drop-after", method="POST", path=POST)
    with open_service(night) as service:
        service.deliver(batch)
        service.dispatcher.round()
        assert service.fate() is Fate.SENDING
        service.pass_time(6)
        (one,) = service.dispatches()
        assert (one.fate, one.run) == (Fate.STARTED, str(runs(night)[0].id))
        service.pass_time(SETTLE, rounds=2)
    assert len(runs(night)) == 1


@pytest.mark.parametrize("workflow", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_a_lost_request_is_sent_again_when_no_run_came_of_it(night: Night, workflow: str) -> None:
    batch = begin(night, workflow)
    night.sandbox.faults.add("drop-before", method="POST", path=POST)
    with open_service(night) as service:
        service.deliver(batch)
        service.dispatcher.round()
        service.pass_time(10, rounds=5)
        assert runs(night) == []
        service.pass_time(SETTLE)
        assert service.fate() is Fate.STARTED
    assert len(runs(night)) == 1


def test_a_run_that_is_listed_late_is_waited_for(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        night.sandbox.github.list_lag = SETTLE / 2
        night.sandbox.faults.add("drop-after", method="POST", path=POST)
        service.deliver(batch)
        service.dispatcher.round()
        service.pass_time(SETTLE / 5, rounds=5)
        assert service.fate() is Fate.STARTED
    assert len(runs(night)) == 1


@pytest.mark.parametrize("workflow", [EXAMPLE, NAMELESS], ids=["named", "nameless"])
def test_another_batch_s_run_is_not_taken_for_ours(night: Night, workflow: str) -> None:
    first, second = begin(night, workflow), send(night)
    with open_service(night) as service:
        service.deliver(first)
        service.dispatcher.round()
        night.sandbox.faults.add("drop-before", method="POST", path=POST)
        service.deliver(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE + 1)
    assert [run.payload["inputs"]["batch-id"] for run in runs(night)] == [first, second]


def test_a_refusal_is_tried_again_and_then_shown_as_failed(night: Night) -> None:
    batch = begin(night, NIGHTLY_ONLY)
    with open_service(night) as service:
        service.deliver(batch)
        service.dispatcher.round()
        (one,) = service.dispatches()
        assert (one.fate, one.tries) == (Fate.DUE, 1)
        assert "Workflow does not have 'workflow_dispatch' trigger" in one.note
        service.pass_time(HOUR / 4, rounds=MOST_REFUSALS)
        (one,) = service.dispatches()
        assert (one.fate, one.tries) == (Fate.FAILED, MOST_REFUSALS)
        night.commit({FILE: EXAMPLE})
        service.pass_time(HOUR, rounds=2)
        assert service.fate() is Fate.FAILED
        service.deliver(batch, "msg_2")
        service.dispatcher.round()
        assert service.fate() is Fate.STARTED
    assert len(runs(night)) == 1


def test_a_repaired_workflow_is_started_by_a_later_try(night: Night) -> None:
    batch = begin(night, NIGHTLY_ONLY)
    with open_service(night) as service:
        service.deliver(batch)
        service.dispatcher.round()
        night.commit({FILE: EXAMPLE})
        service.pass_time(60)
        assert service.fate() is Fate.STARTED


def test_a_rate_limit_is_waited_for(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        limit = {"status": 429, "headers": {"Retry-After": "300"}}
        night.sandbox.faults.add("status", method="POST", path=POST, **limit)
        service.deliver(batch)
        service.dispatcher.round()
        service.pass_time(60, rounds=4)
        assert runs(night) == []
        service.pass_time(61)
        assert service.fate() is Fate.STARTED


def test_after_a_day_without_an_answer_it_is_given_up(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        service.dispatcher.round()
        service.deliver(batch)
        limit = {"status": 403, "headers": {"Retry-After": "300"}}
        night.sandbox.faults.add("status", service="github", times=10_000, **limit)
        service.pass_time(60)
        (one,) = service.dispatches()
        assert (one.fate, one.tries) == (Fate.DUE, 1)
        service.pass_time(HOUR, rounds=MOST_REFUSALS)
        assert service.fate() is Fate.DUE
        service.pass_time(25 * HOUR)
        assert service.fate() is Fate.FAILED


def test_the_other_event_starts_it_too(night: Night) -> None:
    batch = begin(night)
    with open_service(night, file_for(night, event="repository_dispatch")) as service:
        night.sandbox.faults.add("drop-after", method="POST", path="/dispatches$")
        service.deliver(batch)
        service.dispatcher.round()
        service.pass_time(6)
        (run,) = runs(night)
        assert (run.title, run.event) == (f"batch-action {batch}", "repository_dispatch")
        assert run.payload["client_payload"] == {"batch-id": batch}
        second = send(night)
        night.advance(60)
        service.deliver(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE, rounds=2)
    assert titles(night) == [f"batch-action {batch}", f"batch-action {second}"]


def test_an_unnamed_run_of_the_other_event_proves_nothing(night: Night) -> None:
    batch, second = begin(night, NAMELESS), send(night)
    with open_service(night, file_for(night, event="repository_dispatch")) as service:
        service.deliver(batch)
        service.dispatcher.round()
        night.sandbox.faults.add("drop-before", method="POST", path="/dispatches$")
        service.deliver(second, "msg_2")
        service.dispatcher.round()
        service.pass_time(SETTLE + 1)
    told = [run.payload["client_payload"]["batch-id"] for run in runs(night)]
    assert told == [batch, second]


def test_branch_and_workflow_can_be_chosen(night: Night) -> None:
    night.commit({".github/workflows/wake.yaml": EXAMPLE})
    night.repo.git("branch", "release")
    batch = begin(night)
    with open_service(night, file_for(night, workflow="wake.yaml", ref="release")) as service:
        service.deliver(batch)
        service.dispatcher.round()
    (run,) = runs(night)
    assert (run.workflow_path, run.head_branch) == (".github/workflows/wake.yaml", "release")


def test_a_place_that_left_the_file_is_told(night: Night) -> None:
    batch = begin(night)
    with open_service(night) as service:
        service.deliver(batch)
        night.sandbox.faults.add("status", method="POST", path=POST, status=422)
        service.dispatcher.round()
    with open_service(night, file_for(night, tasks=["security-scan"])) as service:
        service.pass_time(60)
        (one,) = service.dispatches()
        assert one.fate is Fate.FAILED
        assert "is not in the file any more" in one.note
        assert service.station.store.waiting.all() == []


def test_a_bug_about_one_batch_does_not_hold_up_another(night: Night, monkeypatch) -> None:
    first, second = begin(night), send(night)
    with open_service(night) as service:
        service.dispatcher.round()
        send_it = service.dispatcher._send

        def stumble(one, shelf):
            if one.batch == first:
                raise ZeroDivisionError
            send_it(one, shelf)

        monkeypatch.setattr(service.dispatcher, "_send", stumble)
        service.deliver(first)
        service.deliver(second, "msg_2")
        service.dispatcher.round()
        assert titles(night) == [f"batch-action {second}"]
        monkeypatch.undo()
        service.pass_time(HOUR)
        assert titles(night)[1:] == [f"batch-action {first}"]
