"""Positions: where known and reported findings are in the newest content."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, unique
from itertools import groupby

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.findings.lines import (
    LineIndex,
    LineRange,
    changes_lines,
    estimate_lines,
    lines_of,
    map_lines,
    overlap,
    scope_of,
)
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    Anchor,
    BatchAnswers,
    CodePositions,
    Confidence,
    Finding,
    FindingState,
    HeldBackFinding,
    ReviewedFile,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy
from batch_action.text import covers


@unique
class ChangeStatus(Enum):
    """What happened to the neighborhood of a known finding since it was anchored."""

    UNCHANGED = "unchanged"
    """The finding stays open, whatever the model reports."""
    CHANGED = "changed"
    """No verdict on the change yet."""
    REVIEWED = "reviewed"
    """It changed, and there is a verdict on the change."""
    DELETED = "deleted"
    """The file was deleted or emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A known finding, and where it is in the newest content."""

    tracked: TrackedFinding
    dismissed: bool
    """Whether a person dismissed it, here or at another destination."""
    change: ChangeStatus
    path: str
    commit: str
    """The commit of the verdict when `change` is REVIEWED, else the newest commit."""
    lines: LineRange | None = None
    """An estimate unless `anchor` is set; None when the file is gone."""
    anchor: Anchor | None = None
    """The anchor in the newest content, when its lines could be mapped exactly."""
    file_unchanged: bool = False
    """The file's blob is still the one of the anchor."""
    lines_unchanged: bool = False
    """The finding's own lines are unchanged, whatever happened around them."""
    note: str = ""
    """Why the file is no longer reviewed; empty when it is."""
    is_emptied: bool = False
    """The file is still there, without text."""
    not_shown: bool = False
    """The answers about the newest content were not shown its lines."""

    @property
    def fixed(self) -> bool:
        """Whether an earlier run closed it, and nobody dismissed it."""
        return self.tracked.state is FindingState.FIXED and not self.dismissed


class AnswerIndex:
    """What the answers of a run say, by file, lines and evidence, in the files of known findings.

    A first review knows none and has tens of thousands of files.
    """

    def __init__(
        self,
        answers: BatchAnswers,
        known: Iterable[TrackedFinding],
        positions: CodePositions,
    ) -> None:
        paths = {positions.current_path(tracked.anchor.path) for tracked in known}
        self._reviewed: defaultdict[str, list[ReviewedFile]] = defaultdict(list)
        for file in answers.reviewed:
            if (path := positions.current_path(file.path)) in paths:
                self._reviewed[path].append(file)
        reviewed = {(f.path, f.blob) for files in self._reviewed.values() for f in files}
        self._by_lines: LineIndex[Finding] = LineIndex()
        self._by_digest: defaultdict[tuple[str, str, str], list[Finding]] = defaultdict(list)
        for finding in answers.findings:
            path, blob = finding.anchor.path, finding.anchor.blob
            if (path, blob) not in reviewed:
                continue
            self._by_lines.add((path, blob), lines_of(finding.anchor), finding)
            if finding.evidence_digest != NO_EVIDENCE:
                self._by_digest[path, blob, finding.evidence_digest].append(finding)

    def reviewed(self, path: str) -> list[ReviewedFile]:
        """Return the reviewed contents of a file by its current path, oldest batch first."""
        return self._reviewed.get(path, [])

    def about(self, file: ReviewedFile, lines: LineRange) -> list[Finding]:
        """Return the findings on these lines of a reviewed file."""
        return self._by_lines.at((file.path, file.blob), lines)

    def equal(self, file: ReviewedFile, digest: str) -> list[Finding]:
        """Return the findings in a reviewed file that have this evidence."""
        return self._by_digest.get((file.path, file.blob, digest), [])


