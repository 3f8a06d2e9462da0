"""A thread that repeats a round, pauses in between, and can be woken and stopped."""

import threading
from collections.abc import Callable

from batch_action.errors import BatchActionError
from batch_action.server.context import LoopHealth, ServerContext
from batch_action.server.log import problem

PAUSE_AFTER_FAILURE = 30.0
MAX_PAUSE = 600.0
MIN_PAUSE = 0.2
STOP_SECONDS = 3.0
"""How long to wait for the end of a round. A longer one is abandoned: the store can go on."""


class Loop:
    """One of the service's two workers."""

    def __init__(
        self,
        ctx: ServerContext,
        health: LoopHealth,
        do_round: Callable[[], float],
        wake: threading.Event,
    ) -> None:
        """*do_round* does one round and returns the seconds to pause; *wake* ends a pause."""
        self._ctx = ctx
        self._health = health
        self._do_round = do_round
        self._wake = wake
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=health.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Begin no other round."""
        self._stopping = True
        self._wake.set()

    def stop(self) -> None:
        """Request the stop, and wait for the round that is in progress."""
        self.request_stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stopping:
                pause = self._round()
                self._wake.wait(min(MAX_PAUSE, max(MIN_PAUSE, pause)))
                self._wake.clear()
        finally:
            self._health.dead = not self._stopping

    def _round(self) -> float:
        """Do one round; whatever fails in it, there will be another."""
        self._health.busy_since = self._ctx.monotonic()
        try:
            return self._do_round()
        except Exception as error:  # noqa: BLE001 - the service outlives a bug of one round
            # While stopping, the store is closed under a round that takes too long: not news.
            if not self._stopping:
                self._record(error)
        finally:
            self._health.busy_since = None
        return PAUSE_AFTER_FAILURE

    def _record(self, error: Exception) -> None:
        if isinstance(error, BatchActionError):
            self._health.problem = str(error)
            self._ctx.log.warning(self._health.name, **problem(error))
        else:
            self._health.problem = f"A bug: {error!r}"
            self._ctx.log.bug(self._health.name, error)
