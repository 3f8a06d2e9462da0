"""Locate raw findings: one becomes a finding where its evidence occurs in the reviewed file."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from batch_action.findings.identity import (
    MASK,
    evidence_digest,
    fingerprint,
    normalize,
    normalize_lines,
    unique_fingerprint,
)
from batch_action.findings.inline_suppressions import suppression_reason
from batch_action.findings.lines import LineRange
from batch_action.findings.positions import hold_back, merge_answers
from batch_action.findings.quotations import (
    mask_redactions,
    split_at_elisions,
    split_into_snippets,
    variants,
    without_remarks,
)
from batch_action.findings.suggestions import quotes_lines, replacement_for
from batch_action.models.findings import (
    Anchor,
    Finding,
    FindingTexts,
    HeldBackFinding,
    RawFinding,
)
from batch_action.syntax.neighborhoods import neighborhood

MAX_EVIDENCE_CHARS = 20_000
MAX_MATCHES = 1_000
MAX_PIECES = 60
MAX_MASK_CHARS = 80
MAX_ELISION_LINES = 200
"""Lines between the first and the last quoted one; a match with a wider elision does not count."""
MIN_UNIQUE_CHARS = 4
"""Shorter evidence occurs in many places: it must be near the claimed lines."""
MAX_LINE_DISTANCE = 3
"""Lines that count as near."""
FEW_LOOKUPS = 4
"""So many equal lines of a file are searched in it before its lines are sorted for that."""
MAX_FINDS = 100
"""So many occurrences are searched one after the other."""
KEY_CHARS = 64
"""Equal lines are looked up by so many characters."""
_PUNCTUATION = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2010\u2011\u2012\u2013\u2014\u2212",
    "'" * 4 + '"' * 4 + "-" * 6,
)
"""Models replace quotes and dashes by similar ones; one character for one keeps offsets valid."""


class Match(NamedTuple):
    """A place where a quotation occurs."""

    first: int
    """First and last line, 1-based, inclusive."""
    last: int
    quoted: str
    """What is there, without white space."""
    whole: bool = False
    """Whether it begins and ends with its lines."""


class SourceText:
    """A reviewed text, prepared for searching quotations in it."""

    def __init__(self, text: str) -> None:
        # NFC on both sides: models compose characters that editors decompose.
        text = unicodedata.normalize("NFC", text)
        self.lines = text.removesuffix("\n").split("\n")
        self._occurrences: dict[str, list[int]] = {}

    @cached_property
    def _lines_and_starts(self) -> tuple[str, list[int]]:
        lines = normalize_lines(self.lines)
        starts = list(accumulate(map(len, lines[:-1]), initial=0))
        code = "".join(lines)
        return code if code.isascii() else code.translate(_PUNCTUATION), starts

    @property
    def compact(self) -> str:
        """The text without white space; prepared when a quotation is searched first."""
        return self._lines_and_starts[0]

    @property
    def _starts(self) -> list[int]:
        """Offset of each line in `compact`."""
        return self._lines_and_starts[1]

    def line_at(self, offset: int) -> int:
        """Return the 1-based line of a character of `compact`."""
        return bisect_right(self._starts, offset)

    def matches(self, quoted: Sequence[str], line: int | None = None) -> Iterator[Match]:
        """Yield every place where these runs of code follow each other, or those on one line.

        The search is greedy and does not backtrack, so that hostile evidence stays cheap.
        """
        pieces = _pieces(quoted)
        if not 0 < len(pieces) <= MAX_PIECES:
            return
        code = pieces[0][0]
        low, high = (0, len(self.compact)) if line is None else self._range_of(line)
        start = self.compact.find(code, low, high + len(code) - 1) if low < high else -1
        for _ in range(MAX_MATCHES):
            if start < 0:
                return
            end = self._match_end(pieces, start)
            if end is not None:
                first, last = self.line_at(start), self.line_at(end - 1)
                if len(quoted) == 1 or last - first <= MAX_ELISION_LINES:
                    whole = start == self._starts[first - 1] and end == self._range_of(last)[1]
                    yield Match(first, last, self.compact[start:end], whole)
            start = self.compact.find(code, start + 1, high + len(code) - 1)

    def _range_of(self, line: int) -> LineRange:
        """Return the offsets of a 1-based line: of its first character and after its last."""
        starts = [*self._starts[line - 1 : line + 1], len(self.compact), len(self.compact)]
        return starts[0], starts[1]

    def _match_end(self, pieces: list[tuple[str, bool]], start: int) -> int | None:
        """Return the end offset of the pieces that begin at *start*; None when one is missing."""
        end = start + len(pieces[0][0])
        for piece, masked in pieces[1:]:
            low, width = (end + 1, MAX_MASK_CHARS) if masked else (end, MAX_ELISION_LINES * 100)
            offset = self.compact.find(piece, low, low + width + len(piece))
            if offset < 0:
                return None
            end = offset + len(piece)
        return end

    def ordinal(self, start: int, evidence: str) -> int:
        """Count the equal runs of whole lines that begin above the 1-based line *start*."""
        code = normalize(evidence).translate(_PUNCTUATION)
        if code and code not in self._occurrences:
            self._occurrences[code] = self._find_lines(code)
        return bisect_left(self._occurrences.get(code, ()), self._starts[start - 1])

    def _find_lines(self, code: str) -> list[int]:
        """Return the offsets of the lines where this code begins."""
        text, found = self.compact, set[int]()
        if len(self._occurrences) < FEW_LOOKUPS:
            offset = text.find(code)
            while offset >= 0 and len(found) < MAX_FINDS:
                found.add(offset)
                offset = text.find(code, offset + 1)
            if offset < 0:
                return sorted(found.intersection(self._starts))
            # Each search prepares the code anew, which takes long where it is everywhere.
            return sorted({start for start in self._starts if text.startswith(code, start)})
        starts, key = self._sorted_starts, code[:KEY_CHARS]
        number = bisect_left(starts, (key, 0))
        while number < len(starts) and starts[number][0].startswith(key):
            found.add(starts[number][1])
            number += 1
        return sorted(n for n in found if text.startswith(code, n))

    @cached_property
    def _sorted_starts(self) -> list[tuple[str, int]]:
        """The first characters of each line with their offset, sorted by characters."""
        text = self.compact
        return sorted((text[start : start + KEY_CHARS], start) for start in self._starts)


def _pieces(quoted: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the strings to search for, each with whether a mask (else an elision) precedes it."""
    pieces = []
    for text in quoted:
        compact = normalize(unicodedata.normalize("NFC", text)).translate(_PUNCTUATION)
        parts = compact.split(MASK)
        pieces += [(part, number > 0) for number, part in enumerate(parts) if part]
    return pieces


