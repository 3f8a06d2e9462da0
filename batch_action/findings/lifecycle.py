"""The life of a finding: what tonight changes about what is known (DESIGN, *Life*).

A finding can change state only when its neighbourhood did. Where it is touched it is being
re-checked, until a verdict on that content or later content reports it again or does not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.findings.identity import NO_EVIDENCE, fingerprint
from batch_action.findings.line_map import share_lines
from batch_action.findings.matching import Candidate, match
from batch_action.findings.positions import ChangeStatus, Position, locate, locate_findings
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    Confidence,
    Finding,
    FindingState,
    FindingStatus,
    RawFinding,
    Reconciliation,
    Thresholds,
    TrackedFinding,
)


def reconcile(known: Sequence[TrackedFinding], batch_answers: BatchAnswers) -> Reconciliation:
    """Every finding's standing after tonight.

    Args:
        known: what one destination remembers, each fingerprint once.
        tonight: what this collect has to say, with `current`, `renamed`, `maps` filled in.

    Returns:
        Each known finding in exactly one standing; each of tonight's in one standing or in
        `held`; no two standings share a fingerprint.

    """
    live, held = locate_findings(batch_answers)
    candidates = [
        Candidate(
            tracked=k,
            position=locate(k, batch_answers),
            dismissed=k.state is FindingState.DISMISSED or k.fingerprint in batch_answers.dismissed,
        )
        for k in known
    ]
    matches = match(candidates, live, batch_answers)
    statuses = [
        _update(c, live[matches.pairs[i]].finding if i in matches.pairs else None, batch_answers)
        for i, c in enumerate(candidates)
    ]
    taken = {k.fingerprint for k in known}
    spoken_for = {*matches.pairs.values(), *matches.duplicates}
    below: Counter[str] = Counter()
    for number, one in enumerate(live):
        if number in spoken_for:
            continue
        if filtered := _missed_threshold(one.finding.raw, batch_answers.thresholds):
            below[filtered] += 1
            continue
        statuses.append(_new(one.finding, taken, batch_answers))
        taken.add(statuses[-1].tracked.fingerprint)
    doubles = (live[number].finding for number in sorted(matches.duplicates))
    return Reconciliation(
        statuses=_sort(
            _apply_suppression(one, batch_answers)
            for one in _merge_overlapping(statuses, batch_answers)
        ),
        commit=batch_answers.commit,
        dropped=(*held, *doubles),
        below_threshold=tuple(sorted(below.items())),
    )


def _merge_overlapping(
    statuses: Sequence[FindingStatus], batch_answers: BatchAnswers
) -> Iterable[FindingStatus]:
    """Each with a place of its own: two that have come to be about the same lines are one.

    Code that moved may be told twice until its old file has its verdict. When that file becomes
    the new one, by a rename or by moving on, both stand at the same place.
    """

    def worth(standing: FindingStatus) -> tuple[bool, bool, bool, str]:
        known = standing.tracked
        sure = known.state is FindingState.RECHECKING, standing.finding is None
        # What a person has dismissed is not told under another name.
        return known.state is not FindingState.DISMISSED, *sure, known.fingerprint

    kept: defaultdict[tuple[str, str], list[TrackedFinding]] = defaultdict(list)
    for standing in sorted(statuses, key=worth):
        known = standing.tracked
        lasts = known.state in (*OPEN_STATES, FindingState.DISMISSED)
        if not lasts or known.evidence_digest == NO_EVIDENCE:
            yield standing
            continue
        there = kept[known.anchor.path, known.category]
        same = [other for other in there if share_lines(known.anchor, other.anchor)]
        if same and known.state is not FindingState.DISMISSED:
            note = f"told as {same[0].fingerprint[:8]}"
            yield _close_in_place(known, batch_answers.commit, note, changed=False)
        else:
            there.append(known)
            yield standing


def _missed_threshold(raw_finding: RawFinding, bar: Thresholds) -> str | None:
    """The filter that keeps a finding from being born; what is known already lives on."""
    if raw_finding.severity.rank > bar.severity.rank:
        return "min-severity"
    sure = list(Confidence)
    return (
        "min-confidence"
        if sure.index(raw_finding.confidence) > sure.index(bar.confidence)
        else None
    )


def _apply_suppression(standing: FindingStatus, batch_answers: BatchAnswers) -> FindingStatus:
    """Listed and not told, when a comment in the code or the baseline accepts it.

    It is told as new when that ends: nobody was told before.
    """
    known, finding = standing.tracked, standing.finding
    if known.state not in OPEN_STATES:
        untold = known.state is FindingState.FIXED and known.ignored_by
        return replace(standing, changed=False) if untold else standing
    held, reason = "baseline" if known.fingerprint in batch_answers.baseline else "", ""
    if finding is not None and finding.ignore_reason is not None:
        held, reason = "comment", finding.ignore_reason
    elif finding is None and known.ignored_by == "comment":
        # Nothing was said of it tonight: the comment counts until something is.
        held, reason = "comment", known.ignore_reason
    if held:
        quiet = replace(known, state=FindingState.IGNORED, ignored_by=held, ignore_reason=reason)
        return replace(standing, tracked=quiet, changed=False)
    if known.ignored_by:
        fresh = replace(known, state=FindingState.NEW, ignored_by="", ignore_reason="")
        return replace(standing, tracked=fresh, changed=True)
    return standing


def _update(
    candidate: Candidate, finding: Finding | None, batch_answers: BatchAnswers
) -> FindingStatus:
    """What tonight made of one known finding."""
    known, place = candidate.tracked, candidate.position
    moved = known if place.anchor is None else replace(known, anchor=place.anchor)
    if finding is not None and (
        known.state is FindingState.FIXED or place.change is not ChangeStatus.UNTOUCHED
    ):
        # One that was closed may be back elsewhere in its file: it is where it was seen.
        moved = replace(known, anchor=finding.anchor)
    if candidate.dismissed:
        return FindingStatus(tracked=replace(moved, state=FindingState.DISMISSED), finding=finding)
    if known.state is FindingState.FIXED:
        return _update_fixed(known, moved, place, finding, batch_answers)
    if finding is not None:
        return _keep_open(moved, known, finding, place.note, batch_answers)
    return _update_unreported(known, moved, place, batch_answers)


def _update_unreported(
    known: TrackedFinding, moved: TrackedFinding, place: Position, batch_answers: BatchAnswers
) -> FindingStatus:
    """An open finding of which tonight's answers say nothing."""
    sight, at = place.change, place.commit[:7]
    rechecking = replace(moved, state=FindingState.RECHECKING)
    if known.fingerprint in batch_answers.recheck_answered and sight is not ChangeStatus.GONE:
        note = f"not reported again when re-checked in {at}"
        close = _close_in_place if sight is ChangeStatus.UNTOUCHED else _close
        return close(moved, place.commit, note, changed=True)
    if known.fingerprint in batch_answers.recheck_requested and sight in (
        ChangeStatus.UNTOUCHED,
        ChangeStatus.TOUCHED,
    ):
        return FindingStatus(tracked=rechecking, finding=None, note="asked for by a person")
    match sight:
        case ChangeStatus.UNTOUCHED:
            return _keep_open(moved, known, None, place.note, batch_answers)
        case ChangeStatus.TOUCHED:
            return FindingStatus(tracked=rechecking, finding=None, note=place.note)
        case ChangeStatus.GONE:
            return _close(known, place.commit, f"file deleted in {at}", changed=True)
        case ChangeStatus.SETTLED:
            return _close(known, place.commit, f"fixed in {at}", changed=True)


