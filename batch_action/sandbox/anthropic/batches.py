"""A batch and its states: in progress, canceling, ended, archived."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from batch_action.sandbox.anthropic.params import validation_error
from batch_action.sandbox.clock import rfc3339
from batch_action.sandbox.faults import OutcomeRule

LIFETIME = timedelta(hours=24)
RETENTION = timedelta(days=29)
STATUSES = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The result type of one request, with the variant of a success or the type of an error."""

    status: str
    variant: str = ""
    message: str = ""


@dataclass(kw_only=True, slots=True)
class Batch:
    """One batch with its requests and their outcomes."""

    id: str
    workspace: str
    requests: list[dict[str, Any]]
    created: datetime
    ends_at: datetime
    """When it ends unless it is canceled or held."""
    canceled: datetime | None = None
    finished_when_canceled: int = 0
    ended: datetime | None = None
    outcomes: list[RequestOutcome] = field(default_factory=list)
    lines: list[dict[str, Any]] | None = None
    """The result lines, computed when they are first read."""
    results_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def expires(self) -> datetime:
        """When the requests without a result expire."""
        return self.created + LIFETIME

    def archived(self, now: datetime) -> datetime | None:
        """Return when the results became unavailable; None while they are available."""
        end = self.created + RETENTION
        return end if now >= end else None

    def cancel(self, now: datetime, *, hold: bool) -> None:
        """Start to cancel the batch; the requests that are finished by now keep their results."""
        if self.canceled is not None:
            return
        total_seconds = (self.ends_at - self.created).total_seconds()
        if total_seconds > 0 and not hold:
            share = min(1.0, (now - self.created).total_seconds() / total_seconds)
            self.finished_when_canceled = int(share * len(self.requests))
        self.canceled = now

    def update(self, now: datetime, rules: list[OutcomeRule], *, hold: bool) -> None:
        """End the batch if it is due, canceled or expired."""
        if self.ended is not None:
            return
        if self.canceled is not None:
            self._end(min(now, self.expires), "canceled", self.finished_when_canceled, rules)
        elif not hold and now >= self.ends_at and self.ends_at < self.expires:
            self._end(self.ends_at, "", len(self.requests), rules)
        elif now >= self.expires:
            self._end(self.expires, "expired", 0, rules)

    def finish(self, now: datetime, rules: list[OutcomeRule]) -> None:
        """End the batch now, with every request finished."""
        if self.ended is None:
            self._end(now, "", len(self.requests), rules)

    def _end(self, at: datetime, rest: str, finished: int, rules: list[OutcomeRule]) -> None:
        self.outcomes = [
            _outcome_of(request, position, rules) if position <= finished else RequestOutcome(rest)
            for position, request in enumerate(self.requests, 1)
        ]
        self.ended = at

    def body(self, now: datetime, origin: str) -> dict[str, Any]:
        """Return the batch object of the API, which shows no progress before the end."""
        counts = dict.fromkeys(STATUSES, 0)
        status = "canceling" if self.canceled else "in_progress"
        if self.ended is None:
            counts["processing"] = len(self.requests)
        else:
            status = "ended"
            counts.update(Counter(outcome.status for outcome in self.outcomes))
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


def _outcome_of(
    request: Mapping[str, Any], position: int, rules: list[OutcomeRule]
) -> RequestOutcome:
    """Return the outcome of one finished request."""
    kind = next((r.kind for r in rules if r.applies(request["custom_id"], position)), "")
    if kind in ("expired", "canceled"):
        return RequestOutcome(kind)
    if kind.startswith("errored:"):
        error, _, message = kind.removeprefix("errored:").partition(":")
        message = message or f"The sandbox was configured to answer {error}"
        return RequestOutcome("errored", error, message)
    problem = validation_error(request["params"])
    if problem:
        return RequestOutcome("errored", "invalid_request_error", problem)
    return RequestOutcome("succeeded", kind)