def locate(
    tracked: TrackedFinding, index: AnswerIndex, positions: CodePositions, policy: FindingPolicy
) -> Position:
    """Locate a known finding in the newest content, and compare it with the verdicts."""
    old, change, verdict = tracked.anchor, ChangeStatus.UNCHANGED, None
    path = positions.current_path(old.path)
    blob = positions.current_blobs.get(path)
    if path in positions.emptied:
        blob = None
    note = policy.excluded.get(path, "") if blob else ""
    anchor = carry_anchor(old, tracked.evidence_digest, positions)
    hunks = positions.line_maps.get((old.blob, blob or ""))
    mapped = hunks is not None and map_lines(hunks, lines_of(old)) is not None
    lines = lines_of(anchor) if anchor else estimate_lines(hunks or (), lines_of(old))
    not_shown = bool(blob) and not _was_shown(tracked, (path, blob or ""), positions, policy)
    if blob is None:
        change = ChangeStatus.DELETED
    elif anchor is None and not note:
        verdict = _settled_by(tracked, path, blob, index, positions, policy)
        change = ChangeStatus.REVIEWED if verdict else ChangeStatus.CHANGED
        is_answered = any(file.blob == blob for file in index.reviewed(path))
        if verdict is None and is_answered and hunks is not None and mapped:
            # It was not shown to that answer, and none about this content is to come.
            anchor = _estimate_anchor(old, path, blob, hunks, positions)
            lines, change = lines_of(anchor), ChangeStatus.UNCHANGED
    return Position(
        tracked=tracked,
        dismissed=tracked.state is FindingState.DISMISSED
        or tracked.fingerprint in policy.dismissed,
        change=change,
        path=path,
        commit=verdict or positions.commit,
        lines=lines if blob else None,
        anchor=anchor,
        file_unchanged=blob == old.blob,
        lines_unchanged=anchor is not None or (mapped and not note),
        note=note,
        is_emptied=path in positions.emptied,
        not_shown=not_shown,
    )


def locate_findings(
    findings: Iterable[Finding], positions: CodePositions
) -> tuple[list[tuple[Finding, ...]], list[HeldBackFinding]]:
    """Move the reported findings to the newest content, merged as in `merge_answers`.

    Return them, and those whose neighborhood has changed since they were reported: the changed
    content is selected itself and gets its own verdict.
    """
    located: list[Finding] = []
    outdated: list[HeldBackFinding] = []
    for finding in findings:
        anchor = carry_anchor(finding.anchor, finding.evidence_digest, positions)
        if anchor is None:
            outdated.append(hold_back(finding, "outdated"))
        else:
            is_there = anchor == finding.anchor
            located.append(finding if is_there else replace(finding, anchor=anchor))
    located.sort(key=_current_path)
    groups: list[tuple[Finding, ...]] = []
    for _, in_file in groupby(located, key=_current_path):
        answers: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
        for finding in in_file:
            answers[answer_of(finding)].append(finding)
        groups += merge_answers(answers.values())
    return groups, outdated


def _current_path(finding: Finding) -> str:
    return finding.anchor.path


def answer_of(finding: Finding) -> tuple[str, str]:
    """Return the path and blob that the finding was reported about."""
    return finding.reported.path, finding.reported.blob


def hold_back(finding: Finding, reason: str) -> HeldBackFinding:
    """Describe a finding that is not tracked, for the list of those."""
    path, line = finding.reported.path, finding.reported.start_line
    return HeldBackFinding.of(finding, reason, path=path, line=line, texts=finding.texts)


def merge_answers(answers: Iterable[Iterable[Finding]]) -> list[tuple[Finding, ...]]:
    """Group the findings that several answers report about the same lines, the most severe first.

    Answers about the same lines come from overlapping parts of a large file and from several
    batches. Two findings of one answer stay two, unless they quote the same code for the same rule.
    """
    lists = [[*findings] for findings in answers]
    if sum(map(len, lists)) == 1:  # As in most files: their texts need not be read.
        return [(finding,) for findings in lists for finding in findings]
    groups: list[list[Finding]] = []
    by_lines: LineIndex[int] = LineIndex()
    by_report: dict[Hashable, int] = {}
    for findings in lists:
        joined: dict[int, list[tuple[Hashable, LineRange]]] = {}
        for finding in sorted(findings, key=_severest_first):
            anchor = finding.anchor
            place = anchor.path, anchor.blob, finding.category, finding.whole_file
            report = place, finding.rule, finding.texts.read().quoted, anchor
            same = set(by_lines.at(place, lines_of(anchor))).difference(joined)
            if report in by_report:
                same.add(by_report[report])
            if same:
                number = max(sorted(same), key=lambda n: _similarity(groups[n][0], finding))
                groups[number].append(finding)
            else:
                number = by_report[report] = len(groups)
                groups.append([finding])
            joined.setdefault(number, []).append((place, lines_of(anchor)))
        # Only now, because no finding joins others of its own answer by its lines.
        for number, ranges in joined.items():
            for where, lines in ranges:
                by_lines.add(where, lines, number)
    merged = (tuple(sorted(group, key=_severest_first)) for group in groups)
    return sorted(
        merged, key=lambda g: (g[0].anchor.path, g[0].anchor.start_line, _severest_first(g[0]))
    )


def _similarity(finding: Finding, other: Finding) -> tuple[bool, bool, int]:
    return (
        finding.rule == other.rule,
        finding.texts.read().quoted == other.texts.read().quoted,
        overlap(lines_of(finding.anchor), lines_of(other.anchor)),
    )


