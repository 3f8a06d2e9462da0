"""The neighborhood of lines: what a finding there is judged by, and what touches it."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

CONTEXT_LINES = 10
"""Lines on each side when no enclosing definition is found."""
MAX_HEADER_CHARS = 300
MAX_SCOPE_LINES = 120
"""A longer enclosing definition is not used: any change in it would count."""

_HEADER = re.compile(
    r"\s*(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|"
    r"abstract|async|override|virtual|inline|const|unsafe|extern|open|sealed|suspend)\s+)*"
    r"(?:def|class|function|func|fn|fun|sub|struct|enum|impl|trait|interface|module|namespace|"
    r"record|object|test|describe|it)\b"
    # C, Java and kin: a signature without `;` before an opening brace; JavaScript's arrows.
    r"|\s*[\w<>\[\],.:*&~\s]+\([^;{}]*\)[^;{}]*\{\s*$|.*=>\s*\{\s*$"
)
_CONTROL = re.compile(r"\s*[})]*\s*(?:if|else|for|while|switch|do|try|catch|finally|with|match)\b")
_CLOSING = re.compile(r"\s*[)\]}]")
_OPENING = re.compile(r"\s*\{\s*$")


def neighborhood(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Return the first and last line (1-based) of the definition around `start..end`.

    Without one, or when it is too long, return `CONTEXT_LINES` lines on each side.
    """
    indents = [i for line in lines[start - 1 : end] if (i := _indent(line)) is not None]
    header = _header(lines, start, min(indents)) if indents else None
    return _range_of(lines, start, end, header, _block_end(lines, header) if header else None)


def touched_lines(lines: Sequence[str], changed: Iterable[int]) -> set[int]:
    """Return the lines whose neighborhood holds a changed line, the changed ones among them.

    *changed*: their numbers, the two lines around each removal included.
    """
    numbers = sorted(changed)
    found: set[int] = set()
    for first, last in _windows(numbers, len(lines)):
        headers = _headers(lines, first, last)
        ends = cache(lambda header: _block_end(lines, header))
        for number in range(first, last + 1):
            header = headers[number - first]
            block = ends(header) if header else None
            start, end = _range_of(lines, number, number, header, block)
            at = bisect_left(numbers, start)
            if at < len(numbers) and numbers[at] <= end:
                found.add(number)
    return found


def _windows(numbers: Sequence[int], count: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of lines that are near enough to a changed one to be touched by it."""
    first = last = 0
    for number in numbers:
        if first and number - MAX_SCOPE_LINES > last:
            yield first, min(last, count)
            first = 0
        first = first or max(1, number - MAX_SCOPE_LINES)
        last = number + MAX_SCOPE_LINES
    if first:
        yield first, min(last, count)


def _range_of(
    lines: Sequence[str], start: int, end: int, header: int | None, block: tuple[int, bool] | None
) -> tuple[int, int]:
    if header is not None and block is not None:
        last, is_closed = block
        # Of an indented block with the line after it: an addition at the end of the block falls
        # between two of its lines.
        last = max(last, end) if is_closed else min(len(lines), max(last, end) + 1)
        if last - header < MAX_SCOPE_LINES:
            return header, last
    return max(1, start - CONTEXT_LINES), min(max(len(lines), 1), end + CONTEXT_LINES)


def _indent(line: str) -> int | None:
    """Return the columns before the first character; None for a blank line."""
    bare = line.lstrip()
    if not bare:
        return None
    width = len(line) - len(bare)
    return width if "\t" not in line[:width] else len(line[:width].expandtabs(4))


def _is_header(line: str) -> bool:
    # The pattern is slow on a minified line, which is no header anyway.
    short = len(line) <= MAX_HEADER_CHARS
    return short and bool(_HEADER.match(line)) and not _CONTROL.match(line)


def _continues(line: str) -> bool:
    """Return whether a line opens or ends a block whose header is above it."""
    return bool(_CLOSING.match(line) or _OPENING.match(line))


def _header(lines: Sequence[str], start: int, inner: int) -> int | None:
    """Return the line that opens the definition around lines indented by *inner* columns."""
    if _indent(lines[start - 1]) == inner and _is_header(lines[start - 1]):
        return start
    for number in range(start - 1, max(0, start - 1 - MAX_SCOPE_LINES), -1):
        line = lines[number - 1]
        indent = _indent(line)
        if indent is None or indent >= inner or _continues(line):
            continue
        if _is_header(line):
            return number
        inner = indent
    return None


def _headers(lines: Sequence[str], first: int, last: int) -> list[int | None]:
    """Return for each line from *first* to *last* what `_header` finds for it alone."""
    is_header = cache(lambda number: _is_header(lines[number - 1]))
    found: list[int | None] = []
    # The lines above that a line may be inside of, each indented farther than the one before.
    above: list[int] = []
    indents: list[int] = []
    for number in range(max(1, first - MAX_SCOPE_LINES), last + 1):
        indent = _indent(lines[number - 1])
        depth = 0 if indent is None else bisect_left(indents, indent)
        if number >= first:
            chain = () if indent is None else (number, *reversed(above[:depth]))
            found.append(
                next((n for n in chain if number - n <= MAX_SCOPE_LINES and is_header(n)), None)
            )
        if indent is not None and not _continues(lines[number - 1]):
            above[depth:], indents[depth:] = [number], [indent]
    return found


def _block_end(lines: Sequence[str], header: int) -> tuple[int, bool]:
    """Return the last line of the block, and whether it is a line that closes it.

    Of a block that is too long, some line that is far enough from its header.
    """
    outer = _indent(lines[header - 1]) or 0
    last = header
    for number in range(header + 1, len(lines) + 1):
        line = lines[number - 1]
        indent = _indent(line)
        if indent is None:
            continue
        if indent > outer or _OPENING.match(line):
            last = number
        elif _CLOSING.match(line):
            last = number
            if line.rstrip().endswith((")", "}", "};", "]")):
                return last, True
        else:
            break
        if last - header >= MAX_SCOPE_LINES:
            break
    return last, False
