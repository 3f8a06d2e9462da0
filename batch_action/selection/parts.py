"""Split a large file into parts, at blank lines and before definitions where possible."""

from collections.abc import Sequence

from batch_action.models.files import FilePart
from batch_action.selection.content import lines_of

MAX_CHARS = 60_000
"""Characters in one part: about 15,000 to 20,000 tokens."""

_CLOSING = (")", "]", "}", "end", "else", "elif", "except", "finally", "catch", "#endif", "</")


def parts_of(text: str, max_chars: int = MAX_CHARS) -> tuple[FilePart, ...]:
    """Return the parts of a text: together they hold each line once, in order.

    A part ends at the best place in the second half of what fits: before a top-level definition
    after a blank line, else at a blank line, else where it is full. A line longer than `max_chars`
    (see `find_long_line`) would be a part of its own.
    """
    lines = lines_of(text)
    bounds = []
    first = 0
    while first < len(lines):
        last = _part_end(lines, first, max_chars)
        bounds.append((first, last))
        first = last
    return tuple(
        FilePart(number=number, count=len(bounds), start_line=start + 1, end_line=end)
        for number, (start, end) in enumerate(bounds, 1)
    )


def find_long_line(text: str, max_chars: int = MAX_CHARS) -> int | None:
    """Return the number of the first line that is too long for a part; None when all fit."""
    if len(text) <= max_chars:
        return None
    lines = enumerate(lines_of(text), 1)
    return next((number for number, line in lines if len(line) + 1 > max_chars), None)


def _part_end(lines: Sequence[str], first: int, max_chars: int) -> int:
    """Return the index after the last line of the part that begins at `first`."""
    remaining, end = max_chars, first
    while end < len(lines) and (len(lines[end]) + 1 <= remaining or end == first):
        remaining -= len(lines[end]) + 1
        end += 1
    if end == len(lines):
        return end
    indexes = range(end, first + (end - first) // 2, -1)
    return max(indexes, key=lambda index: (_boundary_score(lines, index), index), default=end)


def _boundary_score(lines: Sequence[str], index: int) -> int:
    """Return how well a part begins with the line at `index`: 0 to 3."""
    line, before = lines[index].rstrip(), lines[index - 1].strip()
    top = bool(line) and not line[0].isspace() and not line.startswith(_CLOSING)
    if not before:
        return 3 if top else 1
    return 2 if before in ("}", "};", "end", "end;") and top else 0
