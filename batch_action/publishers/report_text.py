"""Format the parts that all reports share: headline, cost, file counts, links and findings.

Unless it says otherwise, a function returns Markdown in which text from outside is escaped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from batch_action.escape import (
    breakable,
    html_code,
    inline,
    markdown,
    markdown_with_commits,
)
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Severity,
    TrackedFinding,
    Verdict,
)
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatuses,
    PublishResult,
    RunReport,
    Savings,
    SavingsByPeriod,
    Spending,
)
from batch_action.models.verification import Verification
from batch_action.publishers.links import format_link, link_lines
from batch_action.publishers.markers import MAX_TITLE_CHARS
from batch_action.text import format_dollars, plural, shorten_path

if TYPE_CHECKING:
    from jinja2 import Environment

SEVERITY_ICONS = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
}
STATE_LABELS = {
    FindingState.NEW: "🆕 new",
    FindingState.OPEN: "open",
    FindingState.RECHECKING: "🔁 being re-checked",
    FindingState.FIXED: "✅ fixed",
    FindingState.BACK: "↩️ back",
    FindingState.DISMISSED: "dismissed",
    FindingState.IGNORED: "ignored",
}
CHANGES = (FindingState.NEW, FindingState.FIXED, FindingState.BACK)
"""The changes that a report counts, in their order."""
MAX_TITLE_CELL_CHARS = 60
MAX_STATE_CELL_CHARS = 20
MAX_PATH_CELL_CHARS = 16
MAX_NAME_CELL_CHARS = 60
"""With these limits a usual row of findings is one line beside the sidebar of an issue."""
SUMMARY_TABLE_BYTES = 80_000
"""The limit of one table: the runner drops a summary over 1 MiB, which collect and submit share."""
MAX_NOTE_CHARS = 500
MAX_STATE_NOTE_CHARS = 60
MAX_LOGIN_CHARS = 40
MAX_BATCHES_LISTED = 5
SAVINGS_COLUMNS = ("Interactive", "Paid", "Saved", "Input from cache")
MAX_SAVINGS_BYTES = 2_000


def format_headline(statuses: Sequence[FindingStatus], *, security_hidden: bool) -> str:
    """Summarize in one sentence what is open, how severe it is, and what this run changed.

    *security_hidden*: security findings are left out of *statuses*, so the sentence does not
    claim that nothing is open.
    """
    open_findings = [s.tracked for s in statuses if s.tracked.counts_as_open]
    disputed = sum(s.tracked.is_disputed for s in statuses)
    nothing = "Nothing open that may be shown here" if security_hidden else "Nothing open"
    counts = [
        plural(len(open_findings), "open finding") if open_findings else nothing,
        *(
            f"{count} {severity.value}"
            for severity in (Severity.CRITICAL, Severity.HIGH)
            if (count := sum(finding.severity is severity for finding in open_findings))
        ),
        *([f"{disputed} disputed"] if disputed else []),
    ]
    changes = format_changes(statuses)
    return ", ".join(counts) + (f"; {changes} in this run" if changes else "") + "."


def format_changes(statuses: Iterable[FindingStatus], fixed_by: str = "") -> str:
    """Format `2 new, 1 fixed, 1 back`; empty when nothing changed.

    *fixed_by*: text to add to the number of fixed findings, such as ` by Ada`.
    """
    states = [s.tracked.state for s in statuses if s.changed]
    return ", ".join(
        f"{states.count(state)} {state.value}{fixed_by if state is FindingState.FIXED else ''}"
        for state in CHANGES
        if state in states
    )


def format_cost(spending: Spending) -> str:
    """Format what this run cost, what it would have cost otherwise, and the month to date."""
    cost = spending.cost
    if not cost.is_priced:
        return "this run unpriced: the price of this model is not known"
    parts = [f"this run {format_dollars(spending.paid_usd)}"]
    if not spending.batched:
        parts[0] += " (interactive, at full price)"
    first = ("interactive", cost.interactive_usd) if spending.batched else ("batch", cost.batch_usd)
    others = (first, ("batch + cache", cost.batch_cached_usd))
    known = [f"{name} {format_dollars(amount)}" for name, amount in others if amount is not None]
    if known:
        parts.append(f"would have cost: {', '.join(known)}")
    if spending.month_to_date_usd is not None:
        parts.append(f"month so far {format_dollars(spending.month_to_date_usd)}")
    parts.append(f"{spending.cache_share:.0%} of input from cache{_format_cache_saving(spending)}")
    return " · ".join(parts)


def _format_cache_saving(spending: Spending) -> str:
    usd = spending.cache_saved_usd
    if usd is None:
        return ""
    effect = f"saved {format_dollars(usd)}" if usd >= 0 else f"cost {format_dollars(-usd)} more"
    return f", which {effect}, including its warm-up"


def format_savings(savings: SavingsByPeriod) -> str:
    """Format a sentence about what was saved this month and since the beginning; empty if none."""
    if not savings.total.batches:
        return ""
    if not savings.total.is_known:
        return "What was saved is not known: no batch has a known price."
    amounts = [
        f"{format_dollars(x.saved_usd)} of {format_dollars(x.interactive_usd)}"
        for x in (savings.month, savings.total)
    ]
    unknown = savings.total.unknown_batches
    missing = f", without {plural(unknown, 'batch', 'batches')} of unknown price" if unknown else ""
    return f"Saved this month {amounts[0]}, since the beginning {amounts[1]}{missing}."


def format_savings_table(savings: SavingsByPeriod) -> str:
    """Format a table: interactive, paid, saved and cache share of each period."""
    periods = {
        "This run": savings.run,
        "This month": savings.month,
        "Since the beginning": savings.total,
    }
    rows = [(name, *savings_cells(x)) for name, x in periods.items()]
    return format_table(("", *SAVINGS_COLUMNS), rows, MAX_SAVINGS_BYTES)


def savings_cells(savings: Savings) -> tuple[str, ...]:
    """Return the texts below `SAVINGS_COLUMNS`."""
    if not savings.is_known:
        return ("not known",) * 3 + (f"{savings.cache_share:.0%}",)
    unknown = savings.unknown_batches
    more = f" + {plural(unknown, 'batch', 'batches')} of unknown price" if unknown else ""
    cache = ""
    if usd := savings.cache_saved_usd:
        cache = (
            f" (saved {format_dollars(usd)})" if usd > 0 else f" (cost {format_dollars(-usd)} more)"
        )
    return (
        format_dollars(savings.interactive_usd),
        f"{format_dollars(savings.paid_usd)}{more}",
        format_dollars(savings.saved_usd),
        f"{savings.cache_share:.0%}{cache}",
    )


def format_file_counts(statuses: FileStatuses) -> str:
    """Format `Files reviewed: 10 of 12 (2 in the backlog)`."""
    reviewed = statuses.count(FileStatus.REVIEWED)
    others = [
        f"{count} {status.value}"
        for status in FileStatus
        if status is not FileStatus.REVIEWED and (count := statuses.count(status))
    ]
    line = f"Files reviewed: {reviewed} of {len(statuses)}"
    return f"{line} ({', '.join(others)})" if others else line


def format_skipped(statuses: FileStatuses) -> str:
    """Format `5 skipped by the submit: 3 binary, 2 lock-file`; empty when none were skipped."""
    if not statuses.skipped:
        return ""
    total = sum(count for _, count in statuses.skipped)
    reasons = ", ".join(f"{count} {reason}" for reason, count in statuses.skipped)
    return f"{total} skipped by the submit: {reasons}"


def format_provenance(report: RunReport, *, with_commit: bool = False) -> list[str]:
    """Format the run, the batches, the model, the commit and the date of a report."""
    batches = ", ".join(html_code(batch) for batch in report.batch_ids[:MAX_BATCHES_LISTED])
    if len(report.batch_ids) > MAX_BATCHES_LISTED:
        batches += f" and {len(report.batch_ids) - MAX_BATCHES_LISTED} more"
    return [
        *([format_link("run", report.run_url)] if report.run_url else []),
        *([f"batch {batches}"] if batches else []),
        f"model {html_code(report.model)}",
        *([f"commit {html_code(report.commit[:12])}"] if with_commit else []),
        markdown(report.date, 20),
    ]


def format_destination(result: DestinationResult) -> str:
    """Format `issue: updated, [#12](…), 3 new, 1 fixed, 12 open. Note.`."""
    label = f"#{result.number}" if result.number else "open it"
    counts = (("new", result.new), ("fixed", result.fixed), ("open", result.open))
    parts = [
        f"{result.destination}: {result.action}",
        *([format_link(label, result.url)] if result.url or result.number else []),
        *(f"{count} {word}" for word, count in counts if count),
    ]
    note = f". {inline(result.note, MAX_NOTE_CHARS)}" if result.note else ""
    return ", ".join(parts) + note


def format_severity(tracked: TrackedFinding) -> str:
    """Format the severity with its icon: `🟠 high`."""
    return f"{SEVERITY_ICONS[tracked.severity]} {tracked.severity.value}"


def format_title(tracked: TrackedFinding) -> str:
    """Format the title; a finding without one is an `Untitled finding`."""
    return inline(tracked.title, MAX_TITLE_CHARS) or "Untitled finding"


def format_state(status: FindingStatus) -> str:
    """Format the state with its note, whether it is older than the change, and verified."""
    # A note that begins with the state, `fixed in 1a2b3c4`, becomes `fixed (in 1a2b3c4)`.
    text = format_note(status).removeprefix(f"{status.tracked.state.value} ")
    note = f" ({text})" if text else ""
    older = ", pre-existing" if status.tracked.pre_existing else ""
    verification = format_verification(status.tracked)
    verified = f", {verification}" if verification else ""
    return STATE_LABELS[status.tracked.state] + note + older + verified


def format_verification(tracked: TrackedFinding) -> str:
    """Format `confirmed by @ada`, or what a second request resulted in while it is open."""
    if tracked.confirmed_by:
        return f"confirmed by {markdown(f'@{tracked.confirmed_by}', MAX_LOGIN_CHARS)}"
    if tracked.verification is None or tracked.state not in OPEN_STATES:
        return ""
    return tracked.verification.value


def format_results(statuses: Iterable[FindingStatus]) -> str:
    """Format `Verified in this run: 5 confirmed, 1 disputed`; empty when no result came in."""
    results = [s.verified.result for s in statuses if s.verified]
    counts = ", ".join(
        f"{results.count(result)} {result.value}" for result in Verification if result in results
    )
    return f"Verified in this run: {counts}." if counts else ""


def format_note(status: FindingStatus) -> str:
    """Format the note about the state, or the reason that an ignore comment in the code gives."""
    return markdown_with_commits(status.note or status.tracked.ignore_reason, MAX_STATE_NOTE_CHARS)


def format_list_item(status: FindingStatus) -> str:
    """Format a finding as one item of a list: of closed ones, or of disputed ones."""
    tracked = status.tracked
    state = STATE_LABELS[tracked.state] if tracked.state in OPEN_STATES else ""
    parts = (
        f"- {format_severity(tracked)} · {format_title(tracked)}",
        state,
        html_code(shorten_path(tracked.anchor.path)),
        format_note(status),
        markdown(tracked.closed_on, 20),
    )
    return " · ".join(part for part in parts if part)


FINDING_COLUMNS = ("Severity", "Finding", "Where")


def format_table_row(status: FindingStatus, report: RunReport, url: str = "") -> tuple[str, ...]:
    """Format a finding as the cells of `FINDING_COLUMNS`, short enough for one line.

    The state is before the title, unless the finding is just open. *url*: what the title links to.
    """
    tracked = status.tracked
    state = format_state(status).removeprefix(f"{FindingState.OPEN.value}, ")
    prefix = f"**{state}** · "
    if state in (FindingState.OPEN.value, STATE_LABELS[FindingState.NEW]):
        prefix = state.removeprefix(FindingState.OPEN.value).replace("new", "")
    left = MAX_TITLE_CELL_CHARS - min(len(prefix.replace("*", "")), MAX_STATE_CELL_CHARS)
    title = inline(tracked.title, left) or "Untitled finding"
    place = html_code(f"{_end_of(tracked.anchor.path)}:{tracked.anchor.start_line}")
    return (
        format_severity(tracked).replace(" ", "\N{NO-BREAK SPACE}"),
        breakable(prefix + (f"[{title}]({url})" if url else title)),
        breakable(link_lines(place, tracked.anchor, report)),
    )


def _end_of(path: str) -> str:
    """Return the file's name, with the folders before it that fit the cell."""
    *folders, name = path.split("/")
    while folders and len(folders[-1]) + len(name) < MAX_PATH_CELL_CHARS:
        name = f"{folders.pop()}/{name}"
    return shorten_path(name, MAX_NAME_CELL_CHARS)


