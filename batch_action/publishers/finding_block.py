"""What issues and reviews share: blocks of findings, sections, and the last run.

A block is rendered once, and afterwards preserved as opaque text.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from batch_action.escape import code_span, fence, html_code, markdown
from batch_action.models.findings import (
    OPEN_STATES,
    Finding,
    FindingState,
    FindingStatus,
    FindingTexts,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.report import RunReport
from batch_action.models.verification import Verification, VerificationResult
from batch_action.publishers import links, markers, report_text, suppressed, user_commands
from batch_action.publishers.markers import Block
from batch_action.publishers.prose import cut, labeled, prose
from batch_action.publishers.report_text import render_template
from batch_action.text import plural, shorten_path

MAX_CODE_LINES = 40
MAX_CODE_CHARS = 4_000
MAX_PROSE_CHARS = 3_000
MAX_TRIGGER_CHARS = 600
MAX_REASON_CHARS = 1_500
"""The limit of the reason why a finding is disputed or undecided."""
MAX_NEW_DETAILS_CHARS = 300_000
"""The limit of all details that one run adds: ten comments full."""
BRIEF_MARKER = "<!-- batch-action:brief -->"
MAX_LISTED = 20
RESULT_LABELS = {
    Verification.DISPUTED: "Disputed by a second request",
    Verification.UNDECIDED: "A second request could not decide",
}
"""The results whose reason a report shows."""
CLOSED_LABELS = {
    FindingState.FIXED: "✅ Fixed",
    FindingState.IGNORED: "Ignored",
    FindingState.DISMISSED: "Dismissed",
}
DISMISSIBLE_STATES = (*OPEN_STATES, FindingState.IGNORED)
"""The states in which a finding can still be dismissed."""


def render_block(tracked: TrackedFinding, finding: Finding | None, report: RunReport) -> str:
    """Render a new block; without *finding*, a brief one that `complete_block` completes later.

    It contains nothing that changes later, such as the state and the current lines: those are in
    the table.
    """
    facts = _format_facts(tracked, finding, report)
    return render_template(
        "finding_block.md.j2",
        severity=report_text.format_severity(tracked),
        title=report_text.format_title(tracked),
        path=html_code(shorten_path(tracked.anchor.path)),
        id=html_code(tracked.fingerprint[:8]),
        facts=facts if finding else f"{facts} {BRIEF_MARKER}",
        details=render_details(finding) if finding else "",
    )


def render_details(finding: Finding) -> str:
    """Render the code of a finding, what triggers it, its explanation and its remediation."""
    texts = finding.texts.read()
    quoted = truncate_code(texts.evidence)
    return render_template(
        "finding_details.md.j2",
        code=fence(quoted, PurePosixPath(finding.anchor.path).suffix[1:].lower())
        if quoted.strip()
        else "",
        trigger=labeled("Trigger", texts.raw.trigger, MAX_TRIGGER_CHARS),
        why=labeled("Why", texts.raw.explanation, MAX_PROSE_CHARS),
        fix=labeled("Fix", texts.raw.remediation, MAX_PROSE_CHARS),
        suggestion=render_suggestion(texts),
    )


def complete_block(text: str, finding: Finding | None) -> str:
    """Add the details to a brief block, if there are any now; leave other blocks unchanged."""
    if finding is None or BRIEF_MARKER not in text:
        return text
    before, _, after = text.partition(BRIEF_MARKER)
    return f"{before.rstrip(' ')}\n\n{render_details(finding)}{after}"


def render_text(status: FindingStatus, existing: str, report: RunReport) -> str:
    """Render a finding's block: the *existing* one of any destination, or else a new one."""
    if existing:
        text = complete_block(existing, status.finding)
    else:
        text = render_block(status.tracked, status.finding, report)
    return add_reason(text, status.verified)


def add_reason(text: str, verified: VerificationResult | None) -> str:
    """Add why a finding is disputed or undecided below the first line of its text, once.

    Later runs do not know the reason: it stays where it is, as all of the text does.
    """
    if verified is None or not (label := RESULT_LABELS.get(verified.result)):
        return text
    reason = prose(verified.reason, MAX_REASON_CHARS)
    digest = hashlib.sha256(f"{label}\0{reason}".encode("utf-8", "replace")).hexdigest()[:12]
    marker = f"<!-- batch-action:reason about={digest} -->"
    if not reason or marker in text:
        return text
    # A marker at the start of a line would end the block.
    first, _, rest = text.partition("\n\n")
    return "\n\n".join(filter(None, [first, f"**{label}:** {marker}", reason, rest]))


