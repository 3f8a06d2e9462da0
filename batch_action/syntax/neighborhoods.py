"""The neighborhood of lines: what a finding there is judged by, and what touches it."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

CONTEXT_LINES = 10
"""Lines on each side when no enclosing definition is found."""
MAX_HEADER_CHARS = 300
MAX_SCOPE_LINES = 120
"""A longer enclosing definition is not used: any change in it would count."""

_MODIFIERS = (
    *("export", "default", r"pub(?:\([^)]*\))?", "public", "private", "protected", "internal"),
    *("static", "final", "abstract", "async", "override", "virtual", "inline", "const", "unsafe"),
    *("extern", "open", "sealed", "suspend"),
)
_DEFINING = (
    *("def", "class", "function", "func", "fn", "fun", "sub", "struct", "enum", "impl", "trait"),
    *("interface", "module", "namespace", "record", "object", "test", "describe", "it"),
)
_NAMED_HEADER = re.compile(rf"\s*(?:(?:{'|'.join(_MODIFIERS)})\s+)*(?:{'|'.join(_DEFINING)})\b")
_HEADER_STARTS = frozenset(word[:2] for word in (*_MODIFIERS, *_DEFINING))
"""The expression is slower than a look at how most lines begin."""
_BRACE_HEADER = re.compile(
    # C, Java and kin: a signature without `;` before an opening brace; JavaScript's arrows.
    r"\s*[\w<>\[\],.:*&~\s]+\([^;{}]*\)[^;{}]*\{\s*$|.*=>\s*\{\s*$"
)
_CONTROL = re.compile(r"\s*[})]*\s*(?:if|else|for|while|switch|do|try|catch|finally|with|match)\b")
_CLOSING_SIGNS = ")]}"


def neighborhood(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Return the first and last line (1-based) of the definition around `start..end`.

    Without one, or when it is too long, return `CONTEXT_LINES` lines on each side.
    """
    indents = [i for line in lines[start - 1 : end] if (i := _indent(line)) is not None]
    header = _header(lines, start, min(indents)) if indents else None
    last = _last_of(_block_end(lines, header), header, end, len(lines)) if header else None
    if header is not None and last is not None:
        return header, last
    return max(1, start - CONTEXT_LINES), min(max(len(lines), 1), end + CONTEXT_LINES)


def touched_lines(lines: Sequence[str], changed: Iterable[int]) -> set[int]:
    """Return the lines whose neighborhood holds a changed line, the changed ones among them.

    *changed*: their numbers, the two lines around each removal included.
    """
    found: set[int] = set()
    near: list[int] = []
    for number in sorted(changed):
        if near and number - near[-1] > 4 * CONTEXT_LINES:
            found |= _Window(lines, near).touched()
            near = []
        near.append(number)
    if near:
        found |= _Window(lines, near).touched()
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
        self._headers: list[int] = []
        """Of each line the one that opens the definition around it; 0: none, or it is blank."""
        self._above = [0]
        """The last line that was read and what it is inside of, the outermost first."""
        self._above_indents = [-1]
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
        above, above_indents, start = self._above, self._above_indents, self._first
        indents, parents, headers = self._indents, self._parents, self._headers
        first = start + len(headers)
        for number, line in enumerate(self._lines[first - 1 : last], first):
            self._open.append(above[-1])
            bare = line.strip()
            if not bare:
                indents.append(None)
                parents.append(0)
                headers.append(0)
                continue
            sign = bare[0]
            indent = _width(line, bare) if "\t" in line else line.index(sign)
            if sign in _CLOSING_SIGNS or bare == "{":
                parent = above[bisect_left(above_indents, indent) - 1]
            else:
                while above_indents[-1] >= indent:
                    above.pop()
                    above_indents.pop()
                parent = above[-1]
                above.append(number)
                above_indents.append(indent)
            indents.append(indent)
            parents.append(parent)
            if _is_header(line, bare):
                headers.append(number)
            else:
                headers.append(headers[parent - start] if parent else 0)

    def touched(self) -> set[int]:
        """Return the lines whose neighborhood holds a changed one."""
        found: set[int] = set()
        for header in self._changed_headers():
            found.update(self._touched_below(header))
        end = 0
        for changed in self._changed:
            last = min(changed + CONTEXT_LINES, len(self._lines))
            for number in range(max(1, end + 1, changed - CONTEXT_LINES), last + 1):
                if number not in found and self._is_touched(number):
                    found.add(number)
            end = max(end, last)
        return found

    def _changed_headers(self) -> set[int]:
        """Return the headers that are changed, or that are around or right above a change."""
        found: set[int] = set()
        for changed in self._changed:
            number = self._open[changed - self._first]
            while number and number not in found:
                found.add(number)
                number = self._parents[number - self._first]
        return {n for n in found.union(self._changed) if self._headers[n - self._first] == n}

    def _touched_below(self, header: int) -> Iterator[int]:
        """Yield the touched lines of which this is the header."""
        block_last, _ = self._block(header)
        last = self._last_line(header, header)
        if last is not None and self._holds_change(header, last):
            self._read_to(block_last)
            headers = self._headers[header - self._first : block_last + 1 - self._first]
            yield from (number for number, of in enumerate(headers, header) if of == header)
        # What looks like the end of the block may be that of a signature.
        outer = self._indents[header - self._first] or 0
        for number in range(block_last + 1, min(header + MAX_SCOPE_LINES, len(self._lines)) + 1):
            self._read_to(number)
            indent = self._indents[number - self._first]
            if indent is not None and indent <= outer and not _continues(self._lines[number - 1]):
                return
            if self._headers[number - self._first] == header:
                last = self._last_line(header, number)
                if last is not None and self._holds_change(header, last):
                    yield number

    def _is_touched(self, number: int) -> bool:
        """Return whether the neighborhood of a line that is near a change holds one."""
        header = self._headers[number - self._first]
        if not header or number - header > MAX_SCOPE_LINES:
            return True
        last = self._last_line(header, number)
        return last is None or self._holds_change(header, last)

    def _last_line(self, header: int, number: int) -> int | None:
        """Return the last line of the neighborhood of a line; None if it is too far away."""
        return _last_of(self._block(header), header, number, len(self._lines))

    def _holds_change(self, first: int, last: int) -> bool:
        at = bisect_left(self._changed, first)
        return at < len(self._changed) and self._changed[at] <= last

    def _block(self, header: int) -> tuple[int, bool]:
        if header not in self._blocks:
            self._blocks[header] = _block_end(self._lines, header)
        return self._blocks[header]


