"""The watcher: one question for many batches, patient, polite, and through the same door."""

from collections.abc import Iterator

import pytest

from batch_action.models.dispatch import Fate, Source
from batch_action.server.watcher import IDLE
from tests.nights import HOUR, Night
from tests.serving import file_for, open_service, runs, submit

LIST = "/v1/messages/batches"


@pytest.fixture
def slow_night(night: Night) -> Iterator[Night]:
    """A night whose batches end when told."""
    night.sandbox.claude.hold = True
    yield night
    night.sandbox.claude.hold = False


def asked(night: Night) -> int:
    """How often Anthropic was asked, by whatever call."""
    return sum(call.service == "claude" for call in night.sandbox.faults.calls)


def test_an_ended_batch_is_told_as_a_webhook_tells_it(slow_night: Night) -> None:
    night = slow_night
    batch = submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        service.watcher.round()
        assert service.station.store.arrivals.newest(1) == []
        night.sandbox.claude.finish(batch)
        assert not service.station.arrived.is_set()
        service.watcher.round()
        (delivery,) = service.station.store.arrivals.newest(2)
        assert (delivery.notice.source, delivery.notice.event.batch) == (Source.WATCHER, batch)
        assert service.station.arrived.is_set()
        service.deliver(batch)
        service.pass_time(1)
        service.pass_time(60, rounds=3)
        assert service.fate() is Fate.STARTED
    assert len(runs(night)) == 1


def test_many_batches_are_one_question(slow_night: Night) -> None:
    night = slow_night
    first, *rest = [submit(night), *(submit(night) for _ in range(4))]
    with open_service(night) as service:
        service.dispatcher.round()
        before = asked(night)
        service.watcher.round()
        assert asked(night) - before == 1
        night.sandbox.claude.finish(first)
        night.sandbox.claude.finish(rest[-1])
        service.watcher.round()
        assert asked(night) - before == 2
        heard = service.station.store.arrivals.heard_of()
        assert heard == {first, rest[-1]}


def test_without_pending_batches_nobody_is_asked(night: Night) -> None:
    with open_service(night) as service:
        service.dispatcher.round()
        before = asked(night)
        assert service.watcher.round() == IDLE
        assert asked(night) == before


def test_a_new_batch_wakes_the_watcher(slow_night: Night) -> None:
    night = slow_night
    with open_service(night) as service:
        service.dispatcher.round()
        assert not service.station.learnt.is_set()
        submit(night)
        service.pass_time(HOUR)
        assert service.station.learnt.is_set()


def test_it_asks_less_and_less_often(slow_night: Night) -> None:
    night = slow_night
    submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        rests = [service.watcher.round() for _ in range(8)]
        assert rests[0] == 5.0
        assert rests[1] > rests[0]
        assert 45.0 <= rests[-1] <= 60.0
        submit(night)
        service.pass_time(300)
        assert service.watcher.round() <= 6.0
        night.advance(10 * HOUR)
    with open_service(night) as service:
        assert 45.0 <= service.watcher.round() <= 60.0


def test_a_rate_limit_is_honoured(slow_night: Night) -> None:
    night = slow_night
    batch = submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        night.sandbox.faults.add(
            "status", service="claude", path=LIST, status=429, headers={"retry-after": "170"}
        )
        before = asked(night)
        assert service.watcher.round() == 170.0
        assert asked(night) - before == 1
        assert "429" in service.station.watching.problem
        night.sandbox.claude.finish(batch)
        service.watcher.round()
        assert service.station.watching.problem == ""
        assert service.station.store.arrivals.heard_of() == {batch}


def test_a_broken_network_is_survived(slow_night: Night) -> None:
    night = slow_night
    batch = submit(night)
    with open_service(night) as service:
        service.dispatcher.round()
        for kind in ("drop-before", "drop-after", "truncate"):
            night.sandbox.faults.add(kind, service="claude", path=LIST)
            assert service.watcher.round() <= 60.0
            assert service.station.watching.problem
        night.sandbox.claude.finish(batch)
        service.watcher.round()
        assert service.station.store.arrivals.heard_of() == {batch}


def test_a_key_that_is_refused_is_told_and_others_are_asked(slow_night: Night) -> None:
    night = slow_night
    submit(night)
    web = night.run("submit", state_key="web").ids[0]
    file = file_for(night, **{"anthropic-api-key-env": "BAD"})
    file["repositories"] += file_for(night, **{"state-key": "web"})["repositories"]
    with open_service(night, file, environ={"BAD": "sk-ant-invalid"}) as service:
        service.dispatcher.round()
        night.sandbox.claude.finish(web)
        assert service.watcher.round() == 60.0
        assert "401" in service.station.watching.problem
        assert service.station.store.arrivals.heard_of() == {web}
