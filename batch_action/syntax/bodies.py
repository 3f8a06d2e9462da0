"""Leave out what decides nothing about the outline of JavaScript, TypeScript or Go.

A grammar takes most of its time for the statements in functions, and most of them define nothing.
"""

import re
from collections.abc import Iterable

MAX_NESTED = 8
"""Blocks in blocks that are looked into."""

_BLOCK = re.compile(
    r"\n([ \t]{0,40})[^\s][^\n]++(?<=[^$]\{)((?>(?:\n(?:\1[ \t][^\n]*|[ \t]*(?=\n)))*))(?=\n\1\})"
)
"""A line that ends with a brace, and all lines up to the one that closes it at the same indent.

After a dollar it is that of an expression in a template. Lines that are indented farther are not
looked at: each may be followed by all the others.
"""
_DEFINING = {
    "go": ("`", "/*", "*/", "type", "import"),
    "": ("`", "/*", "*/", "=>", "function", "class", "import"),
}
"""What occurs in each text that defines something, imports something or has several lines."""
_CONTROL = (
    *("if ", "if(", "for ", "for(", "while ", "while(", "switch ", "switch("),
    *("else ", "try ", "catch ", "catch(", "finally ", "do "),
)
_OPERATORS = ("=", "(", "[", ",", ":", "?", "&", "|", "return")
"""What comes before an object, not before the body of a method."""


def without_bodies(text: str, language: str) -> str:
    """Return the text with empty lines for those that define nothing, in blocks that are indented.

    If it parses, the definitions in it are those of the text, on the same lines: what is left out
    has no sign of one, and as many opening as closing brackets of each kind.
    """
    words = _DEFINING["go" if language == "go" else ""]
    # A single character is found in a tenth of the time.
    words = tuple(x for x in words if all(map(text.__contains__, x)) and x in text)

    def shorten(match: re.Match[str], depth: int = 1) -> str:
        body = match[2]
        header = match.string[match.start() : match.start(2)]
        if _defines_nothing(body, words, is_go=language == "go"):
            return header + "\n" * body.count("\n")
        if depth == MAX_NESTED:
            return match[0]
        return header + _BLOCK.sub(lambda inner: shorten(inner, depth + 1), body)

    return _BLOCK.sub(shorten, f"\n{text}")[1:]


def _defines_nothing(body: str, words: Iterable[str], *, is_go: bool) -> bool:
    for word in words:
        if word in body:
            return False
    braces = body.count("{")
    return (
        braces == body.count("}")
        and body.count("(") == body.count(")")
        and body.count("[") == body.count("]")
        and (is_go or not braces or not _has_method(body))
    )


def _has_method(text: str) -> bool:
    """Return whether a brace opens no object, and not the block of a statement such as `if`."""
    *before_braces, _ = text.split("{")
    for before in before_braces:
        line = before[before.rfind("\n") + 1 :].lstrip(" \t}")
        if not line.startswith(_CONTROL) and not before.rstrip().endswith(_OPERATORS):
            return True
    return False
