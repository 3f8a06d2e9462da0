"""Positions: where known and reported findings are in the newest content."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, unique

from batch_action.findings.identity import NO_EVIDENCE, merge_duplicates
from batch_action.findings.line_map import (
    LineRange,
    estimate_lines,
    has_added_lines,
    lines_of,
    map_lines,
    overlap,
)
from batch_action.models.findings import (
    Anchor,
    BatchAnswers,
    CodePositions,
    Finding,
    FindingPolicy,
    ReviewedFile,
    TrackedFinding,
)


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
    """The file was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a known finding is in the newest content."""

    change: ChangeStatus
    path: str
    lines: LineRange | None
    """An estimate unless `anchor` is set; None when the file was deleted."""
    anchor: Anchor | None = None
    """The anchor in the newest content, when its lines could be mapped exactly."""
    commit: str
    """The commit of the verdict when `change` is REVIEWED, else the newest commit."""
    file_unchanged: bool = False
    """The file's blob is still the one of the anchor."""
    lines_unchanged: bool = False
    """The finding's own lines are unchanged, whatever happened around them."""
    note: str = ""
    """Why the file is no longer reviewed; empty when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedFinding:
    """A reported finding, moved to the newest content."""

    finding: Finding
    commit: str
    """The commit that it was reported on."""
    is_current: bool
    """The reviewed blob is the newest one."""


def carry_anchor(anchor: Anchor, digest: str, positions: CodePositions) -> Anchor | None:
    """Return the anchor in the newest content; None when its neighborhood has changed.

    The neighborhood of a whole-file finding (its digest is `NO_EVIDENCE`) is the whole file.
    """
    path = positions.current_path(anchor.path)
    blob = positions.current_blobs.get(path)
    if blob is None:
        return None
    if blob == anchor.blob:
        return (
            anchor if path == anchor.path else replace(anchor, path=path, commit=positions.commit)
        )
    line_map = positions.line_maps.get((anchor.blob, blob)) if digest != NO_EVIDENCE else None
    scope = map_lines(line_map, anchor.scope) if line_map else None
    lines = map_lines(line_map, lines_of(anchor)) if line_map else None
    if scope is None or lines is None:
        return None
    return Anchor(
        path=path,
        blob=blob,
        commit=positions.commit,
        start_line=lines[0],
        end_line=lines[1],
        scope=scope,
    )


def locate(
    tracked: TrackedFinding, answers: BatchAnswers, positions: CodePositions, policy: FindingPolicy
) -> Position:
    """Locate a known finding in the newest content, and compare it with the verdicts."""
    path = positions.current_path(tracked.anchor.path)
    blob = positions.current_blobs.get(path)
    if blob is None:
        return Position(change=ChangeStatus.DELETED, path=path, lines=None, commit=positions.commit)
    note = policy.excluded.get(path, "")
    anchor = carry_anchor(tracked.anchor, tracked.evidence_digest, positions)
    if anchor is not None:
        return Position(
            change=ChangeStatus.UNCHANGED,
            path=path,
            lines=lines_of(anchor),
            anchor=anchor,
            commit=positions.commit,
            file_unchanged=blob == tracked.anchor.blob,
            lines_unchanged=True,
            note=note,
        )
    lines = _estimated_lines(tracked, blob, positions)
    if note:
        return Position(
            change=ChangeStatus.UNCHANGED,
            path=path,
            lines=lines,
            commit=positions.commit,
            note=note,
        )
    commit = _settled_by(tracked, path, blob, answers, positions, policy)
    line_map = positions.line_maps.get((tracked.anchor.blob, blob))
    return Position(
        change=ChangeStatus.REVIEWED if commit else ChangeStatus.CHANGED,
        path=path,
        lines=lines,
        commit=commit or positions.commit,
        lines_unchanged=line_map is not None
        and map_lines(line_map, lines_of(tracked.anchor)) is not None,
    )


def _estimated_lines(tracked: TrackedFinding, blob: str, positions: CodePositions) -> LineRange:
    line_map = positions.line_maps.get((tracked.anchor.blob, blob))
    return (
        estimate_lines(line_map, lines_of(tracked.anchor)) if line_map else lines_of(tracked.anchor)
    )


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
    for reviewed in reversed(answers.reviewed):
        if reviewed.blob == blob and positions.current_path(reviewed.path) == path:
            return reviewed.commit
    if (path, blob) in policy.reviewed_before:
        return positions.commit
    for reviewed in answers.reviewed:
        if positions.current_path(reviewed.path) == path and _is_gone_in(
            tracked, reviewed, answers.findings, positions
        ):
            return reviewed.commit
    return None


def _is_gone_in(
    tracked: TrackedFinding,
    reviewed: ReviewedFile,
    findings: Iterable[Finding],
    positions: CodePositions,
) -> bool:
    """Return whether a newer verdict saw the finding's lines changed and did not report it."""
    if (tracked.anchor.commit, reviewed.commit) not in positions.descendants:
        return False
    line_map = positions.line_maps.get((tracked.anchor.blob, reviewed.blob))
    whole = tracked.evidence_digest == NO_EVIDENCE
    if line_map is None or not (whole or map_lines(line_map, tracked.anchor.scope) is None):
        return False
    about = estimate_lines(line_map, lines_of(tracked.anchor))
    return not any(
        finding.anchor.blob == reviewed.blob
        and finding.anchor.path == reviewed.path
        and (
            overlap(about, lines_of(finding.anchor)) > 0
            # Equal code that was there before is a copy; only added code can be this finding.
            or (
                tracked.evidence_digest == finding.evidence_digest != NO_EVIDENCE
                and has_added_lines(line_map, lines_of(finding.anchor))
            )
        )
        for finding in findings
    )


def locate_findings(
    findings: Iterable[Finding], positions: CodePositions
) -> tuple[list[LocatedFinding], tuple[Finding, ...]]:
    """Move the reported findings to the newest content; return them, and those to drop.

    Duplicates are dropped, and findings whose neighborhood has changed since they were reported:
    the changed content is selected itself and gets its own verdict.
    """
    located: list[LocatedFinding] = []
    outdated: list[Finding] = []
    for finding in findings:
        anchor = carry_anchor(finding.anchor, finding.evidence_digest, positions)
        if anchor is None:
            outdated.append(finding)
            continue
        located.append(
            LocatedFinding(
                finding=replace(finding, anchor=anchor),
                commit=finding.anchor.commit,
                is_current=finding.anchor.blob == anchor.blob,
            )
        )
    by_id = {id(item.finding): item for item in located}
    unique, duplicates = merge_duplicates(item.finding for item in located)
    return [by_id[id(finding)] for finding in unique], (*outdated, *duplicates)
