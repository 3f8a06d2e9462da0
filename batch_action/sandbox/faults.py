"""The log of all calls, and faults on demand."""

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = frozenset({"drop-before", "drop-after", "status", "slow", "late", "truncate"})
OUTCOMES = frozenset(
    {"expired", "canceled", "refused", "max_tokens", "unreadable", "missing", "succeeded"}
)


@dataclass(kw_only=True, slots=True)
class Call:
    """One HTTP call that a service received."""

    number: int
    service: str
    method: str
    path: str
    route: str
    status: int | None = None
    """What the service answered; none when it was cut off before it could."""
    fault: str = ""
    """The kind of the fault that struck this call."""


@dataclass(kw_only=True, slots=True)
class Fault:
    """A misfortune waiting for the calls that match it."""

    kind: str
    service: str | None = None
    method: str | None = None
    path: str | None = None
    nth: int = 1
    times: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    """How many matching calls have passed since the fault was added."""

    def strikes(self, call: Call) -> bool:
        """Count a matching call; true when this is one that must suffer."""
        if self.service not in (None, call.service) or self.method not in (None, call.method):
            return False
        if self.path is not None and not re.search(self.path, call.path):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What becomes of the batch requests that match, whatever they ask."""

    kind: str
    custom_id: str | None = None
    every: int = 1

    def applies(self, custom_id: str, position: int) -> bool:
        """Tell whether the request with this id at this place (from 1) is meant."""
        named = self.custom_id is None or re.search(self.custom_id, custom_id) is not None
        return named and position % self.every == 0


class Faults:
    """Calls seen, and faults and outcomes to come."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.outcomes: list[Outcome] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        service: str | None = None,
        method: str | None = None,
        path: str | None = None,
        nth: int = 1,
        times: int = 1,
        **details: Any,
    ) -> Fault:
        """Make the nth matching call, and the times - 1 after it, suffer the fault."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no fault; choose from {sorted(KINDS)}")
        fault = Fault(
            kind=kind,
            service=service,
            method=method,
            path=path,
            nth=nth,
            times=times,
            details=details,
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def outcome(self, kind: str, custom_id: str | None = None, every: int = 1) -> Outcome:
        """Decide what becomes of matching batch requests; the first rule that applies wins."""
        if kind not in OUTCOMES and not kind.startswith("errored:"):
            raise ValueError(f"{kind!r} is no outcome; choose from {sorted(OUTCOMES)}")
        rule = Outcome(kind=kind, custom_id=custom_id, every=every)
        with self._lock:
            self.outcomes.append(rule)
        return rule

    def clear(self) -> None:
        """Forget all faults and outcomes to come; the calls stay."""
        with self._lock:
            self._faults.clear()
            self.outcomes.clear()

    def begin(self, service: str, method: str, path: str, route: str) -> tuple[Call, Fault | None]:
        """Record a call and find the fault that strikes it."""
        with self._lock:
            call = Call(
                number=len(self.calls) + 1, service=service, method=method, path=path, route=route
            )
            self.calls.append(call)
            # A list, not a generator: every fault counts every matching call.
            struck = [fault for fault in self._faults if fault.strikes(call)]
        call.fault = struck[0].kind if struck else ""
        return call, struck[0] if struck else None

    def from_json(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Add the fault or outcome that a control request describes; return it as stored."""
        rest = dict(wish)
        kind = str(rest.pop("kind", ""))
        made: Fault | Outcome
        made = self.add(kind, **rest) if kind in KINDS else self.outcome(kind, **rest)
        return asdict(made)