MAX_CELL_CHARS = 200
VERDICT_LABELS = {
    Verdict.INVALID: "❌ INVALID",
    Verdict.UNCERTAIN: "❔ UNCERTAIN",
    Verdict.VALID: "✅ VALID",
}
"""In the order of the table: the worst first."""


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]], max_bytes: int) -> str:
    """Format a table of at most *max_bytes*, and count the missing rows; empty without rows."""
    return "\n".join(table_lines(head, rows, max_bytes))


def table_lines(
    head: Sequence[str], rows: Iterable[Sequence[str]], max_bytes: int
) -> Iterator[str]:
    """Yield the lines of such a table."""
    missing = 0
    for number, row in enumerate(rows):
        if number == 0:
            yield f"| {' | '.join(head)} |"
            yield "|---" * len(head) + "|"
        line = "" if max_bytes < 0 else f"| {' | '.join(map(breakable, row))} |"
        max_bytes -= len(line.encode()) + 1
        if max_bytes < 0:
            missing += 1
        else:
            yield line
    if missing:
        yield ""
        yield f"… and {plural(missing, 'more row')}."


def format_findings(
    statuses: Iterable[FindingStatus],
    report: RunReport,
    max_bytes: int,
    urls: Mapping[str, str] | None = None,
) -> str:
    """Format a table of findings; *urls*: fingerprint to what a title links to."""
    return "\n".join(finding_lines(statuses, report, max_bytes, urls))


