"""What a delivery says, when to ask again, and which run is ours."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.dispatch import StartedRun, WebhookEvent
from batch_action.server.backoff import FIRST, LONGEST, LONGEST_RETRY, pause, retry
from batch_action.server.deliveries import MalformedError, event_of
from batch_action.server.dispatcher import recognised


def read(told: object) -> WebhookEvent:
    return event_of(json.dumps(told).encode())


@pytest.mark.parametrize(
    ("told", "batch"),
    [
        ({"type": "batch.completed", "data": {"batch_id": "msgbatch_1"}}, "msgbatch_1"),
        ({"type": "batch.completed", "data": {"id": "msgbatch_1"}}, "msgbatch_1"),
        ({"type": "message_batch.ended", "data": {"id": "msgbatch_1"}}, "msgbatch_1"),
        ({"type": "messages.batch.expired", "data": {"id": "b"}}, "b"),
        ({"type": "message_batch.canceled", "data": {"id": "b", "batch_id": "c"}}, "c"),
        ({"type": "event", "data": {"type": "message_batch.ended", "id": "b"}}, "b"),
        ({"id": "evt", "type": "batch.failed", "data": {"id": "b", "x": [1, {}]}}, "b"),
        ({"type": "message_batch.created", "data": {"id": "b"}}, None),
        ({"type": "session.status_idled", "data": {}}, None),
        ({"type": "event", "data": {"type": "session.status_idled", "id": "s"}}, None),
        ({"type": "my_batch.ended", "data": {"id": "b"}}, None),
        ({"type": "batch.ended.later"}, None),
    ],
    ids=str,
)
def test_what_an_event_is_about(told: object, batch: str | None) -> None:
    assert read(told).batch == batch


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b"null",
        b"1" * 5000,
        b"[" * 100_000,
        b"{}",
        b'{"type": 1}',
        b'{"type": ""}',
        b'{"type": "a\\nb"}',
        b'{"type": "%s"}' % (b"x" * 101),
        b'{"type": "event"}',
        b'{"type": "batch.ended"}',
        b'{"type": "batch.ended", "data": []}',
        b'{"type": "batch.ended", "data": {"id": 7}}',
        b'{"type": "batch.ended", "data": {"id": "a/b"}}',
        b'{"type": "batch.ended", "data": {"id": "a b"}}',
        b'{"type": "batch.ended", "data": {"id": "%s"}}' % (b"x" * 129),
        b'{"type": "batch.ended", "data": {"batch_id": null, "id": "b"}}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(MalformedError):
        event_of(body)


@given(st.binary())
def test_no_body_does_more_than_being_refused(body: bytes) -> None:
    try:
        event_of(body)
    except MalformedError:
        return


ages = st.timedeltas(timedelta(), timedelta(days=2))
chances = st.floats(0, 1)


@given(rounds=st.integers(0, 10**9), age=ages, chance=chances)
def test_a_pause_is_from_5_to_60_seconds(rounds: int, age: timedelta, chance: float) -> None:
    assert FIRST <= pause(rounds, age, chance) <= LONGEST


@given(rounds=st.integers(0, 10), age=ages, chance=chances, more=ages)
def test_pauses_grow_with_rounds_and_age(
    rounds: int, age: timedelta, chance: float, more: timedelta
) -> None:
    assert pause(rounds, age, chance) <= pause(rounds + 1, age, chance)
    assert pause(rounds, age, chance) <= pause(rounds, age + more, chance)


def test_pauses_are_doubled_and_differ() -> None:
    young = timedelta()
    assert [pause(n, young, 0) for n in range(6)] == [5, 10, 20, 40, 60, 60]
    assert pause(0, timedelta(minutes=30), 0) == 30
    assert pause(4, young, 1) == 45


def test_retries_are_doubled_up_to_a_quarter_of_an_hour() -> None:
    assert [retry(n, 0) for n in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert retry(10**9, 0) == LONGEST_RETRY
    assert retry(1, 1) == 3.75


def run(number: int, title: str = "batch-action") -> StartedRun:
    return StartedRun(
        id=str(number), title=title, url="", created_at=f"2026-11-22T02:17:{number:02}Z"
    )


@pytest.mark.parametrize(
    ("titles", "claimed", "nameless", "found"),
    [
        ([], (), 0, None),
        (["batch-action msgbatch_1"], (), 0, "0"),
        (["collect (msgbatch_1)"], (), None, "0"),
        (["msgbatch_11", "a msgbatch_1", "msgbatch_1"], (), 0, "1"),
        (["msgbatch_2"], (), 0, None),
        (["plain"], (), 0, "0"),
        (["plain"], (), None, None),
        (["plain"], ("0",), 0, None),
        (["plain", "plain"], ("0",), 0, "1"),
        (["plain", "plain"], (), 1, "1"),
        (["plain"], (), 1, None),
        (["plain", "msgbatch_1"], (), 0, "1"),
    ],
)
def test_which_run_is_ours(titles, claimed, nameless, found) -> None:
    listed = [run(number, title) for number, title in enumerate(titles)][::-1]
    one = recognised(listed, "msgbatch_1", claimed=claimed, nameless=nameless)
    assert (one.id if one else None) == found
