"""Which lines of a pull request's diff can have a comment: those its hunks show on the new side."""

import re
from collections.abc import Sequence

Lines = tuple[int, int]
"""First and last line, 1-based, inclusive."""

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def hunks(patch: str) -> tuple[Lines, ...]:
    """The lines that each hunk of a file's patch shows of the new content, context included."""
    found = ((int(m[1]), int(m[2] or 1)) for m in _HUNK.finditer(patch))
    return tuple((first, first + count - 1) for first, count in found if count)


def within(lines: Lines, shown: Sequence[Lines]) -> Lines | None:
    """These lines as far as one hunk shows them; None when none of them is in the diff."""
    parts = [(max(lines[0], first), min(lines[1], last)) for first, last in shown]
    fitting = [part for part in parts if part[0] <= part[1]]
    return max(fitting, key=lambda part: part[1] - part[0], default=None)
