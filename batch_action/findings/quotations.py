"""Clean up quoted code: remove what models add to it, such as fences, line numbers and elisions."""

import html
import re
from collections.abc import Callable, Iterator

from batch_action.findings.identity import MASK

_FENCE = re.compile(r"\s*(`{3,}|~{3,})[^\n`]*\n(.*?)\n?\s*\1\s*", re.DOTALL)
_FENCE_BEGINS = re.compile(r"\s*(?:`{3,}|~{3,})[^\n`]*\n")
_FENCE_ENDS = re.compile(r"\n[ \t]*(?:`{3,}|~{3,})\s*\Z")
_ELEMENT = re.compile(r"\s*<(code|pre)>(.*)</\1>\s*", re.DOTALL)
_NUMBERED = re.compile(
    r"\s*(?:[\w./\\-]{1,200}:)?[\[(#]?(?:L|lines?\s+)?\d{1,9}(?::\d{1,9})?"
    r"\s*(?:[|│:→.)\]-]|\t|(?<=\d) )",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\s*(?:[\w./\\-]{1,200}:)?"
    r"(?:L\d{1,9}|(?:lines?\s+)?\d{1,9}|evidence|code|[\w./\\-]{1,200}\.\w{1,10})"
    r"(?:\s*[-\u2013]\s*L?\d{1,9})?\s*:",
    re.IGNORECASE,
)
_DIFF_HEADER = re.compile(
    r"@@|diff --git |index [0-9a-f]{7,}|(?:---|\+\+\+) (?:[ab]/|/dev/null)|(?:old|new) mode |"
    r"(?:new|deleted) file mode |similarity index |rename (?:from|to) "
)
_LOCATION = re.compile(
    r"(?:#+|//|\*+|--)?\s*(?:in|at|from|file:?|see)?\s*[`*\"']*"
    r"(?:[\w./\\-]{0,200}/[\w.-]{1,200}|[\w.-]{1,200}\.\w{1,10}(?=[\W_]*\d)|[\w.-]{1,200}\.\w{1,4}"
    r"|(?:L|lines?\s+)?\d{1,9})[`*\"']*"
    r"(?:[\s,:(#]*(?:L|lines?\s*)?\d{1,9}(?:\s*(?:[-\u2013:]|to)\s*L?\d{1,9})?\)?[`*\"']*)?:?",
    re.IGNORECASE,
)
"""A file, its lines, or both."""
_DIFF_NUMBER = re.compile(r"\s*\d{1,9} (?=[+ -])")
_LINE_NUMBER = re.compile(r"\s*[\[(#]?(?:L|lines?\s+)?(\d{1,9})\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[A-Z(][\w'\u2019]*,?(?:\s+\S+){2,}[.!?:)]|(?:and|or|then|later|also):?")
_FENCE_LINE = re.compile(r"(?:`{3,}|~{3,}).*")
_REMARK = re.compile(
    r"(?<=\S)\s+(?:#|//|--|/\*|<!--|<-+|[\u2190\u27f5\u2014\u2013]|=>|->|\()\s?.*$"
)
_WORDS = re.compile(r"[\w'\u2019,.!?:()`-]+")
_CODE_SPAN = re.compile(r"```[^\n`]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
MAX_SNIPPETS = 20
MAX_WORDS = 30
_ELISION = re.compile(
    r"(?:#|//|/\*|--|;|%|<!--)? ?[\[(<]? ?(?:\.{3}|[…⋮⋯]|snip\b)[^\n]*?[\])>]? ?(?:\*/|-->)?"
    r"|\.\."
)
_BARE = re.compile(r"[\[(]?(?:\.{2,}|[…⋮⋯])[\])]?")
_INLINE_ELISION = re.compile(r"\.{3}|[…⋮⋯]")
_REDACTED = re.compile(
    r"\*{3,}|[xX]{4,}|#{4,}|[\[<(](?:redacted|masked|hidden|secret|removed)[^\])>\n]{0,30}[\])>]",
    re.IGNORECASE,
)
_PAIRS = (
    '""',
    "''",
    "``",
    "“”",
    "„“",
    "«»",
    "「」",
    "\u2039\u203a",
    "\u2018\u2019",
    "\u201a\u2018",
)
_QUOTES = {pair[0]: pair[1] for pair in _PAIRS}
_TRIPLE = 3
MAX_VARIANTS = 64


def variants(evidence: str) -> Iterator[str]:
    """Yield the evidence as quoted, then with more and more of the additions removed."""
    seen: set[str] = set()
    layer = [evidence.replace("\r\n", "\n")]
    steps: tuple[Callable[[str], tuple[str, ...]], ...]
    steps = (
        *(_unescape, _unfence, _unquote, _unlabel, _unquote),
        *(_unnumber, _undiff, _unnumber, _undiff, _unquote),
    )
    for step in (None, *steps):
        if step is not None:
            layer = list(dict.fromkeys(new for old in layer for new in (old, *step(old))))
            layer = layer[:MAX_VARIANTS]
        for text in layer:
            if text.strip() and text not in seen:
                seen.add(text)
                yield text


def mask_redactions(text: str) -> str:
    """Replace what models write for a masked secret (`***`, `[redacted]`) by the mask."""
    return _REDACTED.sub(MASK, text)


def split_at_elisions(evidence: str, *, bare: bool = False) -> tuple[str, ...]:
    """Return the runs of code between elisions: whole lines of dots, and dots inside a line.

    A line that begins with dots is an elision as a whole, unless only *bare* dots count.
    """
    runs: list[list[str]] = [[]]
    for line in evidence.split("\n"):
        if _BARE.fullmatch(line.strip()) if bare else _is_elision(line):
            runs.append([])
            continue
        first, *more = _INLINE_ELISION.split(line)
        runs[-1].append(first)
        runs.extend([piece] for piece in more)
    texts = ("\n".join(run) for run in runs)
    return tuple(text for text in texts if text.strip())


def _is_elision(line: str) -> bool:
    return bool(_ELISION.fullmatch(" ".join(line.split())))


def split_into_snippets(evidence: str) -> Iterator[tuple[str, ...]]:
    """Yield the code among what is no code: file names, line numbers, sentences, diff headers.

    Each string is one snippet: what blank lines, such other lines, or a gap in the line numbers
    separate.
    """
    text = evidence.replace("\r\n", "\n")
    spans = tuple(m[1] or m[2] for m in _CODE_SPAN.finditer(text))
    if spans and _CODE_SPAN.sub("", text).strip():
        yield spans[:MAX_SNIPPETS]
    snippets: list[list[str]] = [[]]
    last: int | None = None
    for line in text.split("\n"):
        bare = line.strip()
        number = int(match[1]) if (match := _LINE_NUMBER.match(line)) else None
        if not bare or _is_no_code(bare):
            snippets.append([])
            continue
        if number is not None and last is not None and number not in (last, last + 1):
            snippets.append([])
        last = number
        snippets[-1].append(line)
    texts = tuple("\n".join(lines) for lines in snippets if lines)
    if 0 < len(texts) <= MAX_SNIPPETS:
        yield texts


def _is_no_code(bare: str) -> bool:
    patterns = (_LOCATION, _SENTENCE, _FENCE_LINE)
    return bool(_DIFF_HEADER.match(bare)) or any(p.fullmatch(bare) for p in patterns)


def without_remarks(snippet: str) -> Iterator[str]:
    """Yield a snippet as it is, then without what may be a remark after the code."""
    yield snippet
    lines = snippet.split("\n")
    cut = "\n".join(_REMARK.sub("", line) for line in lines)
    if cut != snippet and cut.strip():
        yield cut
    words = lines[-1].split(" ")
    for count in range(1, min(len(words), MAX_WORDS)):
        if not _WORDS.fullmatch(words[-count]):
            return
        yield "\n".join([*lines[:-1], " ".join(words[:-count])])


def _unescape(text: str) -> tuple[str, ...]:
    """Undo an extra escape for JSON or HTML."""
    results = []
    if "\\" in text:
        plain = text
        for escaped, character in ("\\r", ""), ("\\n", "\n"), ("\\t", "\t"), ('\\"', '"'):
            plain = plain.replace(escaped, character)
        results.append(plain.replace("\\\\", "\\"))
    if "&" in text:
        results.append(html.unescape(text))
    return tuple(results)


def _unfence(text: str) -> tuple[str, ...]:
    """Remove the fence; a truncated quotation has only one end of it."""
    if match := _FENCE.fullmatch(text) or _ELEMENT.fullmatch(text):
        return (match[2],)
    begins = _FENCE_BEGINS.match(text)
    inner = _FENCE_ENDS.sub("", text[begins.end() :] if begins else text)
    return (inner,) if inner != text else ()


def _unquote(text: str) -> tuple[str, ...]:
    """Remove the quotes around the whole text, or around each line."""
    bare = text.strip()
    results = []
    if _is_quoted(bare):
        results.append(bare[1:-1])
        inner = bare[_TRIPLE:-_TRIPLE]
        if inner and bare == f"{bare[0] * _TRIPLE}{inner}{bare[-1] * _TRIPLE}":
            results.append(inner)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(_is_quoted(line) for line in lines):
        results.append("\n".join(line[1:-1] for line in lines))
    if lines and all(line[0] == ">" for line in lines):
        results.append("\n".join(line[1:] for line in lines))
    return tuple(results)


def _is_quoted(bare: str) -> bool:
    return len(bare) > 1 and _QUOTES.get(bare[0]) == bare[-1]


def _unlabel(text: str) -> tuple[str, ...]:
    """Remove a file name or line numbers in front of the code."""
    match = _LABEL.match(text)
    return (text[match.end() :],) if match else ()


def _code_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line for line in lines if line.strip() and not _is_elision(line)]


def _unnumber(text: str) -> tuple[str, ...]:
    code = _code_lines(text)
    if not code or not all(_NUMBERED.match(line) for line in code):
        return ()
    patterns = [_NUMBERED]
    if all(_DIFF_NUMBER.match(line) for line in code):
        patterns.insert(0, _DIFF_NUMBER)
    lines = text.split("\n")
    return tuple("\n".join(p.sub("", line, count=1) for line in lines) for p in patterns)


def _undiff(text: str) -> tuple[str, ...]:
    """Return the new side of a quoted diff, whose marks may follow spaces, and both sides."""
    text = "\n".join(line for line in text.split("\n") if not _DIFF_HEADER.match(line))
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
