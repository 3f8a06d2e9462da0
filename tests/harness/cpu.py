"""CPU time of a computation as a ratio, which neither a slow nor a busy machine changes."""

import time
from collections.abc import Callable

ATTEMPTS = 3


def assert_at_most(ratio: float, action: Callable[[], object], floor: Callable[[], object]) -> None:
    """Assert that `action` takes at most `ratio` times the CPU time of `floor`.

    Both run in this thread. The best of three attempts counts: the first one may import modules or
    compile patterns.
    """
    best = min(_cpu_seconds(action) / _cpu_seconds(floor) for _ in range(ATTEMPTS))
    assert best <= ratio, f"{best:.1f} times the CPU time of the floor, allowed: {ratio:g}"


def _cpu_seconds(action: Callable[[], object]) -> float:
    start = time.thread_time()
    action()
    return time.thread_time() - start