def _last_of(block: tuple[int, bool], header: int, end: int, count: int) -> int | None:
    """Return the last line of a neighborhood with this header; None if it is too far away.

    *count*: of the lines of the text.
    """
    last, is_closed = block
    # Of an indented block with the line after it: an addition at the end of the block falls between
    # two of its lines.
    last = max(last, end) if is_closed else min(count, max(last, end) + 1)
    return last if last - header < MAX_SCOPE_LINES else None


def _indent(line: str) -> int | None:
    """Return the columns before the first character; None for a blank line."""
    bare = line.lstrip()
    return _width(line, bare) if bare else None


def _width(line: str, bare: str) -> int:
    """Return the columns before what is left of a line without white space."""
    width = line.index(bare[0])
    return width if "\t" not in line[:width] else len(line[:width].expandtabs(4))


def _is_header(line: str, bare: str) -> bool:
    """Return whether a line, *bare* without white space at both ends, opens a definition."""
    is_named = bare[:2] in _HEADER_STARTS
    # The patterns are slow on a minified line, which is no header anyway.
    if not (is_named or bare[-1] == "{") or len(line) > MAX_HEADER_CHARS or _CONTROL.match(line):
        return False
    return bool(
        (is_named and _NAMED_HEADER.match(line)) or (bare[-1] == "{" and _BRACE_HEADER.match(line))
    )


def _continues(line: str) -> bool:
    """Return whether a line, not a blank one, opens or ends a block whose header is above it."""
    bare = line.strip()
    return bare[0] in _CLOSING_SIGNS or bare == "{"


def _header(lines: Sequence[str], start: int, inner: int) -> int | None:
    """Return the line that opens the definition around lines indented by *inner* columns."""
    first = lines[start - 1]
    if _indent(first) == inner and _is_header(first, first.strip()):
        return start
    for number in range(start - 1, max(0, start - 1 - MAX_SCOPE_LINES), -1):
        line = lines[number - 1]
        indent = _indent(line)
        if indent is None or indent >= inner or _continues(line):
            continue
        if _is_header(line, line.strip()):
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
        if line[: outer + 1].isspace() and not line.isspace():
            last = number
            if last - header >= MAX_SCOPE_LINES:
                break
            continue
        bare = line.strip()
        if not bare:
            continue
        if bare == "{" or _width(line, bare) > outer:
            last = number
        elif bare[0] in _CLOSING_SIGNS:
            last = number
            if bare.endswith((")", "}", "};", "]")):
                return last, True
        else:
            break
        if last - header >= MAX_SCOPE_LINES:
            break
    return last, False
