"""Ranges of lines: what shares them, and where a change has moved them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from batch_action.models.files import Hunk
from batch_action.models.findings import Anchor

LineRange = tuple[int, int]
"""First and last line, 1-based, inclusive."""

BLOCK_LINES = 16
"""Lines are looked up in blocks of so many."""

V = TypeVar("V")


class LineIndex(Generic[V]):
    """Values by the lines that they are about: lines of a file, or of a file and a category."""

    def __init__(self) -> None:
        self._blocks: defaultdict[tuple[Hashable, int], list[tuple[int, LineRange, V]]]
        self._blocks = defaultdict(list)
        self._count = 0

    def add(self, place: Hashable, lines: LineRange, value: V) -> None:
        """Add a value that is about these lines of a place."""
        self._count += 1
        for block in _blocks(lines):
            self._blocks[place, block].append((self._count, lines, value))

    def at(self, place: Hashable, lines: LineRange) -> list[V]:
        """Return the values that share these lines, in the order in which they were added."""
        found = {
            number: value
            for block in _blocks(lines)
            for number, others, value in self._blocks.get((place, block), ())
            if overlap(lines, others) > 0
        }
        return [found[number] for number in sorted(found)]


def _blocks(lines: LineRange) -> range:
    return range(lines[0] // BLOCK_LINES, lines[1] // BLOCK_LINES + 1)


def overlap(first: LineRange, second: LineRange) -> int:
    """Count the lines that two ranges share; a negative count is the distance between them."""
    return min(first[1], second[1]) - max(first[0], second[0]) + 1


def lines_of(anchor: Anchor) -> LineRange:
    """Return the first and last line of an anchor."""
    return anchor.start_line, anchor.end_line


def scope_of(anchor: Anchor) -> LineRange:
    """Return the first and last line of an anchor's neighborhood."""
    return anchor.scope_start, anchor.scope_end


def map_lines(hunks: Sequence[Hunk], lines: LineRange) -> LineRange | None:
    """Return where these old lines are now; None when any of them was changed.

    An insertion counts as a change only between two of the lines. *hunks* are in their order.
    """
    first, last = lines
    for number in reversed(range(bisect_right(hunks, last, key=_first_old))):
        hunk = hunks[number]
        if _first_old(hunk) + hunk.old_lines <= first:
            break
        if not hunk.outputs_only:
            return None
    return estimate_lines(hunks, lines)


def _first_old(hunk: Hunk) -> int:
    # An insertion follows its old line, which itself did not change.
    return hunk.old_start + (hunk.old_lines == 0)


def estimate_lines(hunks: Sequence[Hunk], lines: LineRange) -> LineRange:
    """Estimate where these old lines are now; a changed hunk is scaled to its new size."""
    first, last = (_estimate_line(hunks, line) for line in lines)
    return first, max(first, last)


def _estimate_line(hunks: Sequence[Hunk], line: int) -> int:
    number = bisect_right(hunks, line, key=_first_old)
    if number == 0:
        return max(1, line)
    hunk = hunks[number - 1]
    offset = line - hunk.old_start
    if offset < hunk.old_lines:
        return max(1, hunk.new_start + offset * hunk.new_lines // hunk.old_lines)
    # Where the lines after the hunk begin now, and where they began.
    new = hunk.new_start + max(hunk.new_lines, 1)
    old = hunk.old_start + max(hunk.old_lines, 1)
    return max(1, line + new - old)


def changes_lines(hunks: Sequence[Hunk], lines: LineRange) -> bool:
    """Return whether any of these new lines was added or changed."""
    for number in reversed(range(bisect_right(hunks, lines[1], key=lambda hunk: hunk.new_start))):
        hunk = hunks[number]
        if hunk.new_start + hunk.new_lines > lines[0] and hunk.new_lines:
            return True
        if hunk.new_lines:
            break
    return False
