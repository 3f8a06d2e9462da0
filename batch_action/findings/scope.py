"""The neighbourhood of a place: what has to change before a finding there can."""

import re
from collections.abc import Sequence

AROUND = 10
"""Lines to each side where no enclosing part is found (DESIGN, life of a finding)."""
LONGEST_HEADER = 300
LARGEST = 120
"""A longer enclosing part says too little: ten lines around then."""

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


def neighbourhood(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """First and last line of the enclosing part of `start..end` (1-based), else ten around."""
    found = _enclosing(lines, start, end)
    if found is not None and found[1] - found[0] < LARGEST:
        return found
    return max(1, start - AROUND), min(max(len(lines), 1), end + AROUND)


def _indent(line: str) -> int | None:
    """Columns before the first character; None for a blank line."""
    bare = line.expandtabs(4)
    return len(bare) - len(bare.lstrip()) if bare.strip() else None


def _is_header(line: str) -> bool:
    # No header is that long, and the pattern must not meet a minified line.
    short = len(line) <= LONGEST_HEADER
    return short and bool(_HEADER.match(line)) and not _CONTROL.match(line)


def _enclosing(lines: Sequence[str], start: int, end: int) -> tuple[int, int] | None:
    header = _header(lines, start, end)
    return None if header is None else (header, _block_end(lines, header, end))


def _header(lines: Sequence[str], start: int, end: int) -> int | None:
    """The line that opens the enclosing definition."""
    indents = [i for line in lines[start - 1 : end] if (i := _indent(line)) is not None]
    if not indents:
        return None
    inner = min(indents)
    if _is_header(lines[start - 1]) and _indent(lines[start - 1]) == inner:
        return start
    for number in range(start - 1, max(0, start - 1 - LARGEST), -1):
        line = lines[number - 1]
        indent = _indent(line)
        if indent is None or indent >= inner or _CLOSING.match(line) or _OPENING.match(line):
            continue
        if _is_header(line):
            return number
        inner = indent
    return None


def _block_end(lines: Sequence[str], header: int, end: int) -> int:
    """The last line of the block; after an indented block also the line behind it.

    With that line an addition at the block's very end falls between two lines of it.
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
                return max(last, end)
        else:
            break
    return min(len(lines), max(last, end) + 1)
