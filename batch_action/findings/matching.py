"""Match reported findings with known ones: by position first, then by evidence."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.findings.lines import LineIndex, LineRange, lines_of, overlap
from batch_action.findings.positions import ChangeStatus, Position, answer_of
from batch_action.models.findings import Finding

Candidates = Callable[[Position], set[int]]
Rule = Callable[[Position, Finding], bool]


def match(
    known: Sequence[Position],
    groups: Sequence[Sequence[Finding]],
    descendants: Collection[tuple[str, str]],
) -> tuple[dict[int, int], frozenset[int]]:
    """Pair known and reported findings, the strictest rule first, each finding at most once.

    *groups*: what each reported finding was merged from, the kept one first. *descendants*: the
    pairs of commits of which the second descends from the first.

    Return the pairs as indexes, and the indexes of reported findings with which another answer
    repeats a known one that has a pair already.
    """
    if not known:
        return {}, frozenset()
    reported = [group[0] for group in groups]

    def is_stale(position: Position, finding: Finding) -> bool:
        return _is_stale(position, finding, descendants)

    index = _Index(reported)
    rules: tuple[tuple[bool, Candidates, Rule], ...] = (
        (False, index.overlapping, _has_stayed),
        # Equal code elsewhere is a stronger sign than other code in about the same lines.
        (False, index.equal, _has_moved_in_file),
        (
            True,
            index.overlapping_or_equal,
            lambda known, found: not is_stale(known, found) and _is_back(known, found),
        ),
        (False, index.equal, _has_moved_to_file),
        (False, index.overlapping, _has_same_category),
        (False, index.overlapping, lambda known, _: not known.dismissed),
    )
    pairs: dict[int, int] = {}
    for for_fixed, candidates, rule in rules:
        taken = set(pairs.values())
        ranked = [
            (_distance(position, reported[j]), i, j)
            for i, position in enumerate(known)
            if i not in pairs and position.fixed is for_fixed
            for j in candidates(position)
            if j not in taken and rule(position, reported[j])
        ]
        for _, i, j in sorted(ranked):
            if i not in pairs and j not in taken:
                pairs[i] = j
                taken.add(j)

    return pairs, _find_duplicates(known, groups, index, pairs, is_stale)


def _find_duplicates(
    known: Sequence[Position],
    groups: Sequence[Sequence[Finding]],
    index: "_Index",
    pairs: Mapping[int, int],
    is_stale: Rule,
) -> frozenset[int]:
    """Return the reported findings without a pair that repeat a known one."""
    reported = [group[0] for group in groups]

    def is_duplicate(i: int, j: int) -> bool:
        if known[i].fixed:
            return is_stale(known[i], reported[j]) and _is_back(known[i], reported[j])
        return i in pairs and _repeats(known[i], reported[pairs[i]], reported[j])

    def nearby(i: int) -> set[int]:
        anchor = reported[pairs[i]].anchor if i in pairs else None
        around = anchor is not None and anchor.path == known[i].path
        also = index.at(anchor.path, lines_of(anchor)) if anchor and around else set[int]()
        return index.overlapping_or_equal(known[i]) | also

    # An answer reports a known finding once: what else it reports there is another one.
    answers = [frozenset(map(answer_of, group)) for group in groups]
    duplicates: set[int] = set()
    left = set(range(len(reported))).difference(pairs.values())
    for i, position in enumerate(known if left else ()):
        heard = answers[pairs[i]] if i in pairs else frozenset()
        others = [j for j in nearby(i) & left if is_duplicate(i, j)]
        for _, j in sorted((_distance(position, reported[j]), j) for j in others):
            if heard.isdisjoint(answers[j]):
                duplicates.add(j)
                left.discard(j)
                heard |= answers[j]
    return frozenset(duplicates)


def _is_stale(
    position: Position, finding: Finding, descendants: Collection[tuple[str, str]]
) -> bool:
    """Return whether an older batch reports what a newer one closed.

    It does not reopen that, unless it has seen the newest content.
    """
    reported = finding.reported
    return (
        reported.blob != finding.anchor.blob
        and (reported.commit, position.tracked.closing_commit) in descendants
    )


def _repeats(known: Position, match: Finding, finding: Finding) -> bool:
    """Return whether a finding repeats a known one that already has a match."""
    if not _has_same_category(known, finding) or match.anchor.path != finding.anchor.path:
        return False
    # A finding that was matched elsewhere has left its lines: a finding reported there is another
    # one, as is one that is reported at its estimated lines only.
    in_place = known.lines_unchanged and _overlaps(known, match)
    lines = known.lines if in_place and known.lines else lines_of(match.anchor)
    return overlap(lines, lines_of(finding.anchor)) > 0


class _Index:
    """The reported findings by their lines and by their evidence, as indexes."""

    def __init__(self, reported: Sequence[Finding]) -> None:
        self._by_lines: LineIndex[int] = LineIndex()
        self._by_digest: defaultdict[str, set[int]] = defaultdict(set)
        for number, finding in enumerate(reported):
            self._by_lines.add(finding.anchor.path, lines_of(finding.anchor), number)
            if finding.evidence_digest != NO_EVIDENCE:
                self._by_digest[finding.evidence_digest].add(number)

    def at(self, path: str, lines: LineRange) -> set[int]:
        """Return those that share these lines of a file."""
        return set(self._by_lines.at(path, lines))

    def overlapping(self, known: Position) -> set[int]:
        """Return those that share lines with a known finding."""
        return set() if known.lines is None else self.at(known.path, known.lines)

    def equal(self, known: Position) -> set[int]:
        """Return those with the evidence of a known finding."""
        return self._by_digest.get(known.tracked.evidence_digest, set())

    def overlapping_or_equal(self, known: Position) -> set[int]:
        """Return those that share lines or evidence with a known finding."""
        return self.overlapping(known) | self.equal(known)


def _distance(known: Position, finding: Finding) -> tuple[bool, bool, bool, int, bool]:
    anchor = finding.anchor
    start, end = known.lines or (0, 0)
    elsewhere = anchor.path != known.path or known.lines is None
    changed = known.tracked.evidence_digest != finding.evidence_digest
    lines = abs(start - anchor.start_line) + abs(end - anchor.end_line)
    # Several findings may be about the same lines: their rules and titles tell them apart.
    tracked = known.tracked
    return elsewhere, changed, tracked.rule != finding.rule, lines, tracked.title != finding.title


def _overlaps(known: Position, finding: Finding) -> bool:
    if known.lines is None or known.path != finding.anchor.path:
        return False
    return overlap(known.lines, lines_of(finding.anchor)) > 0


def _has_same_category(known: Position, finding: Finding) -> bool:
    return known.tracked.category == finding.category


def _has_same_evidence(known: Position, finding: Finding) -> bool:
    return known.tracked.evidence_digest == finding.evidence_digest != NO_EVIDENCE


def _has_stayed(known: Position, finding: Finding) -> bool:
    """Return whether it is reported at its position, with its lines or its evidence unchanged."""
    unchanged = known.lines_unchanged or _has_same_evidence(known, finding)
    return unchanged and _has_same_category(known, finding) and _overlaps(known, finding)


def _has_moved_in_file(known: Position, finding: Finding) -> bool:
    """Return whether the same code is elsewhere in its file, which has changed around it."""
    return (
        known.change is not ChangeStatus.UNCHANGED
        and known.path == finding.anchor.path
        and _has_same_evidence(known, finding)
    )


def _has_moved_to_file(known: Position, finding: Finding) -> bool:
    """Return whether the same code is in another file, and its own lines have changed.

    Until its old file has a verdict, this may be a copy of the code instead. That verdict then
    reports the old one as new, which is better than two findings until then.
    """
    left = known.change in (ChangeStatus.REVIEWED, ChangeStatus.DELETED) or (
        known.change is ChangeStatus.CHANGED and (known.dismissed or not known.lines_unchanged)
    )
    return left and _has_same_evidence(known, finding) and _has_same_category(known, finding)


def _is_back(known: Position, finding: Finding) -> bool:
    if known.path != finding.anchor.path:
        return False
    return _has_same_evidence(known, finding) or (
        _has_same_category(known, finding) and _overlaps(known, finding)
    )
