"""Markdown tables that fit: what has no room is counted, never cut in the middle."""

from collections.abc import Sequence

from batch_action.escape import html_code, inline, markdown
from batch_action.models.file_results import Verdict
from batch_action.models.report import FileStatus, FileStatuses, RunReport
from batch_action.publishers.wording import shortened
from batch_action.text import plural

LONGEST_CELL = 200
RULINGS = {
    Verdict.VALID: "✅ VALID",
    Verdict.INVALID: "❌ INVALID",
    Verdict.UNCERTAIN: "❔ UNCERTAIN",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> str:
    """A table of at most *room* bytes, and how many rows are missing; empty without rows."""
    lines: list[str] = []
    for row in rows:
        line = f"| {' | '.join(row)} |"
        room -= len(line.encode()) + 1
        if room < 0:
            break
        lines.append(line)
    if not rows:
        return ""
    if len(lines) < len(rows):
        lines += ["", f"… and {plural(len(rows) - len(lines), 'more row')}."]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])


def file_statuses(account: FileStatuses, room: int) -> str:
    """Every file with what became of it; what was not reviewed, which people look for, first."""
    order = sorted(account.entries, key=lambda entry: entry.status is FileStatus.REVIEWED)
    rows = [(_path(e.path), e.status.value, markdown(e.reason, LONGEST_CELL)) for e in order]
    return table(("File", "Account", "Reason"), rows, room)


def file_verdicts(report: RunReport, room: int) -> str:
    """What refactor-validation says of each file, the worst first."""
    order = [Verdict.INVALID, Verdict.UNCERTAIN, Verdict.VALID]
    rows = [
        (_path(j.path), RULINGS[j.verdict], inline(j.summary, 2 * LONGEST_CELL))
        for j in sorted(report.file_verdicts, key=lambda j: order.index(j.verdict))
    ]
    return table(("File", "Ruling", "Why"), rows, room)


def generated(report: RunReport, room: int) -> str:
    """The files a task wrote, and those that failed a check."""
    rows = [
        (_path(g.path), _path(g.source), inline(g.summary, LONGEST_CELL)) for g in report.generated
    ]
    rows += [
        (_path(r.path), _path(r.source), f"refused: {markdown(r.reason, LONGEST_CELL)}")
        for r in report.refused
    ]
    return table(("Generated file", "Made from", ""), rows, room)


def returned(report: RunReport, room: int) -> list[str]:
    """What came back besides findings, each kind in at most *room* bytes."""
    return [one for one in (file_verdicts(report, room), generated(report, room)) if one]


def _path(path: str) -> str:
    return html_code(shortened(path))
