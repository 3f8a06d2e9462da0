"""The neighborhood of lines: a finding can change its state only when its neighborhood changes."""

import re
from collections.abc import Sequence

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
    scope = _enclosing_scope(lines, start, end)
    if scope is not None and scope[1] - scope[0] < MAX_SCOPE_LINES:
        return scope
    return max(1, start - CONTEXT_LINES), min(max(len(lines), 1), end + CONTEXT_LINES)


def _indent(line: str) -> int | None:
    """Return the columns before the first character; None for a blank line."""
    bare = line.expandtabs(4)
    return len(bare) - len(bare.lstrip()) if bare.strip() else None


def _is_header(line: str) -> bool:
    # The pattern is slow on a minified line, which is no header anyway.
    short = len(line) <= MAX_HEADER_CHARS
    return short and bool(_HEADER.match(line)) and not _CONTROL.match(line)


def _enclosing_scope(lines: Sequence[str], start: int, end: int) -> tuple[int, int] | None:
    header = _header(lines, start, end)
    return None if header is None else (header, _block_end(lines, header, end))


def _header(lines: Sequence[str], start: int, end: int) -> int | None:
    """Return the line that opens the enclosing definition."""
    indents = [i for line in lines[start - 1 : end] if (i := _indent(line)) is not None]
    if not indents:
        return None
    inner = min(indents)
    if _is_header(lines[start - 1]) and _indent(lines[start - 1]) == inner:
        return start
    for number in range(start - 1, max(0, start - 1 - MAX_SCOPE_LINES), -1):
        line = lines[number - 1]
        indent = _indent(line)
        if indent is None or indent >= inner or _CLOSING.match(line) or _OPENING.match(line):
            continue
        if _is_header(line):
            return number
        inner = indent
    return None


def _block_end(lines: Sequence[str], header: int, end: int) -> int:
    """Return the last line of the block; of an indented block the line after it.

    So an addition at the end of the block falls between two of its lines.
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