def _format_facts(tracked: TrackedFinding, finding: Finding | None, report: RunReport) -> str:
    since = f"{markdown(tracked.opened_on, 20)} " if tracked.opened_on else ""
    facts = [
        f"First seen {since}at {links.format_location(tracked.anchor, report)}",
        f"category {markdown(tracked.category, 60)}",
        f"rule {code_span(tracked.rule, 60) or 'unnamed'}",
    ]
    if finding:
        facts.append(f"confidence {finding.confidence.value}")
        if cwe := finding.texts.read().raw.cwe:
            facts.append(markdown(cwe, 20))
    if tracked.pre_existing:
        facts.append("older than the reviewed change")
    return " · ".join(facts)


def render_suggestion(texts: FindingTexts) -> str:
    """Render a suggestion: as a diff if whole lines are quoted, else as text; empty for none."""
    if texts.raw.suggestion is None:
        return ""
    if not texts.quotes_lines:
        return fence(truncate_code(texts.raw.suggestion))
    old = [f"-{line}" for line in truncate_code(texts.evidence).split("\n")]
    new = [f"+{line}" for line in truncate_code(texts.raw.suggestion).split("\n")]
    return fence("\n".join(old + new), "diff")


def truncate_code(code: str) -> str:
    """Truncate code to the limits of an issue, and count the missing lines."""
    code = code.replace("\r\n", "\n")
    lines = code.split("\n")
    if len(lines) > MAX_CODE_LINES:
        code = "\n".join([*lines[:MAX_CODE_LINES], f"… {len(lines) - MAX_CODE_LINES} more lines"])
    return code if len(code) <= MAX_CODE_CHARS else code[: MAX_CODE_CHARS - 1] + "…"


def wrap_block(
    tracked: TrackedFinding,
    text: str,
    max_chars: int,
    *,
    ticked: bool = False,
    checkbox: bool = True,
) -> Block:
    """Put a block between its markers, with a checkbox if it can be dismissed.

    Only text that people added can make it longer than *max_chars*; then it is cut.
    """

    def wrap(text: str) -> str:
        if checkbox and tracked.state in DISMISSIBLE_STATES:
            text = user_commands.add_checkbox(text, tracked.fingerprint, ticked=ticked)
        return markers.wrap_block(tracked, text)

    excess = len(wrap(text)) - max_chars
    if excess > 0:
        text = cut(text, max(0, len(text) - excess), "an issue")
    return Block(tracked=tracked, text=wrap(text))


def render_blocks(
    statuses: Iterable[FindingStatus],
    blocks: Mapping[str, str],
    report: RunReport,
    *,
    max_block_chars: int,
    ticked: Collection[str],
) -> list[Block]:
    """Render the blocks of these findings: existing ones are preserved, brief ones completed.

    Closed findings, and all findings after `MAX_NEW_DETAILS_CHARS`, get brief blocks.

    *blocks*: fingerprint to the existing block; *max_block_chars*: with its markers; *ticked*:
    fingerprints whose checkboxes are ticked.
    """
    rendered, left = [], MAX_NEW_DETAILS_CHARS
    for status in statuses:
        tracked = status.tracked
        existing = blocks.get(tracked.fingerprint, "")
        if left <= 0 or tracked.state not in OPEN_STATES:
            status = replace(status, finding=None)  # noqa: PLW2901 - without details
        text = render_text(status, existing, report)
        left -= len(text) - len(existing)
        is_ticked = tracked.fingerprint in ticked
        rendered.append(wrap_block(tracked, text, max_block_chars, ticked=is_ticked))
    return rendered


def pack_blocks(blocks: Iterable[Block], max_chars: int) -> list[list[Block]]:
    """Pack blocks in order into pages of *max_chars*; a longer block gets a page of its own."""
    pages: list[list[Block]] = []
    used = max_chars + 1
    for block in blocks:
        size = len(block.text) + 2
        if used + size > max_chars:
            pages.append([])
            used = 0
        pages[-1].append(block)
        used += size
    return pages


