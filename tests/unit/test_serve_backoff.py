"""The pauses of `serve` between two calls."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from batch_action.server.loop import (
    MAX_POLL_SECONDS,
    MAX_RETRY_SECONDS,
    MIN_SECONDS,
    poll_seconds,
    retry_seconds,
)

ages = st.timedeltas(timedelta(), timedelta(days=2))
jitters = st.floats(0, 1)


@given(rounds=st.integers(0, 10**9), age=ages, jitter=jitters)
def test_a_pause_is_from_5_to_60_seconds(rounds: int, age: timedelta, jitter: float) -> None:
    assert MIN_SECONDS <= poll_seconds(rounds, age, jitter) <= MAX_POLL_SECONDS


@given(rounds=st.integers(0, 10), age=ages, jitter=jitters, more=ages)
def test_pauses_grow_with_rounds_and_age(
    rounds: int, age: timedelta, jitter: float, more: timedelta
) -> None:
    assert poll_seconds(rounds, age, jitter) <= poll_seconds(rounds + 1, age, jitter)
    assert poll_seconds(rounds, age, jitter) <= poll_seconds(rounds, age + more, jitter)


def test_pauses_are_doubled_and_differ() -> None:
    young = timedelta()
    assert [poll_seconds(n, young, 0) for n in range(6)] == [5, 10, 20, 40, 60, 60]
    assert poll_seconds(0, timedelta(minutes=30), 0) == 30
    assert poll_seconds(4, young, 1) == 45


def test_retries_are_doubled_up_to_a_quarter_of_an_hour() -> None:
    assert [retry_seconds(n, 0) for n in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert retry_seconds(10**9, 0) == MAX_RETRY_SECONDS
    assert retry_seconds(1, 1) == 3.75
