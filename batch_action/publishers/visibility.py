"""What keeps findings quiet, and how many: every report says so."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus, Reconciliation
from batch_action.models.report import DestinationResult, PublishResult, RunReport
from batch_action.text import plural

PUBLIC = "public"
_WORDS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline",
    "max-findings": "in comments for lack of room (`max-findings`)",
    "max-issues": "waiting for a later run (`max-issues`)",
}
"""How each reason reads. What is guarded is not counted where anybody can read."""


def held_back(
    reconciled: Reconciliation, report: RunReport, **here: int
) -> tuple[tuple[str, int], ...]:
    """Each reason with how many findings it holds back; *here*: this destination's own limits."""
    told = shown(reconciled.statuses, report)
    counts = Counter(dict(reconciled.below))
    counts.update(_ignored(told))
    counts.update({name.replace("_", "-"): count for name, count in here.items()})
    counts[PUBLIC] = len(reconciled.statuses) - len(told)
    return tuple((name, count) for name, count in counts.items() if count)


def _ignored(statuses: Sequence[FindingStatus]) -> Counter[str]:
    ignored = [s.tracked for s in statuses if s.tracked.state is FindingState.IGNORED]
    return Counter(known.suppressed or "comment" for known in ignored)


def held_back_sentence(held: Sequence[tuple[str, int]]) -> str:
    """`Held back: 3 findings below `min-severity`, 1 accepted by the baseline.`; or nothing."""
    told = [(count, _WORDS[name]) for name, count in held if name in _WORDS]
    if not told:
        return ""
    (first, why), *others = told
    parts = [f"{plural(first, 'finding')} {why}", *(f"{n} {why}" for n, why in others)]
    return f"Held back: {', '.join(parts)}."


WORDS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline file",
    "dismissed": "dismissed by people",
    "pre-existing": "older than the reviewed change, told apart",
    "repeated": "said twice or about code that has changed since",
    "discarded": "discarded, because the quoted code is not in the file",
    "public": "about security, not shown on a public repository",
}
"""Every filter with what it did, in the order of the receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedCount:
    """What one filter held back."""

    filter: str
    """A key of `WORDS`, or the input that limits a destination (`max-findings`, `max-issues`)."""
    count: int
    destination: str = ""
    """Empty when it holds everywhere."""

    @property
    def line(self) -> str:
        """`3 below …`; our own words, so it is Markdown and needs no escaping."""
        if self.filter in WORDS:
            return f"{self.count} {WORDS[self.filter]}"
        return f"{self.count} over `{self.filter}` in {self.destination}"


def suppressed(published: PublishResult) -> tuple[SuppressedCount, ...]:
    """All that was held back on one night, filter by filter; those with nothing are left out."""
    counts = Counter(dict(held_back(published.reconciled, published.report)))
    for known in (s.tracked for s in shown(published.statuses, published.report)):
        counts["dismissed"] += known.state is FindingState.DISMISSED
        counts["pre-existing"] += known.pre_existing and known.state in OPEN_STATES
    counts["repeated"] = len(published.reconciled.suppressed)
    counts["discarded"] = published.report.discarded
    # Here it is about what is open; a fixed one is nobody's loss.
    counts[PUBLIC] = hidden(published)
    everywhere = [
        SuppressedCount(filter=name, count=counts[name]) for name in WORDS if counts[name]
    ]
    return (*everywhere, *(h for d in published.results for h in _limits(d)))


def hidden(published: PublishResult) -> int:
    """How many live findings the guard of public repositories keeps back."""
    if not guarded(published.report):
        return 0
    return sum(s.tracked.security and s.tracked.state in OPEN_STATES for s in published.statuses)


def _limits(delivered: DestinationResult) -> Iterator[SuppressedCount]:
    """The destination's own limits; what holds everywhere is counted once, by us."""
    for name, count in delivered.suppressed:
        if count and name not in WORDS:
            yield SuppressedCount(filter=name, count=count, destination=delivered.destination)


def limits_sentence(published: PublishResult) -> str:
    """`Held back or told apart: 3 below …; 2 accepted ….`; empty when nothing was."""
    lines = "; ".join(h.line for h in suppressed(published))
    return f"Held back or told apart: {lines}." if lines else ""


def guarded(report: RunReport) -> bool:
    """Whether findings of a security category are held back: by category, whatever the task."""
    return report.public and not report.allow_public_security


def shown(statuses: Iterable[FindingStatus], report: RunReport) -> tuple[FindingStatus, ...]:
    """The standings that every destination but code scanning may tell."""
    hide = guarded(report)
    return tuple(s for s in statuses if not (hide and s.tracked.security))
