"""Positions: where known and reported findings are in the newest content."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, unique

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    Anchor,
    BatchAnswers,
    CodePositions,
    Confidence,
    Finding,
    FindingPolicy,
    FindingState,
    HeldBackFinding,
    ReviewedFile,
    TrackedFinding,
)
from batch_action.text import covers

LineRange = tuple[int, int]
"""First and last line, 1-based, inclusive."""


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


def locate(
    tracked: TrackedFinding, answers: BatchAnswers, positions: CodePositions, policy: FindingPolicy
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
        verdict = _settled_by(tracked, path, blob, answers, positions, policy)
        change = ChangeStatus.REVIEWED if verdict else ChangeStatus.CHANGED
        is_answered = _is_answered(path, blob, answers, positions)
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
    answers: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    outdated: list[HeldBackFinding] = []
    for finding in findings:
        anchor = carry_anchor(finding.anchor, finding.evidence_digest, positions)
        if anchor is None:
            outdated.append(hold_back(finding, "outdated"))
        else:
            answers[answer_of(finding)].append(replace(finding, anchor=anchor))
    return merge_answers(answers.values()), outdated


def answer_of(finding: Finding) -> tuple[str, str]:
    """Return the path and blob that the finding was reported about."""
    return finding.reported.path, finding.reported.blob


def hold_back(finding: Finding, reason: str) -> HeldBackFinding:
    """Describe a finding that is not tracked, for the list of those."""
    anchor = finding.reported
    return HeldBackFinding(reason=reason, path=anchor.path, line=anchor.start_line, raw=finding.raw)


def merge_answers(answers: Iterable[Iterable[Finding]]) -> list[tuple[Finding, ...]]:
    """Group the findings that several answers report about the same lines, the most severe first.

    Answers about the same lines come from overlapping parts of a large file and from several
    batches. Two findings of one answer stay two, unless they quote the same code for the same rule.
    """
    groups: defaultdict[tuple[str, str, bool], list[list[tuple[int, Finding]]]] = defaultdict(list)
    for number, findings in enumerate(answers):
        for finding in sorted(findings, key=_severest_first):
            anchor, raw = finding.anchor, finding.raw
            others = groups[anchor.path, raw.category, raw.whole_file]
            same = [
                group
                for group in others
                if _is_same_report(group[0][1], finding)
                or (
                    all(answer != number for answer, _ in group)
                    and any(share_lines(anchor, other.anchor) for _, other in group)
                )
            ]
            if not same:
                others.append([(number, finding)])
                continue
            nearest = max(same, key=lambda group: _similarity(group[0][1], finding))
            nearest.append((number, finding))
    merged = [
        tuple(sorted((finding for _, finding in group), key=_severest_first))
        for others in groups.values()
        for group in others
    ]
    return sorted(
        merged, key=lambda g: (g[0].anchor.path, g[0].anchor.start_line, _severest_first(g[0]))
    )


def _is_same_report(finding: Finding, other: Finding) -> bool:
    """Return whether two findings quote the same code for the same rule."""
    return (
        finding.raw.rule == other.raw.rule
        and finding.quoted == other.quoted
        and finding.anchor == other.anchor
    )


def _similarity(finding: Finding, other: Finding) -> tuple[bool, bool, int]:
    return (
        finding.raw.rule == other.raw.rule,
        finding.quoted == other.quoted,
        overlap(lines_of(finding.anchor), lines_of(other.anchor)),
    )


def _severest_first(finding: Finding) -> tuple[int, int, int, str, str, str]:
    raw = finding.raw
    certainty = raw.severity.rank, list(Confidence).index(raw.confidence)
    return *certainty, finding.anchor.start_line, raw.category, raw.rule, finding.quoted


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
    scope, lines = map_lines(hunks, anchor.scope), map_lines(hunks, lines_of(anchor))
    if scope is None or lines is None:
        return None
    start, end = lines
    moved = replace(anchor, start_line=start, end_line=end, scope=scope)
    return replace(moved, path=path, blob=blob, commit=positions.commit)


def _settled_by(
    tracked: TrackedFinding,
    path: str,
    blob: str,
    answers: BatchAnswers,
    positions: CodePositions,
    policy: FindingPolicy,
) -> str | None:
    """Return the commit of a verdict on the finding's changed neighborhood, or None.

    It is a verdict on the newest content, or one on content in between that no longer has the
    finding.
    """

    def was_shown(file: tuple[str, str]) -> bool:
        return _was_shown(tracked, file, positions, policy)

    about = [file for file in answers.reviewed if positions.current_path(file.path) == path]
    for reviewed in reversed(about):
        if reviewed.blob == blob and was_shown((reviewed.path, blob)):
            return reviewed.commit
    if (path, blob) in policy.reviewed_before and was_shown((path, blob)):
        return positions.commit
    for reviewed in about:
        if was_shown((reviewed.path, reviewed.blob)) and _is_gone_in(
            tracked, reviewed, answers.findings, positions
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


def _is_answered(path: str, blob: str, answers: BatchAnswers, positions: CodePositions) -> bool:
    return any(
        file.blob == blob and positions.current_path(file.path) == path for file in answers.reviewed
    )


def _estimate_anchor(
    old: Anchor, path: str, blob: str, hunks: Sequence[Hunk], positions: CodePositions
) -> Anchor:
    """Return the anchor of unchanged lines in the newest content, whatever changed around them."""
    start, end = estimate_lines(hunks, lines_of(old))
    first, last = estimate_lines(hunks, old.scope)
    moved = replace(old, start_line=start, end_line=end, scope=(min(first, start), max(last, end)))
    return replace(moved, path=path, blob=blob, commit=positions.commit)


def _is_gone_in(
    tracked: TrackedFinding,
    reviewed: ReviewedFile,
    findings: Iterable[Finding],
    positions: CodePositions,
) -> bool:
    """Return whether a newer verdict saw the finding's lines changed and did not report it."""
    if (tracked.anchor.commit, reviewed.commit) not in positions.descendants:
        return False
    hunks = positions.line_maps.get((tracked.anchor.blob, reviewed.blob))
    whole = tracked.evidence_digest == NO_EVIDENCE
    if hunks is None or not (whole or map_lines(hunks, tracked.anchor.scope) is None):
        return False
    about = estimate_lines(hunks, lines_of(tracked.anchor))
    return not any(
        finding.anchor.blob == reviewed.blob
        and finding.anchor.path == reviewed.path
        and (
            overlap(about, lines_of(finding.anchor)) > 0
            # Equal code that was there before is a copy; only added code can be this finding.
            or (
                tracked.evidence_digest == finding.evidence_digest != NO_EVIDENCE
                and _added_lines(hunks, finding.anchor)
            )
        )
        for finding in findings
    )


