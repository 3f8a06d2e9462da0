"""Which findings a destination shows, and how many are suppressed by which filter."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_action.models.findings import OPEN_STATES, FindingState, Reconciliation
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.text import plural

PUBLIC = "public"
LIMIT_LABELS = {
    "max-findings": "in comments because of `max-findings`",
    "max-issues": "waiting for a later run because of `max-issues`",
}
"""The limits of one destination."""
FILTER_LABELS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline file",
    "dismissed": "dismissed by people",
    "pre-existing": "older than the reviewed change, listed separately",
    "repeated": "reported twice or about code that has changed since",
    "discarded": "discarded, because the quoted code is not in the file",
    PUBLIC: "about security, not shown on a public repository",
}
"""The filters of all destinations, in the order in which the job summary lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedCount:
    """How many findings one filter suppressed."""

    filter: str
    """A key of `FILTER_LABELS`, or the limit of a destination (`max-findings`, `max-issues`)."""
    count: int
    destination: str = ""
    """Empty for a filter of all destinations."""

    @property
    def line(self) -> str:
        """`3 below …` as Markdown; it contains no text from outside."""
        if self.filter in FILTER_LABELS:
            return f"{self.count} {FILTER_LABELS[self.filter]}"
        return f"{self.count} over `{self.filter}` in {self.destination}"


def count_hidden(published: PublishResult) -> int:
    """Count the open security findings that are hidden on a public repository."""
    if not published.reconciliation.hides_security:
        return 0
    return sum(s.tracked.security and s.tracked.state in OPEN_STATES for s in published.statuses)


def count_suppressed(reconciliation: Reconciliation, **limits: int) -> tuple[tuple[str, int], ...]:
    """Count the findings that each filter suppresses in one destination.

    *limits*: the destination's own limits (`max_findings`, `max_issues`) with their counts.
    """
    visible = reconciliation.visible
    counts = Counter(dict(reconciliation.below_threshold))
    ignored = [s.tracked for s in visible if s.tracked.state is FindingState.IGNORED]
    counts.update(tracked.ignored_by or "comment" for tracked in ignored)
    counts.update({name.replace("_", "-"): count for name, count in limits.items()})
    counts[PUBLIC] = len(reconciliation.statuses) - len(visible)
    return tuple((name, count) for name, count in counts.items() if count)


def format_suppressed(counts: Sequence[tuple[str, int]]) -> str:
    """Format `Suppressed: 3 findings below `min-severity`, 1 accepted by …`; empty for none."""
    # The number of hidden security findings is not for everybody to read.
    labels = {**FILTER_LABELS, **LIMIT_LABELS}
    parts = [(count, labels[name]) for name, count in counts if name in labels and name != PUBLIC]
    if not parts:
        return ""
    (first, label), *others = parts
    texts = [f"{plural(first, 'finding')} {label}", *(f"{n} {label}" for n, label in others)]
    return f"Suppressed: {', '.join(texts)}."


def count_all_suppressed(published: PublishResult) -> tuple[SuppressedCount, ...]:
    """Count the findings that each filter suppressed in a run, over all destinations."""
    counts = Counter(dict(count_suppressed(published.reconciliation)))
    for tracked in (s.tracked for s in published.visible):
        counts["dismissed"] += tracked.state is FindingState.DISMISSED
        counts["pre-existing"] += tracked.pre_existing and tracked.state in OPEN_STATES
    counts["repeated"] = len(published.reconciliation.dropped)
    counts["discarded"] = published.report.discarded
    # Only open findings matter here: nobody misses a fixed one.
    counts[PUBLIC] = count_hidden(published)
    everywhere = [
        SuppressedCount(filter=name, count=counts[name]) for name in FILTER_LABELS if counts[name]
    ]
    return (*everywhere, *(s for result in published.results for s in _destination_limits(result)))


def _destination_limits(result: DestinationResult) -> Iterator[SuppressedCount]:
    """Yield the destination's own limits; the filters of all destinations are counted once."""
    for name, count in result.suppressed:
        if count and name not in FILTER_LABELS:
            yield SuppressedCount(filter=name, count=count, destination=result.destination)


def format_all_suppressed(published: PublishResult) -> str:
    """Format `Suppressed or listed separately: 3 below …; 2 accepted ….`; empty for none."""
    lines = "; ".join(s.line for s in count_all_suppressed(published))
    return f"Suppressed or listed separately: {lines}." if lines else ""
