"""A thread that does its round again and again, rests in between, and can be woken and stopped."""

import threading
from collections.abc import Callable

from batch_action.errors import BatchActionError
from batch_action.server.context import LoopHealth, ServerContext
from batch_action.server.log import problem

AFTER_A_FAILURE = 30.0
LONGEST_REST = 600.0
SHORTEST_REST = 0.2
STOP_SECONDS = 3.0
"""How long the end of a round is waited for. A longer one is left to die: the store knows it."""


class Loop:
    """One of the service's two workers."""

    def __init__(
        self,
        ctx: ServerContext,
        pulse: LoopHealth,
        act: Callable[[], float],
        bell: threading.Event,
    ) -> None:
        self._ctx = ctx
        self._pulse = pulse
        self._act = act
        self._bell = bell
        self._over = False
        self._thread = threading.Thread(target=self._run, name=pulse.name, daemon=True)

    def start(self) -> None:
        """Begin the first round."""
        self._thread.start()

    def end(self) -> None:
        """Begin no other round."""
        self._over = True
        self._bell.set()

    def stop(self) -> None:
        """End, and wait for the round that is under way."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            while not self._over:
                rest = self._round()
                self._bell.wait(min(LONGEST_REST, max(SHORTEST_REST, rest)))
                self._bell.clear()
        finally:
            self._pulse.ended = not self._over

    def _round(self) -> float:
        """One round; whatever fails in it, there will be another."""
        self._pulse.busy_since = self._ctx.ticks()
        try:
            return self._act()
        except Exception as error:  # noqa: BLE001 - the service outlives a bug of one round
            # At the end the store closes under a round that takes too long: no news.
            if not self._over:
                self._told(error)
        finally:
            self._pulse.busy_since = None
        return AFTER_A_FAILURE

    def _told(self, error: Exception) -> None:
        if isinstance(error, BatchActionError):
            self._pulse.problem = str(error)
            self._ctx.log.warning(self._pulse.name, **problem(error))
        else:
            self._pulse.problem = f"A bug: {error!r}"
            self._ctx.log.bug(self._pulse.name, error)