def join_blocks(blocks: Iterable[Block]) -> str:
    """Join blocks with blank lines, which end the HTML of each."""
    return "\n\n".join(block.text for block in blocks)


def set_dates(status: FindingStatus, report: RunReport) -> FindingStatus:
    """Set the dates on which a finding was opened and closed, where empty, to this run's date."""
    tracked = status.tracked
    is_fixed = tracked.state is FindingState.FIXED
    tracked = replace(
        tracked,
        opened_on=tracked.opened_on or report.date,
        closed_on=(tracked.closed_on or report.date) if is_fixed else "",
    )
    return replace(status, tracked=tracked)


def keep_reported_state(status: FindingStatus, reported: FindingState | None) -> FindingStatus:
    """Keep an open finding `new` or `back`, as last reported, in a run that reviewed nothing."""
    if status.tracked.state is FindingState.OPEN and reported in (
        FindingState.NEW,
        FindingState.BACK,
    ):
        return replace(status, tracked=replace(status.tracked, state=reported))
    return status


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the body, folded under its summary if it has one."""

    summary: str
    blocks: str
    lines: tuple[str, ...] = ()


def build_sections(
    statuses: Sequence[FindingStatus], blocks: Sequence[Block], change: str
) -> list[Section]:
    """Build the sections: open findings, then folded older, disputed and closed ones.

    *change*: what the older ones are older than.
    """

    def join(*states: FindingState, pre_existing: bool | None = None) -> str:
        return join_blocks(
            block
            for block in blocks
            if block.tracked.state in states
            and pre_existing in (None, block.tracked.pre_existing)
            and not block.tracked.is_disputed
        )

    older = sum(s.tracked.pre_existing and s.tracked.counts_as_open for s in statuses)
    disputed = [s for s in statuses if s.tracked.is_disputed]
    sections = [
        Section(summary="", blocks=join(*OPEN_STATES, pre_existing=False)),
        Section(
            summary=f"{plural(older, 'finding')} older than {change}",
            blocks=join(*OPEN_STATES, pre_existing=True),
        ),
        Section(
            summary=f"Disputed: {len(disputed)}",
            blocks=join_blocks(block for block in blocks if block.tracked.is_disputed),
            lines=_format_list(disputed),
        ),
    ]
    for state, label in CLOSED_LABELS.items():
        closed = [s for s in statuses if s.tracked.state is state]
        counts = _format_ignored(closed) if state is FindingState.IGNORED else f"{len(closed)}"
        sections.append(
            Section(summary=f"{label}: {counts}", blocks=join(state), lines=_format_list(closed))
        )
    return [section for section in sections if section.blocks or section.lines]


def _format_list(statuses: Sequence[FindingStatus]) -> tuple[str, ...]:
    lines = tuple(report_text.format_list_item(s) for s in statuses[:MAX_LISTED])
    more = len(statuses) - len(lines)
    return (*lines, f"- … and {more} more") if more else lines


def _format_ignored(ignored: Sequence[FindingStatus]) -> str:
    baseline = sum(s.tracked.ignored_by == "baseline" for s in ignored)
    counts = ((len(ignored) - baseline, "a comment in the code"), (baseline, "the baseline"))
    return f"{', '.join(f'{count} by {origin}' for count, origin in counts if count)}"


def render_last_run(
    report: RunReport, reconciled: Reconciliation, advice: str, max_chars: int, **limits: int
) -> str:
    """Render the file statuses, the cost, and where the report comes from.

    *max_chars*: of each table; *limits*: see `count_suppressed`.
    """
    lines = (
        f"{skipped}." if (skipped := report_text.format_skipped(report.file_statuses)) else "",
        suppressed.format_suppressed(
            suppressed.count_suppressed(reconciled, **limits), report.run_url
        ),
        suppressed.format_ignored_security(reconciled.visible),
    )
    return render_template(
        "last_run.md.j2",
        summary=report_text.format_file_counts(report.file_statuses),
        table=report_text.format_file_statuses(report.file_statuses, max_chars),
        lines=[line for line in lines if line],
        task_results=report_text.format_task_results(report, max_chars),
        cost=report_text.format_cost(report.spending) if report.spending else "",
        provenance=report_text.format_provenance(report),
        advice=advice,
        savings=report_text.format_savings(report.spending.savings) if report.spending else "",
    )
