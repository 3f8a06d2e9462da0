"""The log of all calls, and the faults and outcomes to inject."""

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
    """The status of the response; None when the connection was closed before it."""
    fault: str = ""
    """The kind of the fault that was injected."""


@dataclass(kw_only=True, slots=True)
class Fault:
    """A fault to inject into matching calls."""

    kind: str
    service: str | None = None
    method: str | None = None
    path: str | None = None
    nth: int = 1
    times: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    """Matching calls since the fault was added."""

    def matches(self, call: Call) -> bool:
        """Count a matching call; return whether the fault applies to it."""
        if self.service not in (None, call.service) or self.method not in (None, call.method):
            return False
        if self.path is not None and not re.search(self.path, call.path):
            return False
        self.matched += 1
        return self.nth <= self.matched < self.nth + self.times


@dataclass(kw_only=True, slots=True)
class OutcomeRule:
    """The outcome of matching batch requests."""

    kind: str
    custom_id: str | None = None
    every: int = 1

    def applies(self, custom_id: str, position: int) -> bool:
        """Return whether the rule matches a request, by its id and its position (from 1)."""
        named = self.custom_id is None or re.search(self.custom_id, custom_id) is not None
        return named and position % self.every == 0


class Faults:
    """The calls so far, and the faults and outcomes to inject."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.outcomes: list[OutcomeRule] = []
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
        """Inject a fault into `times` matching calls, starting with the nth.

        Raises ValueError: when the kind is unknown.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not a fault; choose from {sorted(KINDS)}")
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

    def add_outcome(self, kind: str, custom_id: str | None = None, every: int = 1) -> OutcomeRule:
        """Set the outcome of matching batch requests; the first rule that matches applies.

        Raises ValueError: when the kind is unknown.
        """
        if kind not in OUTCOMES and not kind.startswith("errored:"):
            raise ValueError(f"{kind!r} is not an outcome; choose from {sorted(OUTCOMES)}")
        rule = OutcomeRule(kind=kind, custom_id=custom_id, every=every)
        with self._lock:
            self.outcomes.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all faults and outcomes; the calls stay."""
        with self._lock:
            self._faults.clear()
            self.outcomes.clear()

    def record_call(
        self, service: str, method: str, path: str, route: str
    ) -> tuple[Call, Fault | None]:
        """Record a call; return it with the fault to inject."""
        with self._lock:
            call = Call(
                number=len(self.calls) + 1, service=service, method=method, path=path, route=route
            )
            self.calls.append(call)
            # A list, because every fault counts every matching call.
            matching = [fault for fault in self._faults if fault.matches(call)]
        call.fault = matching[0].kind if matching else ""
        return call, matching[0] if matching else None

    def from_json(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Add the fault or outcome that a control request describes; return it as stored."""
        rest = dict(body)
        kind = str(rest.pop("kind", ""))
        added: Fault | OutcomeRule
        added = self.add(kind, **rest) if kind in KINDS else self.add_outcome(kind, **rest)
        return asdict(added)
