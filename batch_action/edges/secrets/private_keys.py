r"""Blocks of private key material, between their BEGIN and END lines.

detect-secrets only knows the BEGIN line. The material below is what must not travel; a BEGIN line
alone, as a program that looks for keys has it, is no secret. Blocks are found at line starts, in
comments, in string literals line by line, and in one string with `\n` escapes.
"""

import re
from collections.abc import Iterator

_BEGIN = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"
    r"|PuTTY-User-Key-File-[23]: [^\r\n\\]*"
)
_END = re.compile(
    r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- END SSH2 ENCRYPTED PRIVATE KEY ----"
    r"|Private-MAC: [0-9a-f]{40,}"
)
# One line of a block: up to a line end, or to an escaped one.
_LINE = re.compile(r"(.*?)(?:\r?\n|(?:\\r)?\\n|\Z)")
_DECORATION = " \t\"'`+#/*>|,;()\\.\r"
_MATERIAL = re.compile(r"[A-Za-z0-9+/=]+(?: [A-Za-z0-9+/=]+)*")
_HEADER = re.compile(r"[A-Z][A-Za-z-]+: .*")
_LONG_WORD = 16
"""A word of a sentence is shorter, a line of key material longer."""
_ENOUGH = 40
"""Fewer characters than this between BEGIN and END are a placeholder."""


def key_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield `(start, end)` of each block of key material, its BEGIN and END lines included."""
    if "PRIVATE KEY" not in text and "PuTTY-User-Key-File" not in text:
        return
    begins = list(_BEGIN.finditer(text))
    limits = [begin.start() for begin in begins[1:]] + [len(text)]
    for begin, limit in zip(begins, limits, strict=True):
        end = _end_of_block(text, begin.end(), limit)
        if end is not None:
            yield begin.start(), end


def _end_of_block(text: str, at: int, limit: int) -> int | None:
    """Return where the block ends that began before `at`; None if there is no material.

    The next block's BEGIN is the `limit`, so that the whole text is read only once.
    """
    length, end, first = 0, at, True
    while at < limit:
        line = _LINE.match(text, at, limit)
        if line is None:  # pragma: no cover - the pattern matches anything
            break
        closing = _END.search(text, at, line.end(1))
        body = text[at : closing.start() if closing else line.end(1)].strip(_DECORATION)
        size = _material(body)
        if size is None and not (first and not closing and not body):
            break
        length += size or 0
        if size:
            end = at + len(text[at : line.end(1)].rstrip(_DECORATION))
        if closing:
            return closing.end() if length >= _ENOUGH else None
        at, first = line.end(), False
    return end if length >= _ENOUGH else None


def _material(body: str) -> int | None:
    """Return a line's amount of key material, 0 if it is empty or a header; None: it is code."""
    if not body or _HEADER.fullmatch(body):
        return 0
    if not _MATERIAL.fullmatch(body):
        return None
    words = body.split(" ")
    # The last line of a block may be as short as `A=`; several words are long ones.
    if len(words) > 1 and any(len(word) < _LONG_WORD for word in words[:-1]):
        return None
    return len(body)
