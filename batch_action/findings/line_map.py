"""How lines moved from one blob into another."""

from collections.abc import Iterable

from batch_action.models.files import Hunk
from batch_action.models.findings import Anchor, LineMap

Lines = tuple[int, int]
"""First and last line, 1-based, inclusive."""


def line_map(hunks: Iterable[Hunk]) -> LineMap:
    """The line map of two blobs from their `git diff -U0` hunks, in order."""
    return LineMap(hunks=tuple((h.old_start, h.old_lines, h.new_start, h.new_lines) for h in hunks))


def carry(moved: LineMap, lines: Lines) -> Lines | None:
    """Where these old lines stand now; None when any of them was touched.

    An insertion touches lines only when it falls between two of them.
    """
    first, last = lines
    shift = 0
    for old, count, _, added in moved.hunks:
        if count == 0:
            if old < first:
                shift += added
            elif old < last:
                return None
        elif old + count - 1 < first:
            shift += added - count
        elif old <= last:
            return None
    return first + shift, last + shift


def estimate(moved: LineMap, lines: Lines) -> Lines:
    """About where these old lines stand now, touched or not; a changed run is scaled."""
    first, last = (_place(moved, line) for line in lines)
    return first, max(first, last)


def _place(moved: LineMap, line: int) -> int:
    shift = 0
    for old, count, new, added in moved.hunks:
        if count and old <= line < old + count:
            return max(1, new + (line - old) * added // count)
        if old + max(count - 1, 0) >= line:
            break
        shift += added - count
    return max(1, line + shift)


def put_in(moved: LineMap, lines: Lines) -> bool:
    """Whether any of these new lines is not an old line that stayed as it was."""
    return any(
        added and overlap((new, new + added - 1), lines) > 0 for _, _, new, added in moved.hunks
    )


def overlap(one: Lines, other: Lines) -> int:
    """How many lines two ranges share; negative: how far apart they are."""
    return min(one[1], other[1]) - max(one[0], other[0]) + 1


def lines_of(anchor: Anchor) -> Lines:
    """First and last line of an anchor."""
    return anchor.start_line, anchor.end_line


def same_lines(one: Anchor, other: Anchor) -> bool:
    """Whether two anchors share lines of the same content."""
    content = (one.path, one.blob) == (other.path, other.blob)
    return content and overlap(lines_of(one), lines_of(other)) > 0
