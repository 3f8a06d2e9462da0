"""`batch-action: ignore[category] reason` in the code: a finding that its authors accept."""

import re
from collections.abc import Collection, Sequence

from batch_action.models.findings import RawFinding

_COMMENT = re.compile(
    r"(?:#|//|/\*+|(?<=\s)\*|^\s*\*|--|<!--|;|%|\"\"\"|''')\s*batch-action:\s*ignore\b"
    r"(?:\[([^\]\n]{0,200})\])?[:\s]*(.*)",
    re.IGNORECASE,
)
_END = re.compile(r"\s*(?:\*/|-->|\"\"\"|''')\s*$")
LONGEST_LINE = 2_000
LONGEST_REASON = 200


def ignored(
    remark: RawFinding, lines: Sequence[str], start: int, end: int, added: Collection[int]
) -> str | None:
    """The reason of a comment that covers a finding; None when there is none.

    A comment covers the line it stands on; alone on its line, also the one below it. In brackets
    stand categories or rules, parted by commas; without brackets every finding is meant but those
    of security, which must be named. Such a one is hidden by no comment that the reviewed change
    itself brought in: what a change says about its own safety is not taken from it.

    Args:
        remark: what was found.
        lines: the reviewed text.
        start: the finding's first line, 1-based.
        end: its last one.
        added: the lines that the reviewed change added.

    """
    for number in range(max(1, start - 1), min(end, len(lines)) + 1):
        line = lines[number - 1][:LONGEST_LINE]
        found = _COMMENT.search(line)
        if found is None or (remark.security and number in added):
            continue
        if number < start and line[: found.start()].strip():
            continue
        names = [name.strip().casefold() for name in (found[1] or "").split(",") if name.strip()]
        meant = {remark.category.casefold(), remark.rule.casefold()}
        if meant & set(names) or (found[1] is None and not remark.security):
            return _END.sub("", found[2]).strip()[:LONGEST_REASON]
    return None
