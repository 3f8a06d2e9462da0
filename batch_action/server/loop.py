"""The service's workers: threads that repeat a round, and how long they pause in between.

Pauses between two calls grow exponentially, with a limit. *jitter* is a random number from 0 to 1
that the caller draws; it shortens a pause by up to 25 %, so that several services do not call in
step.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_action.errors import BatchActionError
from batch_action.server.log import JsonLog, problem

MIN_SECONDS = 5.0
MAX_POLL_SECONDS = 60.0
MAX_RETRY_SECONDS = 15 * 60.0
AGE_SHARE = 60.0
"""A batch is asked about at most every sixtieth of its age: an hour old, once a minute."""
JITTER = 0.25
PAUSE_AFTER_FAILURE = 30.0
MAX_PAUSE = 600.0
MIN_PAUSE = 0.2
STOP_SECONDS = 3.0
"""How long to wait for the end of a round. A longer one is abandoned: the store can go on."""
STUCK_SECONDS = 300.0
"""Of one round, after which a loop counts as stuck: no call waits that long."""


@dataclass(slots=True)
class Loop:
    """One of the service's two workers, and its health for `/healthz` and the status page."""

    name: str
    log: JsonLog
    monotonic: Callable[[], float] = time.monotonic
    wake: threading.Event = field(default_factory=threading.Event)
    """Ends a pause."""
    busy_since: float | None = None
    """Monotonic seconds; None between two rounds."""
    dead: bool = False
    last_success_at: datetime | None = None
    problem: str = ""
    """Why it has not succeeded since."""
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def start(self, do_round: Callable[[], float]) -> None:
        """Start the thread; *do_round* does one round and returns the seconds to pause."""
        self._thread = threading.Thread(
            target=self._run, args=[do_round], name=self.name, daemon=True
        )
        self._thread.start()

    def request_stop(self) -> None:
        """Begin no other round."""
        self._stopping = True
        self.wake.set()

    def stop(self) -> None:
        """Request the stop, and wait for the round that is in progress."""
        self.request_stop()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def is_stuck(self) -> bool:
        """Return whether the service has to be restarted."""
        busy = self.busy_since
        return self.dead or (busy is not None and self.monotonic() - busy > STUCK_SECONDS)

    def _run(self, do_round: Callable[[], float]) -> None:
        try:
            while not self._stopping:
                pause = self._round(do_round)
                self.wake.wait(min(MAX_PAUSE, max(MIN_PAUSE, pause)))
                self.wake.clear()
        finally:
            self.dead = not self._stopping

    def _round(self, do_round: Callable[[], float]) -> float:
        """Do one round; whatever fails in it, there will be another."""
        self.busy_since = self.monotonic()
        try:
            return do_round()
        except Exception as error:  # noqa: BLE001 - the service outlives a bug of one round
            # While stopping, the store is closed under a round that takes too long: not news.
            if not self._stopping:
                self._record(error)
        finally:
            self.busy_since = None
        return PAUSE_AFTER_FAILURE

    def _record(self, error: Exception) -> None:
        if isinstance(error, BatchActionError):
            self.problem = str(error)
            self.log.warning(self.name, **problem(error))
        else:
            self.problem = f"A bug: {error!r}"
            self.log.bug(self.name, error)


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
