"""Where known findings and tonight's findings stand in the newest content."""

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
from batch_action.models.findings import Anchor, BatchAnswers, Finding, ReviewedFile, TrackedFinding


@unique
class ChangeStatus(Enum):
    """What can be said of a known finding before looking at what was reported."""

    UNTOUCHED = "its neighbourhood did not change: it stands, whatever the model says"
    TOUCHED = "its neighbourhood changed, and no verdict on that has come"
    SETTLED = "its neighbourhood changed, and there is a verdict on it"
    GONE = "its file was deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A known finding's place in the newest content."""

    change: ChangeStatus
    path: str
    lines: LineRange | None
    """About where it is now; None when its file is gone."""
    anchor: Anchor | None = None
    """The carried anchor, when it could be carried exactly and the content is another one."""
    commit: str
    """The commit that settles it."""
    file_unchanged: bool = False
    """Its file reads exactly as when it was anchored."""
    lines_unchanged: bool = False
    """Its own lines are as they were, whatever happened around them."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedFinding:
    """One of tonight's findings, carried to the newest content."""

    finding: Finding
    commit: str
    """The commit it was reported on."""
    is_current: bool
    """What was reviewed reads exactly as the newest content."""


def current_path(path: str, batch_answers: BatchAnswers) -> str:
    """The path's name at the newest commit; itself when it still exists or was deleted."""
    return path if path in batch_answers.current_blobs else batch_answers.renames.get(path, path)


def carry_anchor(anchor: Anchor, digest: str, batch_answers: BatchAnswers) -> Anchor | None:
    """The anchor in the newest content; None when its neighbourhood was touched or is gone.

    The neighbourhood of a whole-file finding (its digest says so) is the file: any change counts.
    """
    path = current_path(anchor.path, batch_answers)
    blob = batch_answers.current_blobs.get(path)
    if blob is None:
        return None
    if blob == anchor.blob:
        return (
            anchor
            if path == anchor.path
            else replace(anchor, path=path, commit=batch_answers.commit)
        )
    moved = batch_answers.line_maps.get((anchor.blob, blob)) if digest != NO_EVIDENCE else None
    scope = map_lines(moved, anchor.scope) if moved else None
    lines = map_lines(moved, lines_of(anchor)) if moved else None
    if scope is None or lines is None:
        return None
    return Anchor(
        path=path,
        blob=blob,
        commit=batch_answers.commit,
        start_line=lines[0],
        end_line=lines[1],
        scope=scope,
    )


def locate(known: TrackedFinding, batch_answers: BatchAnswers) -> Position:
    """Where a known finding stands now, and what tonight's verdicts can say about it."""
    path = current_path(known.anchor.path, batch_answers)
    blob = batch_answers.current_blobs.get(path)
    if blob is None:
        return Position(
            change=ChangeStatus.GONE, path=path, lines=None, commit=batch_answers.commit
        )
    note = batch_answers.excluded.get(path, "")
    anchor = carry_anchor(known.anchor, known.evidence_digest, batch_answers)
    if anchor is not None:
        return Position(
            change=ChangeStatus.UNTOUCHED,
            path=path,
            lines=lines_of(anchor),
            anchor=anchor,
            commit=batch_answers.commit,
            file_unchanged=blob == known.anchor.blob,
            lines_unchanged=True,
            note=note,
        )
    lines = _estimated_lines(known, blob, batch_answers)
    if note:
        return Position(
            change=ChangeStatus.UNTOUCHED,
            path=path,
            lines=lines,
            commit=batch_answers.commit,
            note=note,
        )
    commit = _settled_by(known, path, blob, batch_answers)
    moved = batch_answers.line_maps.get((known.anchor.blob, blob))
    return Position(
        change=ChangeStatus.SETTLED if commit else ChangeStatus.TOUCHED,
        path=path,
        lines=lines,
        commit=commit or batch_answers.commit,
        lines_unchanged=moved is not None and map_lines(moved, lines_of(known.anchor)) is not None,
    )


def _estimated_lines(known: TrackedFinding, blob: str, batch_answers: BatchAnswers) -> LineRange:
    moved = batch_answers.line_maps.get((known.anchor.blob, blob))
    return estimate_lines(moved, lines_of(known.anchor)) if moved else lines_of(known.anchor)


def _settled_by(
    known: TrackedFinding, path: str, blob: str, batch_answers: BatchAnswers
) -> str | None:
    """The commit of the verdict that has seen what became of this finding.

    That is a verdict on the newest content, or one on content between: newer than the finding,
    already without it.
    """
    for reviewed in reversed(batch_answers.reviewed):
        if reviewed.blob == blob and current_path(reviewed.path, batch_answers) == path:
            return reviewed.commit
    if (path, blob) in batch_answers.reviewed_before:
        return batch_answers.commit
    for reviewed in batch_answers.reviewed:
        if current_path(reviewed.path, batch_answers) == path and _is_gone_in(
            known, reviewed, batch_answers
        ):
            return reviewed.commit
    return None


def _is_gone_in(known: TrackedFinding, reviewed: ReviewedFile, batch_answers: BatchAnswers) -> bool:
    """Whether a newer verdict saw the finding's place changed and did not report it."""
    if (known.anchor.commit, reviewed.commit) not in batch_answers.descendants:
        return False
    moved = batch_answers.line_maps.get((known.anchor.blob, reviewed.blob))
    whole = known.evidence_digest == NO_EVIDENCE
    if moved is None or not (whole or map_lines(moved, known.anchor.scope) is None):
        return False
    about = estimate_lines(moved, lines_of(known.anchor))
    return not any(
        finding.anchor.blob == reviewed.blob
        and finding.anchor.path == reviewed.path
        and (
            overlap(about, lines_of(finding.anchor)) > 0
            # Where the same code stood before it is a twin; only what was put in may be ours.
            or (
                known.evidence_digest == finding.evidence_digest != NO_EVIDENCE
                and has_added_lines(moved, lines_of(finding.anchor))
            )
        )
        for finding in batch_answers.findings
    )


def locate_findings(
    batch_answers: BatchAnswers,
) -> tuple[list[LocatedFinding], tuple[Finding, ...]]:
    """Tonight's findings in the newest content without doubles, and those held back.

    A finding whose neighbourhood has changed since it was reported says nothing about today's
    content: that content is selected itself and gets its own verdict.
    """
    live: list[LocatedFinding] = []
    held: list[Finding] = []
    for finding in batch_answers.findings:
        anchor = carry_anchor(finding.anchor, finding.evidence_digest, batch_answers)
        if anchor is None:
            held.append(finding)
        else:
            moved, reviewed = replace(finding, anchor=anchor), finding.anchor
            today = reviewed.blob == anchor.blob
            live.append(LocatedFinding(finding=moved, commit=reviewed.commit, is_current=today))
    origin = {id(one.finding): one for one in live}
    kept, doubles = merge_duplicates(one.finding for one in live)
    return [origin[id(finding)] for finding in kept], (*held, *doubles)
