"""When to ask again: growing pauses with some chance in them, so that nobody asks in step.

*chance* is a random number from 0 to 1, drawn by who calls: in here is none.
"""

from datetime import timedelta

FIRST = 5.0
LONGEST = 60.0
AGE_SHARE = 60.0
"""A batch is asked about at most every sixtieth of its age: an hour old, once a minute."""
SPREAD = 0.25
LONGEST_RETRY = 15 * 60.0


def pause(rounds: int, age: timedelta, chance: float) -> float:
    """Seconds until Anthropic is asked again, after *rounds* without news.

    5 s at first, doubled each time, longer for what is old already, never more than 60 s.
    """
    wanted = max(_doubled(FIRST, rounds, LONGEST), age.total_seconds() / AGE_SHARE)
    return max(FIRST, _spread(min(LONGEST, wanted), chance))


def retry(tries: int, chance: float) -> float:
    """Seconds until GitHub is asked again, after *tries* that failed: 5 s to 15 minutes."""
    return _spread(_doubled(FIRST, tries - 1, LONGEST_RETRY), chance)


def _doubled(first: float, times: int, most: float) -> float:
    # Capped before the power: any number of rounds is fine.
    return min(most, first * 2.0 ** max(0, min(times, 30)))


def _spread(seconds: float, chance: float) -> float:
    return seconds * (1 - SPREAD * chance)
