"""A remark becomes a finding only where its evidence stands in the reviewed file."""

import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from batch_action.findings.identity import (
    MASK,
    evidence_digest,
    fingerprint,
    merge_doubles,
    normalise,
)
from batch_action.findings.inline_suppressions import ignored
from batch_action.findings.quotations import hidden, readings, segments
from batch_action.findings.scope import neighbourhood
from batch_action.models.findings import Anchor, Finding, RawFinding

LONGEST_EVIDENCE = 20_000
MOST_PLACES = 1_000
MOST_PIECES = 60
WIDEST_MASK = 80
WIDEST_ELISION = 200
"""Lines between the first and the last quoted one; a wider elision quotes nothing."""
SHORT = 4
"""Evidence with fewer characters stands everywhere: it must be near the claimed lines."""
NEAR = 3
_ALIKE = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2010\u2011\u2012\u2013\u2014\u2212",
    "'" * 4 + '"' * 4 + "-" * 6,
)
"""Models type quotes and dashes as they please; one for one, so that places stay."""


class SourceText:
    """A reviewed text, prepared for finding quotations in it."""

    def __init__(self, text: str) -> None:
        # NFC on both sides: models compose what file systems and editors decompose.
        text = unicodedata.normalize("NFC", text)
        self.lines = text.removesuffix("\n").split("\n")
        self.compact = ""
        self._starts: list[int] = []
        """Where each line begins in `compact`: the text without white space."""
        parts: list[str] = []
        length = 0
        for line in self.lines:
            self._starts.append(length)
            parts.append(normalise(line).translate(_ALIKE))
            length += len(parts[-1])
        self.compact = "".join(parts)

    def line_at(self, offset: int) -> int:
        """The 1-based line of a character of `compact`."""
        return bisect_right(self._starts, offset)

    def places(self, quoted: Sequence[str]) -> Iterator[tuple[int, int]]:
        """First and last line of every place where these runs of code follow each other.

        The leftmost continuation is taken and never taken back: hostile evidence must not make
        the search explode.
        """
        pieces = _pieces(quoted)
        begin = self.compact.find(pieces[0][0]) if 0 < len(pieces) <= MOST_PIECES else -1
        for _ in range(MOST_PLACES):
            if begin < 0:
                return
            end = self._follow(pieces, begin)
            if end is not None:
                first, last = self.line_at(begin), self.line_at(end - 1)
                if len(quoted) == 1 or last - first <= WIDEST_ELISION:
                    yield first, last
            begin = self.compact.find(pieces[0][0], begin + 1)

    def _follow(self, pieces: list[tuple[str, bool]], begin: int) -> int | None:
        """Where the pieces end that begin here; None when one does not follow."""
        at = begin + len(pieces[0][0])
        for piece, masked in pieces[1:]:
            low, width = (at + 1, WIDEST_MASK) if masked else (at, WIDEST_ELISION * 100)
            found = self.compact.find(piece, low, low + width + len(piece))
            if found < 0:
                return None
            at = found + len(piece)
        return at

    def ordinal(self, start: int, evidence: str) -> int:
        """How many equal runs of whole lines begin above `start`."""
        wanted = normalise(evidence).translate(_ALIKE)
        above = self._starts[start - 1]
        begins = set(self._starts[: start - 1])
        found, at = 0, self.compact.find(wanted) if wanted else -1
        while 0 <= at < above:
            found += at in begins
            at = self.compact.find(wanted, at + 1)
        return found


@lru_cache(maxsize=8)
def _page(text: str) -> SourceText:
    return SourceText(text)


def _pieces(quoted: Sequence[str]) -> list[tuple[str, bool]]:
    """The solid runs to look for, each with whether a mask (else an elision) stands before it."""
    pieces = []
    for text in quoted:
        plain = normalise(unicodedata.normalize("NFC", text)).translate(_ALIKE)
        solid = plain.split(MASK)
        pieces += [(piece, number > 0) for number, piece in enumerate(solid) if piece]
    return pieces


