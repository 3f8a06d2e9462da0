"""All batches of the emulated API, and the requests that were billed."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from batch_action.sandbox.anthropic.batches import Batch
from batch_action.sandbox.anthropic.errors import ApiError, new_id
from batch_action.sandbox.anthropic.messages import AnswerFunction, create_message
from batch_action.sandbox.anthropic.prompt_cache import PrefixCache
from batch_action.sandbox.anthropic.results import (
    BilledRequest,
    billed_requests,
    compute_results,
    drop_missing,
)
from batch_action.sandbox.clock import Clock
from batch_action.sandbox.faults import Faults

MAX_QUEUED = 200_000


class BatchStore:
    """Stores the batches; every access updates them to the current time."""

    def __init__(self, clock: Clock, faults: Faults, batch_seconds: float) -> None:
        self.clock = clock
        self.batch_seconds = batch_seconds
        self.answer_function: AnswerFunction | None = None
        """Answers in place of the reviewer."""
        self._faults = faults
        self._hold = False
        self._batches: dict[str, Batch] = {}
        self._other_bills: list[BilledRequest] = []
        self._cache = PrefixCache()
        self._lock = threading.RLock()

    @property
    def hold(self) -> bool:
        """Whether batches are kept from ending by themselves."""
        return self._hold

    @hold.setter
    def hold(self, on: bool) -> None:
        with self._lock:
            self._refresh()
            self._hold = on
            for batch in self._batches.values():
                if not on and batch.ended is None:
                    batch.ends_at = max(batch.ends_at, self.clock.now())

    def create(self, workspace: str, requests: list[dict[str, Any]]) -> Batch:
        """Accept a batch."""
        with self._lock:
            self._refresh()
            waiting = sum(len(b.requests) for b in self._batches.values() if b.ended is None)
            if waiting + len(requests) > MAX_QUEUED:
                raise ApiError(429, "Too many batch requests are enqueued")
            now = self.clock.now()
            batch = Batch(
                id=new_id("msgbatch"),
                workspace=workspace,
                requests=requests,
                created=now,
                ends_at=now + timedelta(seconds=self.batch_seconds),
            )
            self._batches[batch.id] = batch
        return batch

    def all(self) -> list[Batch]:
        """List the batches of all workspaces, newest first."""
        with self._lock:
            self._refresh()
            return list(reversed(self._batches.values()))

    def get(self, workspace: str | None, batch_id: str, *, refresh: bool = True) -> Batch:
        """Find a batch of a workspace; other workspaces' batches are not found."""
        with self._lock:
            if refresh:
                self._refresh()
            batch = self._batches.get(batch_id)
            if batch is None or workspace not in (None, batch.workspace):
                raise ApiError(404, f"Batch with id '{batch_id}' not found.")
            return batch

    def cancel(self, workspace: str, batch_id: str) -> Batch:
        """Begin to cancel a batch that has not ended."""
        with self._lock:
            batch = self.get(workspace, batch_id, refresh=False)
            if batch.ended is not None:
                raise ApiError(400, f"Batch {batch_id} cannot be canceled: it has ended.")
            batch.cancel(self.clock.now(), hold=self._hold)
            return batch

    def delete(self, workspace: str, batch_id: str) -> None:
        """Delete an ended batch; its requests stay billed."""
        batch = self.get(workspace, batch_id)
        if batch.ended is None:
            raise ApiError(400, f"Batch {batch_id} cannot be deleted while it is processing.")
        billed = billed_requests(batch, self._all_results(batch))
        with self._lock:
            if self._batches.pop(batch_id, None):
                self._other_bills += billed

    def finish(self, batch_id: str) -> Batch:
        """End a batch now, even when it is held."""
        with self._lock:
            batch = self.get(None, batch_id)
            batch.finish(self.clock.now(), self._faults.outcomes)
            self._record_cache_writes(batch)
            return batch

    def lines(self, workspace: str, batch_id: str) -> list[dict[str, Any]]:
        """Return the result lines that the service shows."""
        batch = self.get(workspace, batch_id)
        if batch.ended is None or batch.archived(self.clock.now()):
            raise ApiError(404, f"No results available for batch {batch_id}.")
        return drop_missing(batch, self._all_results(batch))

    def message(self, workspace: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a single message at once."""
        now, owner = self.clock.now(), new_id("msg")
        use = self._cache.use(owner, workspace, params, now)
        message = create_message(
            params, use, tier="standard", variant="", answer_function=self.answer_function
        )
        self._cache.record(owner, workspace, params, self.clock.now())
        billed = BilledRequest(
            batch_id=None, custom_id="", model=message["model"], usage=message["usage"]
        )
        with self._lock:
            self._other_bills.append(billed)
        return message

    def billed(self) -> list[BilledRequest]:
        """List every billed request, oldest batch first."""
        ended = [batch for batch in reversed(self.all()) if batch.ended is not None]
        billed = [
            request
            for batch in ended
            for request in billed_requests(batch, self._all_results(batch))
        ]
        return [*self._other_bills, *billed]

    def _all_results(self, batch: Batch) -> list[dict[str, Any]]:
        return compute_results(batch, self._cache, self.answer_function)

    def _refresh(self) -> None:
        now = self.clock.now()
        for batch in self._batches.values():
            if batch.ended is None:
                batch.update(now, self._faults.outcomes, hold=self._hold)
                self._record_cache_writes(batch)

    def _record_cache_writes(self, batch: Batch) -> None:
        for request, outcome in zip(batch.requests, batch.outcomes, strict=bool(batch.outcomes)):
            if batch.ended is not None and outcome.status == "succeeded":
                self._cache.record(batch.id, batch.workspace, request["params"], batch.ended)
