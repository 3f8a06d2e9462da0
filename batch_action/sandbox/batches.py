"""The life of a batch: created, perhaps canceled, ended, archived."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .clock import rfc3339
from .faults import Outcome
from .params import complaint

LIFETIME = timedelta(hours=24)
RETENTION = timedelta(days=29)
STATUSES = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one request: a result type, and a twist or an error that goes with it."""

    status: str
    twist: str = ""
    message: str = ""


@dataclass(kw_only=True, slots=True)
class Batch:
    """One batch with its requests and what became of them."""

    id: str
    workspace: str
    requests: list[dict[str, Any]]
    created: datetime
    due: datetime
    """When it ends if nothing else happens."""
    canceled: datetime | None = None
    done_when_canceled: int = 0
    ended: datetime | None = None
    fates: list[Fate] = field(default_factory=list)
    lines: list[dict[str, Any]] | None = None
    """The result lines, once somebody wanted them."""
    settling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def expires(self) -> datetime:
        """Tell when the service gives up on the batch."""
        return self.created + LIFETIME

    def archived(self, now: datetime) -> datetime | None:
        """Tell when the results became unavailable, counted from the creation."""
        end = self.created + RETENTION
        return end if now >= end else None

    def cancel(self, now: datetime, *, hold: bool) -> None:
        """Begin to cancel: what the clock says is finished stays finished."""
        if self.canceled is not None:
            return
        whole = (self.due - self.created).total_seconds()
        if whole > 0 and not hold:
            share = min(1.0, (now - self.created).total_seconds() / whole)
            self.done_when_canceled = int(share * len(self.requests))
        self.canceled = now

    def look(self, now: datetime, rules: list[Outcome], *, hold: bool) -> None:
        """End the batch if its time has come."""
        if self.ended is not None:
            return
        if self.canceled is not None:
            self._end(min(now, self.expires), "canceled", self.done_when_canceled, rules)
        elif not hold and now >= self.due and self.due < self.expires:
            self._end(self.due, "", len(self.requests), rules)
        elif now >= self.expires:
            self._end(self.expires, "expired", 0, rules)

    def finish(self, now: datetime, rules: list[Outcome]) -> None:
        """End the batch now, with every request finished."""
        if self.ended is None:
            self._end(now, "", len(self.requests), rules)

    def _end(self, at: datetime, rest: str, done: int, rules: list[Outcome]) -> None:
        self.fates = [
            _fate(request, place, rules) if place <= done else Fate(rest)
            for place, request in enumerate(self.requests, 1)
        ]
        self.ended = at

    def body(self, now: datetime, origin: str) -> dict[str, Any]:
        """Describe the batch as the API does: no progress before the end."""
        counts = dict.fromkeys(STATUSES, 0)
        status = "canceling" if self.canceled else "in_progress"
        if self.ended is None:
            counts["processing"] = len(self.requests)
        else:
            status = "ended"
            counts.update(Counter(fate.status for fate in self.fates))
        url = f"{origin}/v1/messages/batches/{self.id}/results"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "ended_at": rfc3339(self.ended),
            "created_at": rfc3339(self.created),
            "expires_at": rfc3339(self.expires),
            "archived_at": rfc3339(self.archived(now)),
            "cancel_initiated_at": rfc3339(self.canceled),
            "results_url": url if self.ended else None,
        }


def _fate(request: Mapping[str, Any], place: int, rules: list[Outcome]) -> Fate:
    """Decide what becomes of one finished request."""
    kind = next((r.kind for r in rules if r.applies(request["custom_id"], place)), "")
    if kind in ("expired", "canceled"):
        return Fate(kind)
    if kind.startswith("errored:"):
        error = kind.removeprefix("errored:")
        return Fate("errored", error, f"The sandbox was told to answer {error}")
    problem = complaint(request["params"])
    if problem:
        return Fate("errored", "invalid_request_error", problem)
    return Fate("succeeded", kind)
