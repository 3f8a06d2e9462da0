"""A large file is cut into parts at places where a reader would cut it."""

from collections.abc import Sequence

from batch_action.models.files import FilePart
from batch_action.selection.content import lines_of

MAX_CHARS = 60_000
"""Characters in one part: some 15,000 to 20,000 tokens."""

_CLOSING = (")", "]", "}", "end", "else", "elif", "except", "finally", "catch", "#endif", "</")


def parts_of(text: str, max_chars: int = MAX_CHARS) -> tuple[FilePart, ...]:
    """Return the parts of a text: together they hold each line once, in order.

    A part ends where the second half of what fits offers the best place: before a top-level
    definition after a blank line, else at a blank line, else where it is full. No line may be
    longer than `max_chars` (see `long_line`); it would be a part of its own.
    """
    lines = lines_of(text)
    bounds = []
    first = 0
    while first < len(lines):
        last = _cut(lines, first, max_chars)
        bounds.append((first, last))
        first = last
    return tuple(
        FilePart(number=number, of=len(bounds), first=start + 1, last=end)
        for number, (start, end) in enumerate(bounds, 1)
    )


def long_line(text: str, max_chars: int = MAX_CHARS) -> int | None:
    """Return the number of the first line that fits into no part; None when all do."""
    if len(text) <= max_chars:
        return None
    lines = enumerate(lines_of(text), 1)
    return next((number for number, line in lines if len(line) + 1 > max_chars), None)


def _cut(lines: Sequence[str], first: int, max_chars: int) -> int:
    """Return the index behind the last line of the part that begins at `first`."""
    room, end = max_chars, first
    while end < len(lines) and (len(lines[end]) + 1 <= room or end == first):
        room -= len(lines[end]) + 1
        end += 1
    if end == len(lines):
        return end
    places = range(end, first + (end - first) // 2, -1)
    return max(places, key=lambda place: (_worth(lines, place), place), default=end)


def _worth(lines: Sequence[str], place: int) -> int:
    """Return how good it is to begin a part with the line at `place`: 0 to 3."""
    line, before = lines[place].rstrip(), lines[place - 1].strip()
    top = bool(line) and not line[0].isspace() and not line.startswith(_CLOSING)
    if not before:
        return 3 if top else 1
    return 2 if before in ("}", "};", "end", "end;") and top else 0
