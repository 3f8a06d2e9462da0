"""License headers: whether a file has one, what it names, and whether it is the expected one."""

import re
from collections.abc import Sequence

HEAD_LINES = 60
"""A header stands in the first lines, behind an interpreter line and the like."""

_ANY = re.compile(
    r"SPDX-License-Identifier|\bcopyright\b\W*(?:\(c\)|©|\d{4}|by\b)|\(c\)\s*\d{4}|©\s*\d{4}"
    r"|licen[sc]ed under|all rights reserved|subject to the terms of the",
    re.IGNORECASE,
)
_TAG = re.compile(r"SPDX-License-Identifier:\s*([^\n*]+?)\s*(?:\*/|-->|#}|\*\)|$)", re.IGNORECASE)
_PLACE = re.compile(r"\\{(\w+)\\}")
_YEARS = "\\d{4}(?:\\s*[-\u2013\u2014,]\\s*\\d{4})*"
HEADLESS = frozenset({"json", "jsonc", "markdown", "rst", "text", "asciidoc", "jupyter", ""})
"""Languages that have no comments, or whose readers would see them."""

DATA = frozenset(
    {"yaml", "toml", "ini", "xml", "html", "css", "scss", "sass", "less", "dotenv", "go-mod"}
)
"""Languages that could have a header and seldom do: asked for only where most files have one."""


def head_of(text: str) -> list[str]:
    """The lines in which a header may stand."""
    return text.replace("\r\n", "\n").split("\n", HEAD_LINES)[:HEAD_LINES]


def has_header(text: str) -> bool:
    """Whether the first lines say whose the file is or under which license."""
    return any(_ANY.search(line) for line in head_of(text))


def first_line(text: str) -> int | None:
    """The number of the first line of the header; None without one."""
    lines = enumerate(head_of(text), 1)
    return next((number for number, line in lines if _ANY.search(line)), None)


def tags(text: str) -> list[tuple[int, str]]:
    """Every SPDX tag of the first lines with the number of its line."""
    found = ((number, _TAG.search(line)) for number, line in enumerate(head_of(text), 1))
    return [(number, match[1].strip()) for number, match in found if match]


def missing_line(text: str, expected: Sequence[str]) -> str | None:
    """The first expected line that does not stand in the head, in order; None when all do."""
    lines = iter(head_of(text))
    for wanted in expected:
        pattern = _pattern(wanted)
        if not any(pattern.search(line) for line in lines):
            return wanted
    return None


def _pattern(line: str) -> re.Pattern[str]:
    """`{year}` stands for years, any other name in braces for anything."""
    plain = re.sub(r"(?:\\ )+", r"\\s+", re.escape(line.strip()))
    return re.compile(
        _PLACE.sub(lambda match: _YEARS if match[1].startswith("year") else r"\S.*?", plain)
    )
