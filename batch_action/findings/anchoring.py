"""Locate raw findings: one becomes a finding where its evidence occurs in the reviewed file."""

import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from batch_action.findings.identity import (
    MASK,
    evidence_digest,
    fingerprint,
    merge_duplicates,
    normalize,
)
from batch_action.findings.inline_suppressions import suppression_reason
from batch_action.findings.quotations import mask_redactions, split_at_elisions, variants
from batch_action.findings.scope import neighborhood
from batch_action.models.findings import Anchor, Finding, RawFinding

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
_PUNCTUATION = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2010\u2011\u2012\u2013\u2014\u2212",
    "'" * 4 + '"' * 4 + "-" * 6,
)
"""Models replace quotes and dashes by similar ones; one character for one keeps offsets valid."""


class SourceText:
    """A reviewed text, prepared for searching quotations in it."""

    def __init__(self, text: str) -> None:
        # NFC on both sides: models compose characters that editors decompose.
        text = unicodedata.normalize("NFC", text)
        self.lines = text.removesuffix("\n").split("\n")
        self.compact = ""
        self._starts: list[int] = []
        """Offset of each line in `compact`, which is the text without white space."""
        parts: list[str] = []
        length = 0
        for line in self.lines:
            self._starts.append(length)
            parts.append(normalize(line).translate(_PUNCTUATION))
            length += len(parts[-1])
        self.compact = "".join(parts)

    def line_at(self, offset: int) -> int:
        """Return the 1-based line of a character of `compact`."""
        return bisect_right(self._starts, offset)

    def matches(self, quoted: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the first and last line of every place where these runs of code follow each other.

        The search is greedy and does not backtrack, so that hostile evidence stays cheap.
        """
        pieces = _pieces(quoted)
        start = self.compact.find(pieces[0][0]) if 0 < len(pieces) <= MAX_PIECES else -1
        for _ in range(MAX_MATCHES):
            if start < 0:
                return
            end = self._match_end(pieces, start)
            if end is not None:
                first, last = self.line_at(start), self.line_at(end - 1)
                if len(quoted) == 1 or last - first <= MAX_ELISION_LINES:
                    yield first, last
            start = self.compact.find(pieces[0][0], start + 1)

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
        compact = normalize(evidence).translate(_PUNCTUATION)
        limit = self._starts[start - 1]
        line_starts = set(self._starts[: start - 1])
        count, offset = 0, self.compact.find(compact) if compact else -1
        while 0 <= offset < limit:
            count += offset in line_starts
            offset = self.compact.find(compact, offset + 1)
        return count


@lru_cache(maxsize=8)
def _source_text(text: str) -> SourceText:
    return SourceText(text)


def _pieces(quoted: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the strings to search for, each with whether a mask (else an elision) precedes it."""
    pieces = []
    for text in quoted:
        compact = normalize(unicodedata.normalize("NFC", text)).translate(_PUNCTUATION)
        parts = compact.split(MASK)
        pieces += [(part, number > 0) for number, part in enumerate(parts) if part]
    return pieces


def anchor(
    raw_finding: RawFinding,
    *,
    task: str,
    path: str,
    text: str,
    blob: str,
    commit: str,
    added: Collection[int] = (),
) -> Finding | None:
    """Locate a raw finding at the occurrence of its evidence nearest to the claimed lines.

    White space is ignored, `•` matches anything, and what models add to quotations (line numbers,
    diff marks, fences, quotes, elisions) is removed. A whole-file finding is anchored at line 1 and
    needs no evidence. Returns None when the evidence is not in the file.

    Args:
        raw_finding: what the model reported.
        task: the task's name, part of the fingerprint.
        path: the file's path at the reviewed commit, part of the fingerprint.
        text: the reviewed text, secrets masked as in the request.
        blob: its object id.
        commit: the reviewed commit.
        added: the lines that the reviewed change added.
    """
    source = _source_text(text)
    lines = (1, 1) if raw_finding.whole_file else _locate(raw_finding, source)
    if lines is None:
        return None
    start, end = lines
    if raw_finding.whole_file:
        evidence, identity, ordinal = "", f"whole-file {raw_finding.category}", 0
        scope = (1, len(source.lines))
    else:
        evidence = _quote(source, start, end)
        identity, ordinal = evidence, source.ordinal(start, evidence)
        scope = neighborhood(source.lines, start, end)
    return Finding(
        fingerprint=fingerprint(task, path, identity, ordinal),
        anchor=Anchor(
            path=path, blob=blob, commit=commit, start_line=start, end_line=end, scope=scope
        ),
        raw=raw_finding,
        evidence=evidence,
        evidence_digest=evidence_digest(evidence),
        ignore_reason=suppression_reason(raw_finding, source.lines, start, end, added),
    )


def anchor_all(
    raw_findings: Iterable[RawFinding],
    *,
    task: str,
    path: str,
    text: str,
    blob: str,
    commit: str,
    added: Collection[int] = (),
) -> tuple[tuple[Finding, ...], int]:
    """Locate the raw findings about one file, and drop duplicates.

    Returns the findings, and how many were discarded because their evidence is not in the file.
    """
    located = [
        anchor(raw_finding, task=task, path=path, text=text, blob=blob, commit=commit, added=added)
        for raw_finding in raw_findings
    ]
    findings, _ = merge_duplicates(finding for finding in located if finding is not None)
    return _make_fingerprints_unique(findings, task), located.count(None)


def _make_fingerprints_unique(findings: Sequence[Finding], task: str) -> tuple[Finding, ...]:
    """Add the category to a fingerprint that occurs twice: two categories on the same lines."""
    taken: set[str] = set()
    unique = []
    for finding in findings:
        new = finding.fingerprint
        extra = [new, finding.raw.category]
        while new in taken:
            new = fingerprint(task, finding.anchor.path, finding.evidence, 0, *extra)
            extra.append(new)
        taken.add(new)
        unique.append(finding if new == finding.fingerprint else replace(finding, fingerprint=new))
    return tuple(unique)


def _quote(source: SourceText, start: int, end: int) -> str:
    return "\n".join(line.removesuffix("\r") for line in source.lines[start - 1 : end])


def _locate(raw_finding: RawFinding, source: SourceText) -> tuple[int, int] | None:
    first, last = sorted((raw_finding.start_line, raw_finding.end_line))
    if len(raw_finding.evidence) > MAX_EVIDENCE_CHARS:
        return None
    texts = list(variants(raw_finding.evidence))
    if MASK in source.compact:
        texts += [masked for text in texts if (masked := mask_redactions(text)) != text]
    elided = [
        runs
        for bare in (False, True)
        for text in texts
        if (runs := split_at_elisions(text, bare=bare)) not in ((), (text,))
    ]
    for quoted in (*((text,) for text in texts), *elided):
        if lines := _nearest(quoted, source.matches(quoted), (first, last)):
            return lines
    return None


def _nearest(
    quoted: Sequence[str], matches: Iterable[tuple[int, int]], claimed: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the match nearest to the claimed lines; None for short evidence that is not near."""

    def distance(lines: tuple[int, int]) -> int:
        return abs(lines[0] - claimed[0]) + abs(lines[1] - claimed[1])

    best = min(matches, key=distance, default=None)
    if best is None or sum(len(piece) for piece, _ in _pieces(quoted)) >= MIN_UNIQUE_CHARS:
        return best
    near = best[0] <= claimed[1] + MAX_LINE_DISTANCE and best[1] >= claimed[0] - MAX_LINE_DISTANCE
    return best if near else None