def anchor_all(
    answers: Iterable[Iterable[RawFinding]],
    *,
    task: str,
    path: str,
    text: str,
    blob: str,
    commit: str,
    added: Container[int] = (),
) -> tuple[tuple[Finding, ...], tuple[HeldBackFinding, ...]]:
    """Locate each raw finding at the occurrence of its evidence nearest to the claimed lines.

    White space is ignored, `•` matches anything, and what models add to quotations (line numbers,
    diff marks, fences, quotes, elisions) is removed. A whole-file finding is anchored at line 1 and
    needs no evidence. What is reported twice is merged: see `merge_answers`.

    Args:
        answers: what each answer reports about one file, or about a part of it.
        task: the task's name, part of the fingerprint.
        path: the file's path at the reviewed commit, part of the fingerprint.
        text: the reviewed text, secrets masked as in the request.
        blob: its object id.
        commit: the reviewed commit.
        added: the lines that the reviewed change added.

    Returns:
        The findings, and those that are repeated or discarded: their evidence is not in the file.
    """
    source = SourceText(text)
    whole_file = Anchor(
        path=path,
        blob=blob,
        commit=commit,
        start_line=1,
        end_line=1,
        scope_start=1,
        scope_end=len(source.lines),
    )
    located: list[list[Finding]] = []
    held_back: list[HeldBackFinding] = []
    for answer in answers:
        located.append([])
        for raw in answer:
            if finding := _find(raw, source, task, whole_file, added):
                located[-1].append(finding)
            else:
                texts, line = FindingTexts(raw=raw, evidence=""), raw.start_line
                held_back.append(
                    HeldBackFinding.of(raw, "discarded", path=path, line=line, texts=texts)
                )
    taken: dict[str, Finding] = {}
    for finding, *repeated in merge_answers(located):
        unique = unique_fingerprint(finding, task, taken)
        is_unique = unique == finding.fingerprint
        taken[unique] = finding if is_unique else replace(finding, fingerprint=unique)
        held_back += (hold_back(other, "repeated") for other in repeated)
    return tuple(taken.values()), tuple(held_back)


