"""Pauses between two calls: exponential, capped, with jitter.

*jitter* is a random number from 0 to 1 that the caller draws; it shortens the pause by up to 25 %,
so that several services do not call in step.
"""

from datetime import timedelta

MIN_SECONDS = 5.0
MAX_POLL_SECONDS = 60.0
MAX_RETRY_SECONDS = 15 * 60.0
AGE_SHARE = 60.0
"""A batch is asked about at most every sixtieth of its age: an hour old, once a minute."""
JITTER = 0.25


def poll_seconds(rounds: int, age: timedelta, jitter: float) -> float:
    """Return the pause before Anthropic is polled again, after *rounds* without news: 5 to 60 s."""
    seconds = max(_exponential(rounds, MAX_POLL_SECONDS), age.total_seconds() / AGE_SHARE)
    return max(MIN_SECONDS, min(MAX_POLL_SECONDS, seconds) * (1 - JITTER * jitter))


def retry_seconds(tries: int, jitter: float) -> float:
    """Return the pause before GitHub is asked again, after *tries* failures: 5 s to 15 min."""
    return _exponential(tries - 1, MAX_RETRY_SECONDS) * (1 - JITTER * jitter)


def _exponential(times: int, limit: float) -> float:
    # Capped before the power: any number of rounds is fine.
    return min(limit, MIN_SECONDS * 2.0 ** max(0, min(times, 30)))
