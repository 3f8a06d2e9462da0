"""Inline suppressions: comments in the code like `batch-action: ignore[category] reason`."""

import re
from collections.abc import Container, Sequence

from batch_action.models.findings import RawFinding

_COMMENT = re.compile(
    r"(?:#|//|/\*+|(?<=\s)\*|^\s*\*|--|<!--|;|%|\"\"\"|''')\s*batch-action:\s*ignore\b"
    r"(?:\[([^\]\n]{0,200})\])?[:\s]*(.*)",
    re.IGNORECASE,
)
_END = re.compile(r"\s*(?:\*/|-->|\"\"\"|''')\s*$")
MAX_LINE_CHARS = 2_000
MAX_REASON_CHARS = 200


def suppression_reason(
    raw_finding: RawFinding, lines: Sequence[str], start: int, end: int, added: Container[int]
) -> str | None:
    """Return the reason in the comment that suppresses a finding; None when there is no comment.

    A comment applies to its own line; alone on its line, also to the next one. The brackets list
    categories or rules, separated by commas; without brackets it applies to every finding but those
    of security, whose category must be named. A security finding is suppressed only if the reviewed
    change added neither the comment nor a line of the finding: a change is not trusted about its
    own safety, and whoever wrote the comment did not see code that was added later.

    The finding is in the *lines* of the reviewed text from *start* to *end* (1-based, inclusive);
    *added* are the numbers of the lines that the reviewed change added.
    """
    for number in range(max(1, start - 1), min(end, len(lines)) + 1):
        line = lines[number - 1][:MAX_LINE_CHARS]
        comment = _COMMENT.search(line)
        if comment is None:
            continue
        if number < start and line[: comment.start()].strip():
            continue
        listed = comment[1]
        names = {n.strip().casefold() for n in (listed or "").split(",") if n.strip()}
        if names & {raw_finding.category.casefold(), raw_finding.rule.casefold()} or (
            listed is None and not raw_finding.security
        ):
            # Asked last: most findings have no comment, and the answer is read from git.
            if raw_finding.security and any(n in added for n in (number, *range(start, end + 1))):
                continue
            return _END.sub("", comment[2]).strip()[:MAX_REASON_CHARS]
    return None