def _severest_first(finding: Finding) -> tuple[int, int, int, str, str, str]:
    certainty = finding.severity.rank, list(Confidence).index(finding.confidence)
    what = finding.category, finding.rule, finding.texts.read().quoted
    return *certainty, finding.anchor.start_line, *what


def carry_anchor(anchor: Anchor, digest: str, positions: CodePositions) -> Anchor | None:
    """Return the anchor in the newest content; None when its neighborhood has changed.

    The neighborhood of a whole-file finding (its digest is `NO_EVIDENCE`) is the whole file.
    """
    path = positions.current_path(anchor.path)
    blob = positions.current_blobs.get(path)
    if blob is None or path in positions.emptied:
        return None
    if blob == anchor.blob:
        return (
            anchor if path == anchor.path else replace(anchor, path=path, commit=positions.commit)
        )
    hunks = positions.line_maps.get((anchor.blob, blob))
    if hunks is None or (digest == NO_EVIDENCE and not all(h.outputs_only for h in hunks)):
        return None
    scope, lines = map_lines(hunks, scope_of(anchor)), map_lines(hunks, lines_of(anchor))
    if scope is None or lines is None:
        return None
    return _moved((path, blob), lines, scope, positions)


def _moved(
    file: tuple[str, str], lines: LineRange, scope: LineRange, positions: CodePositions
) -> Anchor:
    return Anchor(
        path=file[0],
        blob=file[1],
        commit=positions.commit,
        start_line=lines[0],
        end_line=lines[1],
        scope_start=scope[0],
        scope_end=scope[1],
    )


def _settled_by(
    tracked: TrackedFinding,
    path: str,
    blob: str,
    index: AnswerIndex,
    positions: CodePositions,
    policy: FindingPolicy,
) -> str | None:
    """Return the commit of a verdict on the finding's changed neighborhood, or None.

    It is a verdict on the newest content, or one on content in between that no longer has the
    finding.
    """

    def was_shown(file: tuple[str, str]) -> bool:
        return _was_shown(tracked, file, positions, policy)

    for reviewed in reversed(index.reviewed(path)):
        if reviewed.blob == blob and was_shown((reviewed.path, blob)):
            return reviewed.commit
    if (path, blob) in policy.reviewed_before and was_shown((path, blob)):
        return positions.commit
    for reviewed in index.reviewed(path):
        if was_shown((reviewed.path, reviewed.blob)) and _is_gone_in(
            tracked, reviewed, index, positions
        ):
            return reviewed.commit
    return None


def _was_shown(
    tracked: TrackedFinding,
    file: tuple[str, str],
    positions: CodePositions,
    policy: FindingPolicy,
) -> bool:
    """Return whether the answers about this (path, blob) were shown all lines of the finding."""
    shown = policy.shown_lines.get(file)
    if shown is None:
        return True
    old = tracked.anchor
    hunks = () if old.blob == file[1] else positions.line_maps.get((old.blob, file[1]))
    if hunks is None or tracked.evidence_digest == NO_EVIDENCE:
        return False
    return covers(shown, *estimate_lines(hunks, lines_of(old)))


def _estimate_anchor(
    old: Anchor, path: str, blob: str, hunks: Sequence[Hunk], positions: CodePositions
) -> Anchor:
    """Return the anchor of unchanged lines in the newest content, whatever changed around them."""
    start, end = estimate_lines(hunks, lines_of(old))
    first, last = estimate_lines(hunks, scope_of(old))
    scope = min(first, start), max(last, end)
    return _moved((path, blob), (start, end), scope, positions)


def _is_gone_in(
    tracked: TrackedFinding, reviewed: ReviewedFile, index: AnswerIndex, positions: CodePositions
) -> bool:
    """Return whether a newer verdict saw the finding's lines changed and did not report it."""
    if (tracked.anchor.commit, reviewed.commit) not in positions.descendants:
        return False
    hunks = positions.line_maps.get((tracked.anchor.blob, reviewed.blob))
    whole = tracked.evidence_digest == NO_EVIDENCE
    if hunks is None or not (whole or map_lines(hunks, scope_of(tracked.anchor)) is None):
        return False
    if index.about(reviewed, estimate_lines(hunks, lines_of(tracked.anchor))):
        return False
    # Equal code that was there before is a copy; only added code can be this finding.
    return not any(
        changes_lines(hunks, lines_of(finding.anchor))
        for finding in index.equal(reviewed, tracked.evidence_digest)
    )
