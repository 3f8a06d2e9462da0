"""All batches of the emulated API, and its bill."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .batches import Batch
from .caching import PrefixCache
from .clock import Clock
from .errors import ApiError, new_id
from .faults import Faults
from .messages import Speaker, compose
from .results import Billed, bill, settle, visible

MAX_QUEUED = 200_000


class Store:
    """Keeps the batches; every look at one lets it grow as old as the clock says."""

    def __init__(self, clock: Clock, faults: Faults, batch_seconds: float) -> None:
        self.clock = clock
        self.batch_seconds = batch_seconds
        self.speaker: Speaker | None = None
        """Who answers in the reviewer's place."""
        self._faults = faults
        self._hold = False
        self._batches: dict[str, Batch] = {}
        self._gone: list[Billed] = []
        self._cache = PrefixCache()
        self._lock = threading.RLock()

    @property
    def hold(self) -> bool:
        """Tell whether batches are kept from ending by themselves."""
        return self._hold

    @hold.setter
    def hold(self, on: bool) -> None:
        with self._lock:
            self._look()
            self._hold = on
            for batch in self._batches.values():
                if not on and batch.ended is None:
                    batch.due = max(batch.due, self.clock.now())

    def create(self, workspace: str, requests: list[dict[str, Any]]) -> Batch:
        """Accept a batch."""
        with self._lock:
            self._look()
            waiting = sum(len(b.requests) for b in self._batches.values() if b.ended is None)
            if waiting + len(requests) > MAX_QUEUED:
                raise ApiError(429, "Too many batch requests are enqueued")
            now = self.clock.now()
            batch = Batch(
                id=new_id("msgbatch"),
                workspace=workspace,
                requests=requests,
                created=now,
                due=now + timedelta(seconds=self.batch_seconds),
            )
            self._batches[batch.id] = batch
        return batch

    def all(self) -> list[Batch]:
        """List the batches of all workspaces, newest first."""
        with self._lock:
            self._look()
            return list(reversed(self._batches.values()))

    def get(self, workspace: str | None, batch_id: str, *, look: bool = True) -> Batch:
        """Find a batch of a workspace; other workspaces' batches are not found."""
        with self._lock:
            if look:
                self._look()
            batch = self._batches.get(batch_id)
            if batch is None or workspace not in (None, batch.workspace):
                raise ApiError(404, f"Batch with id '{batch_id}' not found.")
            return batch

    def cancel(self, workspace: str, batch_id: str) -> Batch:
        """Begin to cancel a batch that has not ended."""
        with self._lock:
            batch = self.get(workspace, batch_id, look=False)
            if batch.ended is not None:
                raise ApiError(400, f"Batch {batch_id} cannot be canceled: it has ended.")
            batch.cancel(self.clock.now(), hold=self._hold)
            return batch

    def delete(self, workspace: str, batch_id: str) -> None:
        """Forget an ended batch, but not what it costs."""
        batch = self.get(workspace, batch_id)
        if batch.ended is None:
            raise ApiError(400, f"Batch {batch_id} cannot be deleted while it is processing.")
        costs = bill(batch, self._settled(batch))
        with self._lock:
            if self._batches.pop(batch_id, None):
                self._gone += costs

    def finish(self, batch_id: str) -> Batch:
        """End a batch now, whatever holds it."""
        with self._lock:
            batch = self.get(None, batch_id)
            batch.finish(self.clock.now(), self._faults.outcomes)
            self._warm(batch)
            return batch

    def lines(self, workspace: str, batch_id: str) -> list[dict[str, Any]]:
        """Give the result lines that the service would show."""
        batch = self.get(workspace, batch_id)
        if batch.ended is None or batch.archived(self.clock.now()):
            raise ApiError(404, f"No results available for batch {batch_id}.")
        return visible(batch, self._settled(batch))

    def message(self, workspace: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a single message at once, at the full price."""
        now, owner = self.clock.now(), new_id("msg")
        use = self._cache.use(owner, workspace, params, now)
        message = compose(params, use, tier="standard", twist="", speaker=self.speaker)
        self._cache.note(owner, workspace, params, self.clock.now())
        paid = Billed(batch_id=None, custom_id="", model=message["model"], usage=message["usage"])
        with self._lock:
            self._gone.append(paid)
        return message

    def billed(self) -> list[Billed]:
        """List every request that costs money, oldest batch first."""
        ended = [batch for batch in reversed(self.all()) if batch.ended is not None]
        costs = [cost for batch in ended for cost in bill(batch, self._settled(batch))]
        return [*self._gone, *costs]

    def _settled(self, batch: Batch) -> list[dict[str, Any]]:
        return settle(batch, self._cache, self.speaker)

    def _look(self) -> None:
        now = self.clock.now()
        for batch in self._batches.values():
            if batch.ended is None:
                batch.look(now, self._faults.outcomes, hold=self._hold)
                self._warm(batch)

    def _warm(self, batch: Batch) -> None:
        for request, fate in zip(batch.requests, batch.fates, strict=bool(batch.fates)):
            if batch.ended is not None and fate.status == "succeeded":
                self._cache.note(batch.id, batch.workspace, request["params"], batch.ended)
