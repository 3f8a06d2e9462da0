"""Match reported findings with known ones: by position first, then by evidence."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.findings.line_map import lines_of, overlap
from batch_action.findings.positions import ChangeStatus, LocatedFinding, Position
from batch_action.models.findings import FindingState, TrackedFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A known finding and its position in the newest content."""

    tracked: TrackedFinding
    position: Position
    dismissed: bool = False

    @property
    def fixed(self) -> bool:
        """Return whether an earlier run closed it, and nobody dismissed it."""
        return self.tracked.state is FindingState.FIXED and not self.dismissed


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The result of matching, as indexes of candidates and located findings."""

    pairs: dict[int, int]
    """Candidate to located finding, one to one."""
    duplicates: frozenset[int]
    """Located findings that repeat a candidate which has a pair already."""


Rule = Callable[[Candidate, LocatedFinding], bool]


def match(
    candidates: Sequence[Candidate],
    located: Sequence[LocatedFinding],
    descendants: Collection[tuple[str, str]],
) -> Matches:
    """Pair known and reported findings, the strictest rule first, each finding at most once.

    *descendants*: the pairs of commits of which the second descends from the first.
    """

    def is_stale(candidate: Candidate, reported: LocatedFinding) -> bool:
        # An older batch does not reopen what a newer one closed, unless it has seen the newest
        # content.
        return (
            not reported.is_current
            and (reported.commit, candidate.tracked.closing_commit) in descendants
        )

    rules: tuple[Rule, ...] = (
        lambda c, reported: not c.fixed and _has_stayed(c, reported),
        # Equal code elsewhere is a stronger sign than other code in about the same lines.
        lambda c, reported: not c.fixed and _has_moved_in_file(c, reported),
        lambda c, reported: c.fixed and not is_stale(c, reported) and _is_back(c, reported),
        lambda c, reported: not c.fixed and _has_moved_to_file(c, reported),
        lambda c, reported: (
            not c.fixed and _has_same_category(c, reported) and _overlaps(c, reported)
        ),
        lambda c, reported: not c.fixed and not c.dismissed and _overlaps(c, reported),
    )
    index = _FindingIndex(located)
    pairs: dict[int, int] = {}
    for rule in rules:
        taken = set(pairs.values())
        ranked = [
            (_distance(candidate, located[j]), i, j)
            for i, candidate in enumerate(candidates)
            if i not in pairs
            for j in index.near(candidate)
            if j not in taken and rule(candidate, located[j])
        ]
        for _, i, j in sorted(ranked):
            if i not in pairs and j not in taken:
                pairs[i] = j
                taken.add(j)
    return Matches(
        pairs=pairs, duplicates=_find_duplicates(candidates, located, index, pairs, is_stale)
    )


def _find_duplicates(
    candidates: Sequence[Candidate],
    located: Sequence[LocatedFinding],
    index: "_FindingIndex",
    pairs: dict[int, int],
    is_stale: Rule,
) -> frozenset[int]:
    taken = set(pairs.values())

    def repeats_pair(number: int, reported: LocatedFinding) -> bool:
        # A finding that was matched elsewhere has left its lines: a finding reported there is
        # another one, as is one that is reported at its estimated lines only.
        if number not in pairs or not _has_same_category(candidates[number], reported):
            return False
        pair, position = located[pairs[number]], candidates[number].position
        in_place = position.lines_unchanged and _overlaps(candidates[number], pair)
        matched, anchor = pair.finding.anchor, reported.finding.anchor
        lines = position.lines if in_place and position.lines else lines_of(matched)
        return matched.path == anchor.path and overlap(lines, lines_of(anchor)) > 0

    def is_duplicate(number: int, reported: LocatedFinding) -> bool:
        candidate = candidates[number]
        if candidate.fixed:
            return is_stale(candidate, reported) and _is_back(candidate, reported)
        return repeats_pair(number, reported)

    return frozenset(
        j
        for i, candidate in enumerate(candidates)
        for j in index.near(candidate)
        if j not in taken and is_duplicate(i, located[j])
    )


class _FindingIndex:
    """The located findings that a candidate could match: in its file, or with its evidence."""

    def __init__(self, located: Sequence[LocatedFinding]) -> None:
        self._by_path: dict[str, list[int]] = defaultdict(list)
        self._by_digest: dict[str, list[int]] = defaultdict(list)
        for number, reported in enumerate(located):
            self._by_path[reported.finding.anchor.path].append(number)
            if reported.finding.evidence_digest != NO_EVIDENCE:
                self._by_digest[reported.finding.evidence_digest].append(number)

    def near(self, candidate: Candidate) -> Iterable[int]:
        return {
            *self._by_path.get(candidate.position.path, ()),
            *self._by_digest.get(candidate.tracked.evidence_digest, ()),
        }


def _distance(candidate: Candidate, reported: LocatedFinding) -> tuple[bool, bool, int]:
    anchor = reported.finding.anchor
    lines = candidate.position.lines
    elsewhere = anchor.path != candidate.position.path or lines is None
    start, end = lines or (0, 0)
    changed = candidate.tracked.evidence_digest != reported.finding.evidence_digest
    return elsewhere, changed, abs(start - anchor.start_line) + abs(end - anchor.end_line)


def _overlaps(candidate: Candidate, reported: LocatedFinding) -> bool:
    position, anchor = candidate.position, reported.finding.anchor
    if position.lines is None or position.path != anchor.path:
        return False
    return overlap(position.lines, lines_of(anchor)) > 0


def _has_same_category(candidate: Candidate, reported: LocatedFinding) -> bool:
    return candidate.tracked.category == reported.finding.raw.category


def _has_same_evidence(candidate: Candidate, reported: LocatedFinding) -> bool:
    return candidate.tracked.evidence_digest == reported.finding.evidence_digest != NO_EVIDENCE


def _has_stayed(candidate: Candidate, reported: LocatedFinding) -> bool:
    """Return whether it is reported at its position, with its lines or its evidence unchanged."""
    unchanged = candidate.position.lines_unchanged or _has_same_evidence(candidate, reported)
    return unchanged and _has_same_category(candidate, reported) and _overlaps(candidate, reported)


def _has_moved_in_file(candidate: Candidate, reported: LocatedFinding) -> bool:
    """Return whether the same code is elsewhere in its file, which has changed around it."""
    return (
        candidate.position.change is not ChangeStatus.UNCHANGED
        and candidate.position.path == reported.finding.anchor.path
        and _has_same_evidence(candidate, reported)
    )


def _has_moved_to_file(candidate: Candidate, reported: LocatedFinding) -> bool:
    """Return whether the same code is in another file, and its own lines have changed.

    Until its old file has a verdict, this may be a copy of the code instead. That verdict then
    reports the old one as new, which is better than two findings until then.
    """
    position = candidate.position
    changed = position.change is ChangeStatus.CHANGED and (
        candidate.dismissed or not position.lines_unchanged
    )
    left = changed or position.change in (ChangeStatus.REVIEWED, ChangeStatus.DELETED)
    return (
        left and _has_same_evidence(candidate, reported) and _has_same_category(candidate, reported)
    )


def _is_back(candidate: Candidate, reported: LocatedFinding) -> bool:
    if candidate.position.path != reported.finding.anchor.path:
        return False
    return _has_same_evidence(candidate, reported) or (
        _has_same_category(candidate, reported) and _overlaps(candidate, reported)
    )
