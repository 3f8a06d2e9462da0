"""What models add when they quote code, and how to see through it."""

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"\s*(`{3,}|~{3,})[^\n`]*\n(.*?)\n?\s*\1\s*", re.DOTALL)
_NUMBERED = re.compile(r"\s*(?:L|line\s+)?\d+\s*(?:[|│:→]|\t)", re.IGNORECASE)
_ELISION = re.compile(r"(?:#|//|/\*|--|;|%|<!--)? ?[\[(]? ?(?:\.{3}|…)[^\n]*?[\])]? ?(?:\*/|-->)?")
_INLINE_ELISION = re.compile(r"\.{3}|…")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "«": "»", "\u2018": "\u2019"}


def readings(evidence: str) -> Iterator[str]:
    """The evidence as quoted, then with more and more of the additions taken away."""
    seen: set[str] = set()
    layer = [evidence.replace("\r\n", "\n")]
    steps: tuple[Callable[[str], tuple[str, ...]], ...]
    steps = (_unfence, _unquote, _unnumber, _undiff, _unnumber, _undiff, _unquote)
    for step in (None, *steps):
        if step is not None:
            layer = [new for old in layer for new in (old, *step(old))]
        for text in layer:
            if text.strip() and text not in seen:
                seen.add(text)
                yield text


def segments(evidence: str) -> tuple[str, ...]:
    """The runs of code between elisions: lines of dots first, dots inside a line too."""
    runs: list[list[str]] = [[]]
    for line in evidence.split("\n"):
        if _elided(line):
            runs.append([])
            continue
        first, *more = _INLINE_ELISION.split(line)
        runs[-1].append(first)
        runs.extend([piece] for piece in more)
    texts = ("\n".join(run) for run in runs)
    return tuple(text for text in texts if text.strip())


def _elided(line: str) -> bool:
    return bool(_ELISION.fullmatch(" ".join(line.split())))


def _unfence(text: str) -> tuple[str, ...]:
    match = _FENCE.fullmatch(text)
    return (match[2],) if match else ()


def _unquote(text: str) -> tuple[str, ...]:
    bare = text.strip()
    if len(bare) > 1 and _QUOTES.get(bare[0]) == bare[-1]:
        return (bare[1:-1],)
    return ()


def _code_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line for line in lines if line.strip() and not _elided(line)]


def _unnumber(text: str) -> tuple[str, ...]:
    code = _code_lines(text)
    if not code or not all(_NUMBERED.match(line) for line in code):
        return ()
    return ("\n".join(_NUMBERED.sub("", line, count=1) for line in text.split("\n")),)


def _undiff(text: str) -> tuple[str, ...]:
    """The new side of a quoted diff; a single marked line also with a space before its mark."""
    text = "\n".join(line for line in text.split("\n") if not line.startswith("@@"))
    code = _code_lines(text)
    if not any(line[0] in "+-" for line in code) or any(line[0] not in "+- " for line in code):
        stripped = [line.lstrip() for line in code]
        if not stripped or not all(line[0] in "+-" for line in stripped):
            return ()
        text = "\n".join(line.lstrip() for line in text.split("\n"))
    lines = text.split("\n")
    new = "\n".join(line[1:] if line[:1] in "+ " else line for line in lines if line[:1] != "-")
    either = "\n".join(line[1:] if line[:1] in ("+", "-", " ") else line for line in lines)
    return new, either
