"""Markdown tables that fit: what has no room is counted, never cut in the middle."""

from collections.abc import Sequence

from batch_action.escape import html_code, inline, markdown
from batch_action.models.file_results import Ruling
from batch_action.models.report import Account, Night, Receipt
from batch_action.publishers.wording import shortened
from batch_action.text import plural

LONGEST_CELL = 200
RULINGS = {
    Ruling.VALID: "✅ VALID",
    Ruling.INVALID: "❌ INVALID",
    Ruling.UNCERTAIN: "❔ UNCERTAIN",
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


def receipt(account: Receipt, room: int) -> str:
    """Every file with what became of it; what was not reviewed, which people look for, first."""
    order = sorted(account.entries, key=lambda entry: entry.account is Account.REVIEWED)
    rows = [(_path(e.path), e.account.value, markdown(e.reason, LONGEST_CELL)) for e in order]
    return table(("File", "Account", "Reason"), rows, room)


def judgements(night: Night, room: int) -> str:
    """What refactor-validation says of each file, the worst first."""
    order = [Ruling.INVALID, Ruling.UNCERTAIN, Ruling.VALID]
    rows = [
        (_path(j.path), RULINGS[j.ruling], inline(j.summary, 2 * LONGEST_CELL))
        for j in sorted(night.judgements, key=lambda j: order.index(j.ruling))
    ]
    return table(("File", "Ruling", "Why"), rows, room)


def generated(night: Night, room: int) -> str:
    """The files a task wrote, and those that failed a check."""
    rows = [
        (_path(g.path), _path(g.source), inline(g.summary, LONGEST_CELL)) for g in night.generated
    ]
    rows += [
        (_path(r.path), _path(r.source), f"refused: {markdown(r.reason, LONGEST_CELL)}")
        for r in night.refused
    ]
    return table(("Generated file", "Made from", ""), rows, room)


def returned(night: Night, room: int) -> list[str]:
    """What came back besides findings, each kind in at most *room* bytes."""
    return [one for one in (judgements(night, room), generated(night, room)) if one]


def _path(path: str) -> str:
    return html_code(shortened(path))
