"""Suggestions that can replace the quoted lines as they are; all others are only shown as text."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from batch_action.escape import visible
from batch_action.findings.identity import MASK
from batch_action.models.findings import RawFinding
from batch_action.syntax import python, treesitter

MAX_CHARS = 4_000
"""A longer suggestion is no small change; review comments and issues cut longer code as well."""
_FENCE = re.compile(r"`{3,}|~{3,}")
_OUR_NUMBER = re.compile(r"\d{1,9}\| ?")
"""What the request prints before each line."""
_SHAPES = {
    "fence": r"`{3,}|~{3,}",
    "added": r"\+",
    "removed": "-",
    "header": r"@@|diff --git |index [0-9a-f]{7,}\.\.",
    "elision": r"\W{0,4}(?:\.{3}|[…⋮⋯])|.*(?:\(\.{3}\)|\.{3}$|…)"
    r"|(?:#|//|/\*|--|<!--)\s*(?:(?:the )?rest|remainder|existing|unchanged|same as)\b",
    "quoted": r"`[^`]+`[.;]?$",
    "label": r"[A-Z][a-z]+(?: [a-z]+)*:(?:\s|$)",
    "words": r"[A-Z][a-z]+(?: [a-z]+){0,2}[.!]?$|[Nn]/?[Aa]$|[Nn]o changes?\b"
    r"|[A-Z][\w'\u2019]*,?(?: \S+){3,}[.!:]$",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _SHAPES.items()}
_NUMBER = re.compile(
    r"[\[(#]?(?:L|lines?\s+)?\d{1,9}(?::\d{1,9})?(\s*[|│:→.)\]-]|\t|\s+(?=\S))", re.IGNORECASE
)
_PLAIN_WORDS = re.compile(r"[\w'\u2019`\"/,-]+(?: [\w'\u2019`\"()/,-]+){3,}[.:!?]?$")
"""A sentence, or code in some languages: only where the text cannot be parsed."""
_SUFFIXES = {
    "python": ".py .pyi",
    "javascript": ".js .jsx .mjs .cjs",
    "typescript": ".ts .mts .cts",
    "tsx": ".tsx",
    "go": ".go",
}
_LANGUAGES = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}


def quotes_lines(raw: RawFinding, lines: Iterable[str]) -> bool:
    """Return whether the evidence is exactly these lines, without elision or masked character.

    White space around them, the numbers that the request prints, and a fence do not count.
    """
    quoted = _code_lines(raw.evidence.split("\n"))
    return MASK not in raw.evidence and quoted == _code_lines(lines)


def replacement_for(
    raw: RawFinding, lines: Sequence[str], start: int, end: int, path: str
) -> str | None:
    """Return the code that can replace the lines from *start* to *end*; None if in doubt.

    The quotation must be exactly these lines: of a part of a line, or with an elision, the rest
    would be lost. The suggestion must be code: nothing masked or invisible, with the indentation of
    the first line, and without what models write around code (fences, diff marks, line numbers,
    elisions, sentences) unless the old lines have the same. A file that could be parsed before can
    still be.
    """
    new = (raw.suggestion or "").replace("\r\n", "\n").removesuffix("\n")
    old_lines = [line.removesuffix("\r") for line in lines[start - 1 : end]]
    old = "\n".join(old_lines)
    if not new.strip() or new == old or len(new) > MAX_CHARS or MASK in new:
        return None
    if not quotes_lines(raw, old_lines):
        return None
    new_lines = new.split("\n")
    is_doubtful = (
        visible(new) != new
        or visible(old) != old
        or _indentation(new) != _indentation(old)
        or _repeats_neighbor(new_lines, old_lines, lines[max(0, start - 2) : start - 1], 0)
        or _repeats_neighbor(new_lines, old_lines, lines[end : end + 1], -1)
    )
    replaced = [*lines[: start - 1], *new_lines, *lines[end:]]
    language = _LANGUAGES.get(PurePosixPath(path).suffix.lower(), "")
    is_parsed = not is_doubtful and _parses(lines, language)
    if is_doubtful or _shapes(new_lines, plain=is_parsed) - _shapes(old_lines, plain=is_parsed):
        return None
    return None if is_parsed and not _parses(replaced, language) else new


def _code_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines without indentation, our line numbers, a fence around them, blank lines."""
    code = [line for line in (line.strip() for line in lines) if line]
    if code and _FENCE.match(code[0]) and not code[-1].strip("`~"):
        code = code[1:-1]
    if all(map(_OUR_NUMBER.match, code)):
        code = [_OUR_NUMBER.sub("", line, count=1).strip() for line in code]
    return [line for line in code if line]


def _repeats_neighbor(
    new: Sequence[str], old: Sequence[str], neighbor: Sequence[str], end: int
) -> bool:
    """Return whether the suggestion has the line next to the quoted ones too, at this *end*."""
    added = new[end].strip()
    return bool(added) and added != old[end].strip() and added in [x.strip() for x in neighbor]


def _indentation(code: str) -> str:
    first_line = code.split("\n", 1)[0]
    return first_line[: len(first_line) - len(first_line.lstrip())]


def _shapes(lines: Iterable[str], *, plain: bool) -> set[str]:
    """Return what in these lines may not be code; *plain*: plain words are code."""
    shapes: set[str] = set()
    for line in filter(None, (line.strip() for line in lines)):
        shapes |= {name for name, pattern in _PATTERNS.items() if pattern.match(line)}
        if match := _NUMBER.match(line):
            shapes.add(f"number{match[1].strip()}")
        if not plain and _PLAIN_WORDS.match(line):
            shapes.add("words")
    return shapes


def _parses(lines: Sequence[str], language: str) -> bool:
    """Return whether the text is valid in a language that is parsed here."""
    text = "\n".join(line.removesuffix("\r") for line in lines) + "\n"
    if language == "python":
        return python.parse(text) is not None
    return bool(language) and treesitter.parse(text, language) is not None
