"""The neighborhood of lines: what a finding there is judged by, and what touches it."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

CONTEXT_LINES = 10
"""Lines on each side when no enclosing definition is found."""
MAX_HEADER_CHARS = 300
MAX_SCOPE_LINES = 120
"""A longer enclosing definition is not used: any change in it would count."""

_NAMED_HEADER = re.compile(
    r"\s*(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|"
    r"abstract|async|override|virtual|inline|const|unsafe|extern|open|sealed|suspend)\s+)*"
    r"(?:def|class|function|func|fn|fun|sub|struct|enum|impl|trait|interface|module|namespace|"
    r"record|object|test|describe|it)\b"
)
_BRACE_HEADER = re.compile(
    # C, Java and kin: a signature without `;` before an opening brace; JavaScript's arrows.
    r"\s*[\w<>\[\],.:*&~\s]+\([^;{}]*\)[^;{}]*\{\s*$|.*=>\s*\{\s*$"
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
    found: set[int] = set()
    near: list[int] = []
    for number in sorted(changed):
        if near and number - near[-1] > 4 * CONTEXT_LINES:
            found.update(_Window(lines, near).touched())
            near = []
        near.append(number)
    if near:
        found.update(_Window(lines, near).touched())
    return found


class _Window:
    """The lines around some changed ones, and what each of them is inside of."""

    def __init__(self, lines: Sequence[str], changed: Sequence[int]) -> None:
        self._lines = lines
        self._changed = changed
        self._first = self._find_first()
        self._indents: list[int | None] = []
        self._parents: list[int] = []
        """Of each line the nearest one above that is indented less; 0: none."""
        self._open: list[int] = []
        """Of each line the last one above that may hold it, or ends there; 0: none."""
        self._above = [0]
        """The last line that was read and what it is inside of, the outermost first."""
        self._above_indents = [-1]
        self._headers: dict[int, int] = {0: 0}
        self._blocks: dict[int, tuple[int, bool]] = {}
        self._read_to(min(len(lines), changed[-1] + CONTEXT_LINES))

    def _find_first(self) -> int:
        """Return the first line to read: no line that matters is inside of one above it."""
        start = max(1, self._changed[0] - CONTEXT_LINES)
        for number in range(start, max(1, start - MAX_SCOPE_LINES), -1):
            line = self._lines[number - 1]
            if line and not line[0].isspace() and not _continues(line):
                return number
        return max(1, start - MAX_SCOPE_LINES)

    def _read_to(self, last: int) -> None:
        above, indents = self._above, self._above_indents
        for number in range(self._first + len(self._indents), last + 1):
            line = self._lines[number - 1]
            indent = _indent(line)
            self._indents.append(indent)
            self._open.append(above[-1])
            if indent is None:
                self._parents.append(0)
            elif _continues(line):
                self._parents.append(above[bisect_left(indents, indent) - 1])
            else:
                while indents[-1] >= indent:
                    above.pop()
                    indents.pop()
                self._parents.append(above[-1])
                above.append(number)
                indents.append(indent)

    def touched(self) -> Iterator[int]:
        """Yield the lines whose neighborhood holds a changed one; some twice."""
        for header in {number for changed in self._changed for number in self._around(changed)}:
            if self._header_of(header) == header:
                yield from self._touched_below(header)
        near = {n + by for n in self._changed for by in range(-CONTEXT_LINES, CONTEXT_LINES + 1)}
        for number in near:
            if 1 <= number <= len(self._lines):
                first, last = self._neighborhood(number)
                if self._holds_change(first, last):
                    yield number

    def _around(self, number: int) -> Iterator[int]:
        yield number
        number = self._open[number - self._first]
        while number:
            yield number
            number = self._parents[number - self._first]

    def _touched_below(self, header: int) -> Iterator[int]:
        """Yield the touched lines of which this is the header."""
        block_last, _ = self._block(header)
        first, last = self._neighborhood(header)
        if first == header and self._holds_change(first, last):
            self._read_to(block_last)
            for number in range(header, block_last + 1):
                if self._header_of(number) == header:
                    yield number
        # What looks like the end of the block may be that of a signature.
        outer = self._indents[header - self._first] or 0
        for number in range(block_last + 1, min(header + MAX_SCOPE_LINES, len(self._lines)) + 1):
            self._read_to(number)
            indent = self._indents[number - self._first]
            if indent is not None and indent <= outer and not _continues(self._lines[number - 1]):
                return
            holder, last = self._header_of(number), self._neighborhood(number)[1]
            if holder == header and self._holds_change(header, last):
                yield number

    def _neighborhood(self, number: int) -> tuple[int, int]:
        header = self._header_of(number) or None
        if header is not None and number - header > MAX_SCOPE_LINES:
            header = None
        block = None if header is None else self._block(header)
        return _range_of(self._lines, number, number, header, block)

    def _holds_change(self, first: int, last: int) -> bool:
        at = bisect_left(self._changed, first)
        return at < len(self._changed) and self._changed[at] <= last

    def _header_of(self, number: int) -> int:
        """Return the line that opens the definition around a line; 0: none, or it is blank."""
        passed: list[int] = []
        header = number
        while header not in self._headers:
            passed.append(header)
            if _is_header(self._lines[header - 1]):
                break
            header = self._parents[header - self._first]
        header = self._headers.get(header, header)
        self._headers.update(dict.fromkeys(passed, header))
        return header

    def _block(self, header: int) -> tuple[int, bool]:
        if header not in self._blocks:
            self._blocks[header] = _block_end(self._lines, header)
        return self._blocks[header]


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
    if len(line) > MAX_HEADER_CHARS:
        return False
    found = _NAMED_HEADER.match(line) or (line.rstrip().endswith("{") and _BRACE_HEADER.match(line))
    return bool(found) and not _CONTROL.match(line)


def _continues(line: str) -> bool:
    """Return whether a line, not a blank one, opens or ends a block whose header is above it."""
    bare = line.strip()
    return bare[0] in ")]}" or bare == "{"


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
