"""The webhook events that `serve` parses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.server.deliveries import MalformedError, parse_event


def read(event: object) -> tuple[str, str | None]:
    return parse_event(json.dumps(event).encode())


@pytest.mark.parametrize(
    ("event", "batch"),
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
def test_the_batch_of_an_event(event: object, batch: str | None) -> None:
    assert read(event)[1] == batch


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "batch.completed", "data": {"id": "b"}}, "batch.completed"),
        ({"type": "event", "data": {"type": "session.status_idled"}}, "session.status_idled"),
    ],
    ids=str,
)
def test_the_type_of_an_event(event: object, kind: str) -> None:
    assert read(event)[0] == kind


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
def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_event(body)


@given(st.binary())
def test_any_body_is_parsed_or_malformed(body: bytes) -> None:
    try:
        parse_event(body)
    except MalformedError:
        return