def _keep_open(
    moved: TrackedFinding,
    known: TrackedFinding,
    finding: Finding | None,
    note: str,
    batch_answers: BatchAnswers,
) -> FindingStatus:
    stays = batch_answers.republished and known.state in (FindingState.NEW, FindingState.BACK)
    state = known.state if stays else FindingState.OPEN
    return FindingStatus(
        tracked=replace(moved, state=state), finding=finding, note=note, changed=stays
    )


def _update_fixed(
    known: TrackedFinding,
    moved: TrackedFinding,
    place: Position,
    finding: Finding | None,
    batch_answers: BatchAnswers,
) -> FindingStatus:
    """A fixed finding stays fixed, unless it is reported again or its very file is back."""
    here = known.closing_commit == known.anchor.commit
    if finding is not None or (place.file_unchanged and not here):
        back = replace(moved, state=FindingState.BACK, closed_on="", closing_commit="")
        return FindingStatus(tracked=back, finding=finding, changed=True)
    changed = batch_answers.republished and known.closing_commit in {
        batch_answers.commit,
        *_reviewed_commits(batch_answers),
    }
    return _close(
        known, known.closing_commit, f"fixed in {known.closing_commit[:7]}", changed=changed
    )


def _reviewed_commits(batch_answers: BatchAnswers) -> Iterable[str]:
    return (reviewed.commit for reviewed in batch_answers.reviewed)


def _close(known: TrackedFinding, commit: str, note: str, *, changed: bool) -> FindingStatus:
    # The anchor stays where it was last seen: there it is looked for should it come back.
    closed = replace(known, state=FindingState.FIXED, closing_commit=commit)
    return FindingStatus(tracked=closed, finding=None, note=note, changed=changed)


def _close_in_place(
    moved: TrackedFinding, commit: str, note: str, *, changed: bool
) -> FindingStatus:
    """Closed in the very content where it stands: its anchor says so, and the same is no return."""
    here = replace(moved, anchor=replace(moved.anchor, commit=commit))
    return _close(here, commit, note, changed=changed)


def _new(finding: Finding, taken: set[str], batch_answers: BatchAnswers) -> FindingStatus:
    """A finding nobody knew; one that was dismissed elsewhere stays dismissed."""
    raw_finding = finding.raw
    own, count = finding.fingerprint, 1
    while own in taken:
        own = fingerprint(
            batch_answers.task,
            finding.anchor.path,
            finding.evidence,
            count,
            finding.fingerprint,
            raw_finding.category,
        )
        count += 1
    dismissed = own in batch_answers.dismissed
    known = TrackedFinding(
        fingerprint=own,
        anchor=finding.anchor,
        state=FindingState.DISMISSED if dismissed else FindingState.NEW,
        severity=raw_finding.severity,
        category=raw_finding.category,
        rule=raw_finding.rule,
        title=raw_finding.title,
        evidence_digest=finding.evidence_digest,
        security=raw_finding.security,
        pre_existing=raw_finding.pre_existing,
    )
    return FindingStatus(tracked=known, finding=finding, changed=not dismissed)


def _sort(statuses: Iterable[FindingStatus]) -> tuple[FindingStatus, ...]:
    def key(standing: FindingStatus) -> tuple[object, ...]:
        known = standing.tracked
        anchor = known.anchor
        place = (anchor.path, anchor.start_line, known.fingerprint)
        return known.severity.rank, known.pre_existing, *place

    return tuple(sorted(statuses, key=key))
