"""The last analysis of a ref: what it remembers, and what people did with its alerts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from batch_action.edges.github_api.scanning import Scanning
from batch_action.escape import plain
from batch_action.models.findings import Dismissal, Known, Tonight
from batch_action.models.github import AlertFacts, AnalysisFacts
from batch_action.report.sarif import reading, wording
from batch_action.report.sarif.reading import Memory
from batch_action.steps.retracing import retrace
from batch_action.steps.world import World

MOST_FIXED = 100
"""Fixed alerts that are looked at when the analysis itself does not remember them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What code scanning holds before tonight."""

    facts: AnalysisFacts | None = None
    memory: Memory = field(default_factory=Memory)
    known: tuple[Known, ...] = ()
    dismissed: dict[str, AlertFacts] = field(default_factory=dict)
    """The dismissed alerts by their findings' fingerprints."""

    @property
    def id(self) -> int | None:
        """The analysis's number."""
        return self.facts.id if self.facts else None

    @property
    def head(self) -> str:
        """The analysed commit; empty when there is no analysis."""
        return self.facts.commit if self.facts else ""


def read(world: World, scanning: Scanning, ref: str, category: str) -> Last:
    """The last analysis; of what GitHub did not keep of it, what git and the alerts can tell."""
    facts = scanning.latest(ref, category)
    if facts is None:
        return Last()
    memory = reading.parse(scanning.document(facts.id))
    known = {one.fingerprint: one for one in memory.known}
    if not memory.exact:
        gone = by_fingerprint(scanning.alerts(ref, "fixed", most=MOST_FIXED))
        fixed = {f: a for f, a in gone.items() if a.fixed_at and f not in memory.told}
        halves = [
            half
            for alert in fixed.values()
            if (half := reading.half(alert.text, alert.path, alert.rule, memory.rules))
        ]
        known |= retrace(
            [*memory.halves, *halves],
            {f: alert.fixed_at[:10] for f, alert in fixed.items()},
            facts.commit,
            world.git,
            world.task,
        )
    return Last(
        facts=facts,
        memory=memory,
        known=tuple(known.values()),
        dismissed=by_fingerprint(scanning.alerts(ref, "dismissed")),
    )


def dismissals(world: World, tonight: Tonight, last: Last) -> Iterator[Dismissal]:
    """What people with write access dismissed, as far as the ledger does not know it yet."""
    for fingerprint, alert in last.dismissed.items():
        by = alert.dismissed_by
        if fingerprint in tonight.dismissed or not by:
            continue
        if world.need_github().issues.may_write(by):
            yield Dismissal(
                fingerprint=fingerprint,
                by=by,
                where=alert.url or "sarif",
                reason=plain(alert.reason),
            )


def by_fingerprint(alerts: Iterable[AlertFacts]) -> dict[str, AlertFacts]:
    """Our alerts by the finding that their message names; of two the one that changed last."""
    found: dict[str, AlertFacts] = {}
    for alert in alerts:
        trace = wording.trace(alert.text)
        if trace is not None:
            found.setdefault(trace.fingerprint, alert)
    return found
