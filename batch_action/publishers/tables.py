"""Markdown tables within a size limit: rows beyond it are counted, never cut in the middle."""

from collections.abc import Sequence

from batch_action.escape import html_code, inline, markdown
from batch_action.models.file_results import Verdict
from batch_action.models.report import FileStatus, FileStatuses, RunReport
from batch_action.publishers.report_text import shorten_path
from batch_action.text import plural

MAX_CELL_CHARS = 200
VERDICT_LABELS = {
    Verdict.INVALID: "❌ INVALID",
    Verdict.UNCERTAIN: "❔ UNCERTAIN",
    Verdict.VALID: "✅ VALID",
}
"""In the order of the table: the worst first."""


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], max_bytes: int) -> str:
    """Format a table of at most *max_bytes*, and count the missing rows; empty without rows."""
    lines: list[str] = []
    for row in rows:
        line = f"| {' | '.join(row)} |"
        max_bytes -= len(line.encode()) + 1
        if max_bytes < 0:
            break
        lines.append(line)
    if not rows:
        return ""
    if len(lines) < len(rows):
        lines += ["", f"… and {plural(len(rows) - len(lines), 'more row')}."]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])


def format_file_statuses(statuses: FileStatuses, max_bytes: int) -> str:
    """Format every file with its status; files that were not reviewed come first."""
    order = sorted(statuses.entries, key=lambda entry: entry.status is FileStatus.REVIEWED)
    rows = [
        (_format_path(e.path), e.status.value, markdown(e.reason, MAX_CELL_CHARS)) for e in order
    ]
    return format_table(("File", "Status", "Reason"), rows, max_bytes)


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
