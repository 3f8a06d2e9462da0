"""Line maps: where the lines of one blob are in another one."""

from collections.abc import Iterable

from batch_action.models.files import Hunk
from batch_action.models.findings import Anchor, LineMap

LineRange = tuple[int, int]
"""First and last line, 1-based, inclusive."""


def build_line_map(hunks: Iterable[Hunk]) -> LineMap:
    """Build the line map of two blobs from their `git diff -U0` hunks, in order."""
    return LineMap(hunks=tuple((h.old_start, h.old_lines, h.new_start, h.new_lines) for h in hunks))


def map_lines(line_map: LineMap, lines: LineRange) -> LineRange | None:
    """Return where these old lines are now; None when any of them was changed.

    An insertion counts as a change only between two of the lines.
    """
    first, last = lines
    shift = 0
    for old, count, _, added in line_map.hunks:
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


def estimate_lines(line_map: LineMap, lines: LineRange) -> LineRange:
    """Estimate where these old lines are now; a changed hunk is scaled to its new size."""
    first, last = (_estimate_line(line_map, line) for line in lines)
    return first, max(first, last)


def _estimate_line(line_map: LineMap, line: int) -> int:
    shift = 0
    for old, count, new, added in line_map.hunks:
        if count and old <= line < old + count:
            return max(1, new + (line - old) * added // count)
        if old + max(count - 1, 0) >= line:
            break
        shift += added - count
    return max(1, line + shift)


def has_added_lines(line_map: LineMap, lines: LineRange) -> bool:
    """Return whether any of these new lines was added or changed."""
    return any(
        added and overlap((new, new + added - 1), lines) > 0 for _, _, new, added in line_map.hunks
    )


def overlap(first: LineRange, second: LineRange) -> int:
    """Count the lines that two ranges share; a negative count is the distance between them."""
    return min(first[1], second[1]) - max(first[0], second[0]) + 1


def lines_of(anchor: Anchor) -> LineRange:
    """Return the first and last line of an anchor."""
    return anchor.start_line, anchor.end_line


def share_lines(first: Anchor, second: Anchor) -> bool:
    """Return whether two anchors share lines of the same blob and path."""
    same_content = (first.path, first.blob) == (second.path, second.blob)
    return same_content and overlap(lines_of(first), lines_of(second)) > 0
