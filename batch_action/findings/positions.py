"""Where known findings and tonight's findings stand in the newest content."""

from dataclasses import dataclass, replace
from enum import Enum, unique

from batch_action.findings.identity import NO_EVIDENCE, merge_doubles
from batch_action.findings.line_map import Lines, carry, estimate, lines_of, overlap, put_in
from batch_action.models.findings import Anchor, Finding, Known, Reviewed, Tonight


@unique
class Sight(Enum):
    """What can be said of a known finding before looking at what was reported."""

    UNTOUCHED = "its neighbourhood did not change: it stands, whatever the model says"
    TOUCHED = "its neighbourhood changed, and no verdict on that has come"
    SETTLED = "its neighbourhood changed, and there is a verdict on it"
    GONE = "its file was deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A known finding's place in the newest content."""

    sight: Sight
    path: str
    lines: Lines | None
    """About where it is now; None when its file is gone."""
    anchor: Anchor | None = None
    """The carried anchor, when it could be carried exactly and the content is another one."""
    commit: str
    """The commit that settles it."""
    same: bool = False
    """Its file reads exactly as when it was anchored."""
    kept: bool = False
    """Its own lines are as they were, whatever happened around them."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One of tonight's findings, carried to the newest content."""

    finding: Finding
    commit: str
    """The commit it was reported on."""
    today: bool
    """What was reviewed reads exactly as the newest content."""


def path_now(path: str, tonight: Tonight) -> str:
    """The path's name at the newest commit; itself when it still exists or was deleted."""
    return path if path in tonight.current else tonight.renamed.get(path, path)


def carried(anchor: Anchor, digest: str, tonight: Tonight) -> Anchor | None:
    """The anchor in the newest content; None when its neighbourhood was touched or is gone.

    The neighbourhood of a whole-file finding (its digest says so) is the file: any change counts.
    """
    path = path_now(anchor.path, tonight)
    blob = tonight.current.get(path)
    if blob is None:
        return None
    if blob == anchor.blob:
        return anchor if path == anchor.path else replace(anchor, path=path, commit=tonight.commit)
    moved = tonight.maps.get((anchor.blob, blob)) if digest != NO_EVIDENCE else None
    scope = carry(moved, anchor.scope) if moved else None
    lines = carry(moved, lines_of(anchor)) if moved else None
    if scope is None or lines is None:
        return None
    return Anchor(
        path=path,
        blob=blob,
        commit=tonight.commit,
        start_line=lines[0],
        end_line=lines[1],
        scope=scope,
    )


def follow(known: Known, tonight: Tonight) -> Place:
    """Where a known finding stands now, and what tonight's verdicts can say about it."""
    path = path_now(known.anchor.path, tonight)
    blob = tonight.current.get(path)
    if blob is None:
        return Place(sight=Sight.GONE, path=path, lines=None, commit=tonight.commit)
    note = tonight.excluded.get(path, "")
    anchor = carried(known.anchor, known.evidence_digest, tonight)
    if anchor is not None:
        return Place(
            sight=Sight.UNTOUCHED,
            path=path,
            lines=lines_of(anchor),
            anchor=anchor,
            commit=tonight.commit,
            same=blob == known.anchor.blob,
            kept=True,
            note=note,
        )
    lines = _about(known, blob, tonight)
    if note:
        return Place(
            sight=Sight.UNTOUCHED, path=path, lines=lines, commit=tonight.commit, note=note
        )
    commit = _settled_by(known, path, blob, tonight)
    moved = tonight.maps.get((known.anchor.blob, blob))
    return Place(
        sight=Sight.SETTLED if commit else Sight.TOUCHED,
        path=path,
        lines=lines,
        commit=commit or tonight.commit,
        kept=moved is not None and carry(moved, lines_of(known.anchor)) is not None,
    )


def _about(known: Known, blob: str, tonight: Tonight) -> Lines:
    moved = tonight.maps.get((known.anchor.blob, blob))
    return estimate(moved, lines_of(known.anchor)) if moved else lines_of(known.anchor)


def _settled_by(known: Known, path: str, blob: str, tonight: Tonight) -> str | None:
    """The commit of the verdict that has seen what became of this finding.

    That is a verdict on the newest content, or one on content between: newer than the finding,
    already without it.
    """
    for reviewed in reversed(tonight.reviewed):
        if reviewed.blob == blob and path_now(reviewed.path, tonight) == path:
            return reviewed.commit
    if (path, blob) in tonight.verdicts:
        return tonight.commit
    for reviewed in tonight.reviewed:
        if path_now(reviewed.path, tonight) == path and _gone_in(known, reviewed, tonight):
            return reviewed.commit
    return None


def _gone_in(known: Known, reviewed: Reviewed, tonight: Tonight) -> bool:
    """Whether a newer verdict saw the finding's place changed and did not report it."""
    if (known.anchor.commit, reviewed.commit) not in tonight.after:
        return False
    moved = tonight.maps.get((known.anchor.blob, reviewed.blob))
    whole = known.evidence_digest == NO_EVIDENCE
    if moved is None or not (whole or carry(moved, known.anchor.scope) is None):
        return False
    about = estimate(moved, lines_of(known.anchor))
    return not any(
        finding.anchor.blob == reviewed.blob
        and finding.anchor.path == reviewed.path
        and (
            overlap(about, lines_of(finding.anchor)) > 0
            # Where the same code stood before it is a twin; only what was put in may be ours.
            or (
                known.evidence_digest == finding.evidence_digest != NO_EVIDENCE
                and put_in(moved, lines_of(finding.anchor))
            )
        )
        for finding in tonight.findings
    )


def live_findings(tonight: Tonight) -> tuple[list[Live], tuple[Finding, ...]]:
    """Tonight's findings in the newest content without doubles, and those held back.

    A finding whose neighbourhood has changed since it was reported says nothing about today's
    content: that content is selected itself and gets its own verdict.
    """
    live: list[Live] = []
    held: list[Finding] = []
    for finding in tonight.findings:
        anchor = carried(finding.anchor, finding.evidence_digest, tonight)
        if anchor is None:
            held.append(finding)
        else:
            moved, reviewed = replace(finding, anchor=anchor), finding.anchor
            today = reviewed.blob == anchor.blob
            live.append(Live(finding=moved, commit=reviewed.commit, today=today))
    origin = {id(one.finding): one for one in live}
    kept, doubles = merge_doubles(one.finding for one in live)
    return [origin[id(finding)] for finding in kept], (*held, *doubles)