def _find(
    raw: RawFinding, source: SourceText, task: str, whole_file: Anchor, added: Container[int]
) -> Finding | None:
    """Return the located finding; None when its evidence is not in the file."""
    claimed = raw.start_line, raw.end_line
    match = Match(1, 1, "") if raw.whole_file else find_quotation(raw.evidence, source, claimed)
    if match is None:
        return None
    start, end, quoted, _ = match
    anchor, evidence, identity, ordinal = whole_file, "", f"whole-file {raw.category}", 0
    replacement, is_exact = None, False
    if not raw.whole_file:
        first, last = neighborhood(source.lines, start, end)
        anchor = replace(
            whole_file, start_line=start, end_line=end, scope_start=first, scope_end=last
        )
        evidence = "\n".join(line.removesuffix("\r") for line in source.lines[start - 1 : end])
        identity, ordinal = evidence, source.ordinal(start, evidence)
        is_exact = quotes_lines(raw, source.lines[start - 1 : end])
        replacement = replacement_for(raw, source.lines, start, end, anchor.path)
    texts = FindingTexts(
        raw=raw,
        evidence=evidence,
        quoted=quoted,
        quotes_lines=is_exact,
        replacement=replacement,
    )
    return Finding.of(
        texts,
        fingerprint=fingerprint(task, anchor.path, identity, ordinal),
        anchor=anchor,
        evidence_digest=evidence_digest(evidence),
        ignore_reason=suppression_reason(raw, source.lines, start, end, added),
    )


def find_quotation(evidence: str, source: SourceText, claimed: LineRange = (1, 1)) -> Match | None:
    """Return where a text is quoted, the place nearest to the *claimed* lines; None if nowhere."""
    first, last = sorted(claimed)
    if len(evidence) > MAX_EVIDENCE_CHARS:
        return None
    for quoted in _quotations(evidence, masked=MASK in source.compact):
        if match := _nearest(quoted, source, (first, last)):
            return match
    return _locate_snippets(evidence, source, (first, last))


def _quotations(evidence: str, *, masked: bool) -> Iterator[tuple[str, ...]]:
    """Yield what may be quoted, as runs of code: first all in one, then split at elisions.

    *masked*: whether the file has masked characters.
    """
    texts = []
    for text in variants(evidence):
        yield (text,)
        texts.append(text)
    if masked:
        redacted = [new for text in texts if (new := mask_redactions(text)) != text]
        yield from ((text,) for text in redacted)
        texts += redacted
    for bare in (False, True):
        for text in texts:
            if (runs := split_at_elisions(text, bare=bare)) not in ((), (text,)):
                yield runs


def _locate_snippets(evidence: str, source: SourceText, claimed: LineRange) -> Match | None:
    """Return the first snippet's place if all snippets are whole lines of the file.

    What follows it within `MAX_ELISION_LINES` is included.
    """
    for snippets in split_into_snippets(evidence):
        found: list[Match] = []
        for snippet in snippets:
            near = (found[-1].last + 1,) * 2 if found else claimed
            match = _find_whole_lines(snippet, source, near)
            if match is None:
                break
            found.append(match)
        if len(found) == len(snippets):
            first, *others = found
            last = first.last
            for match in others:
                if last < match.first <= last + MAX_ELISION_LINES:
                    last = match.last
            return first._replace(last=last)
    return None


def _find_whole_lines(snippet: str, source: SourceText, claimed: LineRange) -> Match | None:
    for code in without_remarks(snippet):
        for text in variants(code):
            if match := _nearest((text,), source, claimed, whole=True):
                return match
    return None


def _nearest(
    quoted: Sequence[str], source: SourceText, claimed: LineRange, *, whole: bool = False
) -> Match | None:
    """Return the match nearest to the claimed lines; None for short evidence that is not near.

    *whole*: only what begins and ends with its lines.
    """
    for match in source.matches(quoted, claimed[0]):
        if (match.first, match.last) == claimed and (match.whole or not whole):
            return match

    def distance(match: Match) -> int:
        return abs(match.first - claimed[0]) + abs(match.last - claimed[1])

    matches = (match for match in source.matches(quoted) if match.whole or not whole)
    best = min(matches, key=distance, default=None)
    if best is None or sum(len(piece) for piece, _ in _pieces(quoted)) >= MIN_UNIQUE_CHARS:
        return best
    too_low = best.first > claimed[1] + MAX_LINE_DISTANCE
    return None if too_low or best.last < claimed[0] - MAX_LINE_DISTANCE else best