def _added_lines(hunks: Iterable[Hunk], anchor: Anchor) -> bool:
    added = ((h.new_start, h.new_start + h.new_lines - 1) for h in hunks if h.new_lines)
    return any(overlap(lines, lines_of(anchor)) > 0 for lines in added)


def map_lines(hunks: Sequence[Hunk], lines: LineRange) -> LineRange | None:
    """Return where these old lines are now; None when any of them was changed.

    An insertion counts as a change only between two of the lines.
    """
    first, last = lines
    for hunk in hunks:
        # An insertion follows its old line, which itself did not change.
        begin = hunk.old_start + (hunk.old_lines == 0)
        if not hunk.outputs_only and begin + hunk.old_lines > first and begin <= last:
            return None
    return estimate_lines(hunks, lines)


def estimate_lines(hunks: Sequence[Hunk], lines: LineRange) -> LineRange:
    """Estimate where these old lines are now; a changed hunk is scaled to its new size."""
    first, last = (_estimate_line(hunks, line) for line in lines)
    return first, max(first, last)


def _estimate_line(hunks: Iterable[Hunk], line: int) -> int:
    shift = 0
    for hunk in hunks:
        offset = line - hunk.old_start
        if 0 <= offset < hunk.old_lines:
            return max(1, hunk.new_start + offset * hunk.new_lines // hunk.old_lines)
        if offset <= max(hunk.old_lines - 1, 0):
            break
        shift += hunk.new_lines - hunk.old_lines
    return max(1, line + shift)


def overlap(first: LineRange, second: LineRange) -> int:
    """Count the lines that two ranges share; a negative count is the distance between them."""
    return min(first[1], second[1]) - max(first[0], second[0]) + 1


def lines_of(anchor: Anchor) -> LineRange:
    """Return the first and last line of an anchor."""
    return anchor.start_line, anchor.end_line


def share_lines(first: Anchor, second: Anchor) -> bool:
    """Return whether two anchors share lines of the same blob and path."""
    same_content = (first.path, first.blob) == (second.path, second.blob)
    return same_content and overlap(lines_of(first), lines_of(second)) > 0