def finding_lines(
    statuses: Iterable[FindingStatus],
    report: RunReport,
    max_bytes: int,
    urls: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield the lines of this table: there may be tens of thousands of findings."""
    links = urls or {}
    rows = (format_table_row(s, report, links.get(s.tracked.fingerprint, "")) for s in statuses)
    return table_lines(FINDING_COLUMNS, rows, max_bytes)


def format_file_statuses(statuses: FileStatuses, max_bytes: int) -> str:
    """Format every file with its status; files that were not reviewed come first."""
    return "\n".join(file_status_lines(statuses, max_bytes))


def file_status_lines(statuses: FileStatuses, max_bytes: int) -> Iterator[str]:
    """Yield the lines of this table: there may be tens of thousands of files."""
    others = (
        (_format_path(e.path), e.status.value, markdown(e.reason, MAX_CELL_CHARS))
        for e in statuses.others
    )
    reviewed = ((_format_path(p), FileStatus.REVIEWED.value, "") for p in statuses.reviewed)
    return table_lines(("File", "Status", "Reason"), chain(others, reviewed), max_bytes)


def format_file_verdicts(report: RunReport, max_bytes: int) -> str:
    """Format the verdicts of a task such as refactor-validation, the worst first."""
    order = list(VERDICT_LABELS)
    rows = [
        (_format_path(v.path), VERDICT_LABELS[v.verdict], inline(v.summary, 2 * MAX_CELL_CHARS))
        for v in sorted(report.file_verdicts, key=lambda v: order.index(v.verdict))
    ]
    return format_table(("File", "Verdict", "Why"), rows, max_bytes)


def format_generated_files(report: RunReport, max_bytes: int) -> str:
    """Format the files that a task wrote, then those that failed a check."""
    rows = [
        (_format_path(g.path), _format_path(g.source), inline(g.summary, MAX_CELL_CHARS))
        for g in report.generated
    ]
    rows += [
        (
            _format_path(r.path),
            _format_path(r.source),
            f"refused: {markdown(r.reason, MAX_CELL_CHARS)}",
        )
        for r in report.refused
    ]
    return format_table(("Generated file", "Source", "Summary"), rows, max_bytes)


def format_task_results(report: RunReport, max_bytes: int) -> list[str]:
    """Format the results other than findings, each table within *max_bytes*."""
    tables = (format_file_verdicts(report, max_bytes), format_generated_files(report, max_bytes))
    return [table for table in tables if table]


def _format_path(path: str) -> str:
    return html_code(shorten_path(path))


@cache
def load_environment() -> "Environment":
    """Build the Jinja environment once; an undefined name in a template is an error."""
    # Only here: a plan on a laptop renders no template.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=PackageLoader("batch_action", "publishers"),
        undefined=StrictUndefined,
        # The output is Markdown: HTML escaping does not make it safe. The callers use `escape`.
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_template(name: str, **values: object) -> str:
    """Render a template without newlines at its start and end."""
    return load_environment().get_template(name).render(values).strip("\n")


def generate_template(name: str, **values: object) -> Iterator[str]:
    """Render a template in pieces; a callable in it is called when its turn comes."""
    return load_environment().get_template(name).generate(values)


def describe_run(published: PublishResult, max_bytes: int) -> dict[str, object]:
    """Return the fields of a template that is about a whole run; *max_bytes*: of each table."""
    report = published.report
    return {
        "task": markdown(report.title, 60),
        "headline": format_headline(
            published.visible, security_hidden=published.reconciliation.hides_security
        ),
        "security_hidden": published.reconciliation.hides_security,
        "verified": format_results(published.visible),
        "destinations": [format_destination(result) for result in published.results],
        "file_verdicts": format_file_verdicts(report, max_bytes),
        "generated": format_generated_files(report, max_bytes),
        "cost": format_cost(report.spending) if report.spending else "",
        "savings": format_savings_table(report.spending.savings) if report.spending else "",
        "file_statuses": format_file_counts(report.file_statuses),
        "entries": file_status_lines(report.file_statuses, max_bytes),
        "skipped": format_skipped(report.file_statuses),
    }