def anchor(
    remark: RawFinding,
    *,
    task: str,
    path: str,
    text: str,
    blob: str,
    commit: str,
    added: Collection[int] = (),
) -> Finding | None:
    """The remark as a finding, at the place of its evidence nearest to the claimed lines.

    White space does not count, `•` stands for anything, and what models add to quotations (line
    numbers, diff marks, fences, quotes, elisions) is seen through. A whole-file remark stands at
    line 1 and needs no evidence.

    Args:
        remark: what the model claims.
        task: the task's name, part of the identity.
        path: the file's path now, fixed as its path at birth.
        text: the reviewed text, secrets masked as the model saw it.
        blob: its object id.
        commit: the reviewed commit.
        added: the lines that the reviewed change added.

    Returns:
        The finding, or None when its evidence is not in the file: discarded and counted.

    """
    page = _page(text)
    lines = (1, 1) if remark.whole_file else _locate(remark, page)
    if lines is None:
        return None
    start, end = lines
    evidence = "" if remark.whole_file else _quote(page, start, end)
    scope = (1, len(page.lines)) if remark.whole_file else neighbourhood(page.lines, start, end)
    born = f"whole-file {remark.category}" if remark.whole_file else evidence
    ordinal = 0 if remark.whole_file else page.ordinal(start, evidence)
    return Finding(
        fingerprint=fingerprint(task, path, born, ordinal),
        anchor=Anchor(
            path=path, blob=blob, commit=commit, start_line=start, end_line=end, scope=scope
        ),
        raw=remark,
        evidence=evidence,
        evidence_digest=evidence_digest(evidence),
        ignored=ignored(remark, page.lines, start, end, added),
    )


def anchor_all(
    remarks: Iterable[RawFinding],
    *,
    task: str,
    path: str,
    text: str,
    blob: str,
    commit: str,
    added: Collection[int] = (),
) -> tuple[tuple[Finding, ...], int]:
    """All remarks about one file as findings without doubles, and how many were discarded."""
    found = [
        anchor(remark, task=task, path=path, text=text, blob=blob, commit=commit, added=added)
        for remark in remarks
    ]
    findings, _ = merge_doubles(finding for finding in found if finding is not None)
    return _distinct(findings, task), found.count(None)


def _distinct(findings: Sequence[Finding], task: str) -> tuple[Finding, ...]:
    """Different categories on the same lines are different findings: all but the first say so."""
    taken: set[str] = set()
    distinct = []
    for finding in findings:
        own = finding.fingerprint
        extra = [own, finding.raw.category]
        while own in taken:
            own = fingerprint(task, finding.anchor.path, finding.evidence, 0, *extra)
            extra.append(own)
        taken.add(own)
        distinct.append(
            finding if own == finding.fingerprint else replace(finding, fingerprint=own)
        )
    return tuple(distinct)


def _quote(page: SourceText, start: int, end: int) -> str:
    return "\n".join(line.removesuffix("\r") for line in page.lines[start - 1 : end])


def _locate(remark: RawFinding, page: SourceText) -> tuple[int, int] | None:
    claimed = (min(remark.start_line, remark.end_line), max(remark.start_line, remark.end_line))
    if len(remark.evidence) > LONGEST_EVIDENCE:
        return None
    texts = list(readings(remark.evidence))
    if MASK in page.compact:
        texts += [masked for text in texts if (masked := hidden(text)) != text]
    elided = [
        runs
        for bare in (False, True)
        for text in texts
        if (runs := segments(text, bare=bare)) not in ((), (text,))
    ]
    for quoted in (*((text,) for text in texts), *elided):
        if place := _nearest(quoted, page.places(quoted), claimed):
            return place
    return None


def _nearest(
    quoted: Sequence[str], places: Iterable[tuple[int, int]], claimed: tuple[int, int]
) -> tuple[int, int] | None:
    solid = sum(len(piece) for piece, _ in _pieces(quoted))

    def distance(place: tuple[int, int]) -> int:
        return abs(place[0] - claimed[0]) + abs(place[1] - claimed[1])

    best = min(places, key=distance, default=None)
    if best is None or solid >= SHORT:
        return best
    near = best[0] <= claimed[1] + NEAR and best[1] >= claimed[0] - NEAR
    return best if near else None
