"""Which of tonight's findings is which known one: by place first, then by evidence."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.findings.line_map import lines_of, overlap
from batch_action.findings.positions import ChangeStatus, LocatedFinding, Position
from batch_action.models.findings import BatchAnswers, FindingState, TrackedFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A known finding and its place in the newest content."""

    tracked: TrackedFinding
    position: Position
    dismissed: bool = False

    @property
    def fixed(self) -> bool:
        """It was closed on an earlier night, and nobody dismissed it."""
        return self.tracked.state is FindingState.FIXED and not self.dismissed


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Who is who, by index into candidates and live findings."""

    pairs: dict[int, int]
    """Candidate to live finding, one to one."""
    duplicates: frozenset[int]
    """Live findings that repeat a known finding which already has its own."""


Rule = Callable[[Candidate, LocatedFinding], bool]


def match(
    candidates: Sequence[Candidate], live: Sequence[LocatedFinding], batch_answers: BatchAnswers
) -> Matches:
    """Pairs known and tonight's findings, the surest rule first, each at most once."""

    def stale(candidate: Candidate, one: LocatedFinding) -> bool:
        # An older batch never changes what a newer one set, unless it has seen today's content.
        return (
            not one.is_current
            and (one.commit, candidate.tracked.closing_commit) in batch_answers.descendants
        )

    rules: tuple[Rule, ...] = (
        lambda c, one: not c.fixed and _has_stayed(c, one),
        # Identical code elsewhere says more than other code at about the place.
        lambda c, one: not c.fixed and _has_moved_in_file(c, one),
        lambda c, one: c.fixed and not stale(c, one) and _is_back(c, one),
        lambda c, one: not c.fixed and _has_moved_to_file(c, one),
        lambda c, one: not c.fixed and _same_category(c, one) and _overlaps(c, one),
        lambda c, one: not c.fixed and not c.dismissed and _overlaps(c, one),
    )
    near = _FindingIndex(live)
    found: dict[int, int] = {}
    for rule in rules:
        taken = set(found.values())
        pairs = [
            (_distance(candidate, live[j]), i, j)
            for i, candidate in enumerate(candidates)
            if i not in found
            for j in near.of(candidate)
            if j not in taken and rule(candidate, live[j])
        ]
        for _, i, j in sorted(pairs):
            if i not in found and j not in taken:
                found[i] = j
                taken.add(j)
    return Matches(pairs=found, duplicates=_find_duplicates(candidates, live, near, found, stale))


def _find_duplicates(
    candidates: Sequence[Candidate],
    live: Sequence[LocatedFinding],
    near: "_FindingIndex",
    found: dict[int, int],
    stale: Rule,
) -> frozenset[int]:
    taken = set(found.values())

    def again(number: int, one: LocatedFinding) -> bool:
        # What was found elsewhere has left its place: what is reported there now is another. So
        # is what is reported where it only may have been.
        if number not in found or not _same_category(candidates[number], one):
            return False
        now, place = live[found[number]].finding.anchor, candidates[number].position
        exactly = place.lines_unchanged and _overlaps(candidates[number], live[found[number]])
        lines = place.lines if exactly and place.lines else lines_of(now)
        anchor = one.finding.anchor
        return now.path == anchor.path and overlap(lines, lines_of(anchor)) > 0

    def double(number: int, one: LocatedFinding) -> bool:
        candidate = candidates[number]
        if candidate.fixed:
            return stale(candidate, one) and _is_back(candidate, one)
        return again(number, one)

    return frozenset(
        j
        for i, candidate in enumerate(candidates)
        for j in near.of(candidate)
        if j not in taken and double(i, live[j])
    )


class _FindingIndex:
    """The live findings a candidate could be: in its file, or with its evidence."""

    def __init__(self, live: Sequence[LocatedFinding]) -> None:
        self._by_path: dict[str, list[int]] = defaultdict(list)
        self._by_digest: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(live):
            self._by_path[one.finding.anchor.path].append(number)
            if one.finding.evidence_digest != NO_EVIDENCE:
                self._by_digest[one.finding.evidence_digest].append(number)

    def of(self, candidate: Candidate) -> Iterable[int]:
        return {
            *self._by_path.get(candidate.position.path, ()),
            *self._by_digest.get(candidate.tracked.evidence_digest, ()),
        }


def _distance(candidate: Candidate, one: LocatedFinding) -> tuple[bool, bool, int]:
    anchor = one.finding.anchor
    lines = candidate.position.lines
    away = anchor.path != candidate.position.path or lines is None
    start, end = lines or (0, 0)
    other = candidate.tracked.evidence_digest != one.finding.evidence_digest
    return away, other, abs(start - anchor.start_line) + abs(end - anchor.end_line)


def _overlaps(candidate: Candidate, one: LocatedFinding) -> bool:
    place, anchor = candidate.position, one.finding.anchor
    if place.lines is None or place.path != anchor.path:
        return False
    return overlap(place.lines, lines_of(anchor)) > 0


def _same_category(candidate: Candidate, one: LocatedFinding) -> bool:
    return candidate.tracked.category == one.finding.raw.category


def _same_evidence(candidate: Candidate, one: LocatedFinding) -> bool:
    return candidate.tracked.evidence_digest == one.finding.evidence_digest != NO_EVIDENCE


def _has_stayed(candidate: Candidate, one: LocatedFinding) -> bool:
    """At its place, where its own lines stand as they did or read the same."""
    own = candidate.position.lines_unchanged or _same_evidence(candidate, one)
    return own and _same_category(candidate, one) and _overlaps(candidate, one)


def _has_moved_in_file(candidate: Candidate, one: LocatedFinding) -> bool:
    """The same code elsewhere in its file; an untouched finding has not moved."""
    return (
        candidate.position.change is not ChangeStatus.UNTOUCHED
        and candidate.position.path == one.finding.anchor.path
        and _same_evidence(candidate, one)
    )


def _has_moved_to_file(candidate: Candidate, one: LocatedFinding) -> bool:
    """The same code in another file, where its own lines are not what they were.

    Before its old file has its verdict this may be a copy instead. Then that verdict bears the
    old one anew: better than telling one thing twice until then.
    """
    place = candidate.position
    touched = place.change is ChangeStatus.TOUCHED and (
        candidate.dismissed or not place.lines_unchanged
    )
    left = touched or place.change in (ChangeStatus.SETTLED, ChangeStatus.GONE)
    return left and _same_evidence(candidate, one) and _same_category(candidate, one)


def _is_back(candidate: Candidate, one: LocatedFinding) -> bool:
    if candidate.position.path != one.finding.anchor.path:
        return False
    return _same_evidence(candidate, one) or (
        _same_category(candidate, one) and _overlaps(candidate, one)
    )
