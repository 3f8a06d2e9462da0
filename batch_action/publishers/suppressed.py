"""What a report leaves out: counted by reason, and listed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batch_action.escape import html_code, inline
from batch_action.findings import first_run
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Reconciliation,
    Severity,
    TrackedFinding,
)
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers.links import format_link
from batch_action.publishers.markers import MAX_TITLE_CHARS
from batch_action.publishers.report_text import (
    SEVERITY_ICONS,
    format_table,
    render_template,
)
from batch_action.text import plural, shorten_path

MAX_IGNORED_LISTED = 20
MAX_NOTE_CHARS = 200
COLUMNS = ("Severity", "Finding", "Where", "Suppressed")
PUBLIC = "public"
LIMIT_LABELS = {
    "max-findings": "in comments because of `max-findings`",
    "max-issues": "waiting for a later run because of `max-issues`",
}
"""The limits of one destination."""
FILTER_LABELS = {
    "min-severity": "below `min-severity`",
    "min-confidence": "below `min-confidence`",
    "muted": "of rules that people muted",
    first_run.REASON: "of the first run, over `first-run-limit` and unchanged since",
    "comment": "ignored by a comment in the code",
    "baseline": "accepted by the baseline file",
    "dismissed": "dismissed by people",
    "pre-existing": "older than the reviewed change, listed separately",
    "disputed": "disputed by a second request, listed separately",
    "repeated": "reported twice",
    "outdated": "about code that has changed since",
    "discarded": "discarded, because the quoted code is not in the file",
    PUBLIC: "about security, not shown on a public repository",
}
"""The filters of all destinations, in the order in which the job summary lists them."""
HELD_BACK = (
    *("min-severity", "min-confidence", "muted", "repeated", "outdated", "discarded"),
    first_run.REASON,
)
"""The filters of findings that no destination has: `render` lists them in the job summary."""


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
    counts = Counter(held.reason for held in reconciliation.visible_held_back)
    ignored = [s.tracked for s in visible if s.tracked.state is FindingState.IGNORED]
    counts.update(_filter_of(tracked) for tracked in ignored)
    counts.update({name.replace("_", "-"): count for name, count in limits.items()})
    counts[PUBLIC] = len(reconciliation.statuses) - len(visible)
    return tuple((name, count) for name, count in counts.items() if count)


def format_suppressed(counts: Sequence[tuple[str, int]], list_url: str | None) -> str:
    """Format `Suppressed: 3 findings below `min-severity`, 1 accepted by …`; empty for none.

    *list_url*: the run, whose job summary lists those that are not in the text itself; without one
    the console does.
    """
    # The number of hidden security findings is not for everybody to read.
    labels = {**FILTER_LABELS, **LIMIT_LABELS}
    parts = [(count, labels[name]) for name, count in counts if name in labels and name != PUBLIC]
    if not parts:
        return ""
    (first, label), *others = parts
    texts = [f"{plural(first, 'finding')} {label}", *(f"{n} {label}" for n, label in others)]
    is_listed = any(name in HELD_BACK and count for name, count in counts)
    where = format_link("list", list_url) if list_url else "listed on the console of the run"
    return f"Suppressed: {', '.join(texts)}{f' ({where})' if is_listed else ''}."


def count_all_suppressed(published: PublishResult) -> tuple[SuppressedCount, ...]:
    """Count the findings that each filter suppressed in a run, over all destinations."""
    counts = Counter(finding.filter for finding in list_suppressed(published))
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


def format_ignored_security(statuses: Iterable[FindingStatus]) -> str:
    """Name the security findings that comments in the code ignore; empty for none."""
    ignored = [
        s.tracked
        for s in statuses
        if s.tracked.security
        and s.tracked.state is FindingState.IGNORED
        and s.tracked.ignored_by == "comment"
    ]
    places = [
        html_code(f"{shorten_path(t.anchor.path)}:{t.anchor.start_line}")
        for t in ignored[:MAX_IGNORED_LISTED]
    ]
    more = ", …" if len(ignored) > len(places) else ""
    count = plural(len(ignored), "security finding")
    return f"{count} ignored by a comment: {', '.join(places)}{more}." if ignored else ""


def format_all_suppressed(published: PublishResult) -> str:
    """Format `Suppressed or listed separately: 3 below …; 2 accepted ….`; empty for none."""
    # Beside the files of a run, the number of hidden security findings would name their file.
    counts = (s for s in count_all_suppressed(published) if s.filter != PUBLIC)
    lines = "; ".join(s.line for s in counts)
    return f"Suppressed or listed separately: {lines}." if lines else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedFinding:
    """A suppressed finding in a list."""

    severity: Severity
    title: str
    path: str
    line: int
    filter: str
    """A key of `FILTER_LABELS`."""
    note: str = ""
    """Why it is ignored or dismissed, as a person says."""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The texts below `COLUMNS`, not escaped."""
        place = f"{shorten_path(self.path)}:{self.line}"
        label = FILTER_LABELS[self.filter]
        reason = f"{label}: {self.note}" if self.note else label
        return self.severity.value, self.title or "Untitled finding", place, reason


def list_suppressed(published: PublishResult) -> list[SuppressedFinding]:
    """List the findings that are not reported and that every reader may see, by reason."""
    held_back = [
        SuppressedFinding(
            severity=held.severity,
            title=held.title,
            path=held.path,
            line=held.line,
            filter=held.reason,
        )
        for held in published.reconciliation.visible_held_back
    ]
    apart = [
        SuppressedFinding(
            severity=status.tracked.severity,
            title=status.tracked.title,
            path=status.tracked.anchor.path,
            line=status.tracked.anchor.start_line,
            filter=name,
            note=status.note or status.tracked.ignore_reason,
        )
        for status in published.visible
        if (name := _filter_of(status.tracked))
    ]
    order = list(FILTER_LABELS)
    return sorted((*held_back, *apart), key=lambda finding: order.index(finding.filter))


def _filter_of(tracked: TrackedFinding) -> str:
    """Return the filter of a tracked finding that is not reported as usual; else empty."""
    if tracked.state is FindingState.IGNORED:
        return tracked.ignored_by or "comment"
    if tracked.state is FindingState.DISMISSED:
        return "dismissed"
    if tracked.is_disputed:
        return "disputed"
    return "pre-existing" if tracked.pre_existing and tracked.counts_as_open else ""


def render(published: PublishResult, max_bytes: int) -> str:
    """Render how many findings a run suppressed, and which; empty for none.

    *max_bytes*: of the table.
    """
    rows = []
    for finding in list_suppressed(published):
        severity, title, place, _ = finding.cells
        # The label is ours; a person's note is not.
        note = f": {inline(finding.note, MAX_NOTE_CHARS)}" if finding.note else ""
        rows.append(
            (
                f"{SEVERITY_ICONS[finding.severity]} {severity}",
                inline(title, MAX_TITLE_CHARS) or "Untitled finding",
                html_code(place),
                FILTER_LABELS[finding.filter] + note,
            )
        )
    counts = format_all_suppressed(published)
    ignored = format_ignored_security(published.visible)
    if not (counts or ignored):
        return ""
    return render_template(
        "suppressed.md.j2",
        counts=counts,
        ignored=ignored,
        table=format_table(COLUMNS, rows, max_bytes),
    )
