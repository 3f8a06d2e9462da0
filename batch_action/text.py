"""Text helpers: plurals, ages, a task's name with its state key, line ends, JSON."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Format a count with its noun: `1 file`, `2 files`; *nouns*: an irregular plural."""
    return f"{count} {noun}" if count == 1 else f"{count} {nouns or f'{noun}s'}"


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters of a text; a cut is marked by an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shorten_path(path: str, limit: int = 90) -> str:
    """Return at most `limit` characters of a path: its end, whole folders if possible."""
    if len(path) <= limit:
        return path
    end = path[1 - limit :]
    folder, slash, rest = end.partition("/")
    return f"…/{rest}" if slash and folder and rest else f"…{end}"


def task_title(task: str, state_key: str) -> str:
    """Format a task and its `state-key` for people: `code-review (web)`."""
    return f"{task} ({state_key})" if state_key else task


@lru_cache(maxsize=1000)
def slug(name: str, limit: int = 60) -> str:
    """Return *name* in lower case with hyphens for all but letters and digits of ASCII.

    Cached: tens of thousands of findings have few rules, which are in memory once then.
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:limit].strip("-")


def task_slug(task: str, state_key: str) -> str:
    """Format a task and its `state-key` for a file, branch or artifact: `code-review-web`."""
    return f"{task}-{state_key}" if state_key else task


MAX_BODY_CHARS = 65_000
"""GitHub refuses texts of issues, comments and pull requests over 65,536 characters."""
CUT_NOTE = "… (cut: longer than GitHub accepts)"


def fit_body(body: str, max_chars: int = MAX_BODY_CHARS) -> str:
    """Drop the last lines of a body that is too long, but no line that begins with a marker."""
    excess = len(body) + len(CUT_NOTE) + 1 - max_chars
    if len(body) <= max_chars:
        return body
    kept: list[str] = []
    for line in reversed(body.split("\n")):
        if excess > 0 and not line.startswith("<!--"):
            excess -= len(line) + 1
        else:
            kept.append(line)
    return "\n".join([*reversed(kept), CUT_NOTE])


def normalize_line_ends(data: bytes) -> bytes:
    r"""Return UTF-8 text without what no reader sees: texts that are then equal are the same.

    That is `\r\n` for `\n`, one byte order mark, and line ends at the very end. A lone `\r` and the
    line ends of Unicode are content: what follows them may be code to one program and comment to
    another.
    """
    return data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").rstrip(b"\n")


def format_dollars(amount: float | None) -> str:
    """Format `$0.41`, with four decimals below a cent, or `unpriced` when the amount is unknown."""
    if amount is None:
        return "unpriced"
    if 0 < amount < 0.0001:  # noqa: PLR2004 - the smallest amount with four decimals
        return "less than $0.0001"
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"  # noqa: PLR2004 - a cent


def format_age(hours: float) -> str:
    """Format an age: `12 min`, `30 h`, from three days on in days."""
    if hours < 2:  # noqa: PLR2004
        return f"{max(0, int(hours * 60))} min"
    return f"{int(hours)} h" if hours < 72 else f"{int(hours // 24)} days"  # noqa: PLR2004


def format_time(moment: datetime) -> str:
    """Format a time in UTC: `2026-11-22 04:00 UTC`."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


MAX_CACHED_DIGITS = 4
"""Of line numbers: most files have fewer lines."""


def count_bytes(text: str) -> int:
    """Return the length of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def number_lines(lines: Sequence[str], start: int, width: int, sign: str = "") -> str:
    """Join lines, each with its number: from *start*, as wide as *width*, and after the sign."""
    end = start + len(lines)
    if not lines or end > 10 ** min(width, MAX_CACHED_DIGITS):
        return "\n".join([f"{sign}{n:>{width}}| {line}" for n, line in enumerate(lines, start)])
    # Joining takes a fifth of the time of formatting.
    pieces = [""] * (2 * len(lines))
    pieces[::2], pieces[1::2] = _line_numbers(width, sign)[start:end], lines
    pieces[0] = pieces[0].removeprefix("\n")
    return "".join(pieces)


@cache
def _line_numbers(width: int, sign: str) -> list[str]:
    """Return what joins the lines 0, 1, 2 … whose numbers have at most *width* digits."""
    count = 10 ** min(width, MAX_CACHED_DIGITS)
    return [f"\n{sign}{number:>{width}}| " for number in range(count)]


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each run of numbers that follow each other."""
    ordered = sorted(numbers)
    first = last = ordered[0] if ordered else 0
    for number in ordered:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    if ordered:
        yield first, last


def format_ranges(numbers: Iterable[int]) -> str:
    """Format numbers for `covers`: `1-30,45-80`."""
    return ",".join(f"{first}-{last}" for first, last in runs(numbers))


def covers(ranges: str, first: int, last: int) -> bool:
    """Return whether all numbers from *first* to *last* are in these ranges, in any order."""
    spans = (span.split("-") for span in ranges.split(",") if span)
    for start, end in sorted((int(start), int(end)) for start, end in spans):
        if start <= first <= end:
            first = end + 1
    return first > last


def numbers_in(ranges: str) -> frozenset[int]:
    """Return the numbers in such ranges."""
    spans = (span.split("-") for span in ranges.split(",") if span)
    return frozenset(n for start, end in spans for n in range(int(start), int(end) + 1))


def json_pieces(value: object, indent: str = "") -> Iterator[str]:
    """Yield the JSON of `format_json` in pieces; an iterator stands for the list of its items.

    It yields them as JSON, so that a long list is never in memory as a whole.
    """
    inner = indent + "  "
    match value:
        case dict() if value:
            before = f"{{\n{inner}"
            for key, item in value.items():
                yield f"{before}{json.dumps(key)}: "
                yield from json_pieces(item, inner)
                before = f",\n{inner}"
            yield f"\n{indent}}}"
        case Iterator():
            before = f"[\n{inner}"
            for item in value:
                yield before + item
                before = f",\n{inner}"
            yield "[]" if before.startswith("[") else f"\n{indent}]"
        case _:
            yield format_json(value, indent)


def format_json(value: object, indent: str = "") -> str:
    """Return JSON with each key, and each item of a list, on a line of its own.

    An item without lists and objects is one line: there may be thousands of them.
    """
    inner = indent + "  "
    match value:
        case dict() if value:
            lines = [
                f"{json.dumps(key)}: {format_json(item, inner)}" for key, item in value.items()
            ]
            return f"{{\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}}}"
        case list() if value:
            lines = [
                format_json(item, inner)
                if isinstance(item, dict) and any(isinstance(v, dict | list) for v in item.values())
                else json.dumps(item)
                for item in value
            ]
            return f"[\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}]"
        case _:
            return json.dumps(value)


def at_most(lines: list[str], limit: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = [f"… and {len(lines) - limit} more"] if len(lines) > limit else []
    return [*lines[:limit], *more]
