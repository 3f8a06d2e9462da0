"""The life of a finding: what tonight changes about what is known (DESIGN, *Life*).

A finding can change state only when its neighbourhood did. Where it is touched it is being
re-checked, until a verdict on that content or later content reports it again or does not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.findings.identity import NO_EVIDENCE, fingerprint
from batch_action.findings.line_map import same_lines
from batch_action.findings.matching import Candidate, match
from batch_action.findings.positions import Place, Sight, follow, live_findings
from batch_action.models.findings import (
    LIVE,
    Bar,
    Confidence,
    Finding,
    Known,
    Reconciled,
    Remark,
    Standing,
    State,
    Tonight,
)


def reconcile(known: Sequence[Known], tonight: Tonight) -> Reconciled:
    """Every finding's standing after tonight.

    Args:
        known: what one destination remembers, each fingerprint once.
        tonight: what this collect has to say, with `current`, `renamed`, `maps` filled in.

    Returns:
        Each known finding in exactly one standing; each of tonight's in one standing or in
        `held`; no two standings share a fingerprint.

    """
    live, held = live_findings(tonight)
    candidates = [
        Candidate(
            known=k,
            place=follow(k, tonight),
            dismissed=k.state is State.DISMISSED or k.fingerprint in tonight.dismissed,
        )
        for k in known
    ]
    matches = match(candidates, live, tonight)
    standings = [
        _stand(c, live[matches.found[i]].finding if i in matches.found else None, tonight)
        for i, c in enumerate(candidates)
    ]
    taken = {k.fingerprint for k in known}
    spoken_for = {*matches.found.values(), *matches.doubles}
    below: Counter[str] = Counter()
    for number, one in enumerate(live):
        if number in spoken_for:
            continue
        if filtered := _under(one.finding.remark, tonight.bar):
            below[filtered] += 1
            continue
        standings.append(_born(one.finding, taken, tonight))
        taken.add(standings[-1].known.fingerprint)
    doubles = (live[number].finding for number in sorted(matches.doubles))
    return Reconciled(
        standings=_in_order(_accepted(one, tonight) for one in _once(standings, tonight)),
        commit=tonight.commit,
        held=(*held, *doubles),
        below=tuple(sorted(below.items())),
    )


def _once(standings: Sequence[Standing], tonight: Tonight) -> Iterable[Standing]:
    """Each with a place of its own: two that have come to be about the same lines are one.

    Code that moved may be told twice until its old file has its verdict. When that file becomes
    the new one, by a rename or by moving on, both stand at the same place.
    """

    def worth(standing: Standing) -> tuple[bool, bool, bool, str]:
        known = standing.known
        sure = known.state is State.RECHECKING, standing.finding is None
        # What a person has dismissed is not told under another name.
        return known.state is not State.DISMISSED, *sure, known.fingerprint

    kept: defaultdict[tuple[str, str], list[Known]] = defaultdict(list)
    for standing in sorted(standings, key=worth):
        known = standing.known
        lasts = known.state in (*LIVE, State.DISMISSED)
        if not lasts or known.evidence_digest == NO_EVIDENCE:
            yield standing
            continue
        there = kept[known.anchor.path, known.category]
        same = [other for other in there if same_lines(known.anchor, other.anchor)]
        if same and known.state is not State.DISMISSED:
            note = f"told as {same[0].fingerprint[:8]}"
            yield _fixed_here(known, tonight.commit, note, changed=False)
        else:
            there.append(known)
            yield standing


def _under(remark: Remark, bar: Bar) -> str | None:
    """The filter that keeps a finding from being born; what is known already lives on."""
    if remark.severity.rank > bar.severity.rank:
        return "min-severity"
    sure = list(Confidence)
    return "min-confidence" if sure.index(remark.confidence) > sure.index(bar.confidence) else None


def _accepted(standing: Standing, tonight: Tonight) -> Standing:
    """Listed and not told, when a comment in the code or the baseline accepts it.

    It is told as new when that ends: nobody was told before.
    """
    known, finding = standing.known, standing.finding
    if known.state not in LIVE:
        untold = known.state is State.FIXED and known.held
        return replace(standing, changed=False) if untold else standing
    held, reason = "baseline" if known.fingerprint in tonight.baseline else "", ""
    if finding is not None and finding.ignored is not None:
        held, reason = "comment", finding.ignored
    elif finding is None and known.held == "comment":
        # Nothing was said of it tonight: the comment counts until something is.
        held, reason = "comment", known.reason
    if held:
        quiet = replace(known, state=State.IGNORED, held=held, reason=reason)
        return replace(standing, known=quiet, changed=False)
    if known.held:
        fresh = replace(known, state=State.NEW, held="", reason="")
        return replace(standing, known=fresh, changed=True)
    return standing


def _stand(candidate: Candidate, finding: Finding | None, tonight: Tonight) -> Standing:
    """What tonight made of one known finding."""
    known, place = candidate.known, candidate.place
    moved = known if place.anchor is None else replace(known, anchor=place.anchor)
    if finding is not None and (known.state is State.FIXED or place.sight is not Sight.UNTOUCHED):
        # One that was closed may be back elsewhere in its file: it is where it was seen.
        moved = replace(known, anchor=finding.anchor)
    if candidate.dismissed:
        return Standing(known=replace(moved, state=State.DISMISSED), finding=finding)
    if known.state is State.FIXED:
        return _closed(known, moved, place, finding, tonight)
    if finding is not None:
        return _open(moved, known, finding, place.note, tonight)
    return _unreported(known, moved, place, tonight)


def _unreported(known: Known, moved: Known, place: Place, tonight: Tonight) -> Standing:
    """An open finding of which tonight's answers say nothing."""
    sight, at = place.sight, place.commit[:7]
    rechecking = replace(moved, state=State.RECHECKING)
    if known.fingerprint in tonight.rechecked and sight is not Sight.GONE:
        note = f"not reported again when re-checked in {at}"
        close = _fixed_here if sight is Sight.UNTOUCHED else _fixed
        return close(moved, place.commit, note, changed=True)
    if known.fingerprint in tonight.rechecking and sight in (Sight.UNTOUCHED, Sight.TOUCHED):
        return Standing(known=rechecking, finding=None, note="asked for by a person")
    match sight:
        case Sight.UNTOUCHED:
            return _open(moved, known, None, place.note, tonight)
        case Sight.TOUCHED:
            return Standing(known=rechecking, finding=None, note=place.note)
        case Sight.GONE:
            return _fixed(known, place.commit, f"file deleted in {at}", changed=True)
        case Sight.SETTLED:
            return _fixed(known, place.commit, f"fixed in {at}", changed=True)


def _open(
    moved: Known, known: Known, finding: Finding | None, note: str, tonight: Tonight
) -> Standing:
    stays = tonight.again and known.state in (State.NEW, State.BACK)
    state = known.state if stays else State.OPEN
    return Standing(known=replace(moved, state=state), finding=finding, note=note, changed=stays)


def _closed(
    known: Known, moved: Known, place: Place, finding: Finding | None, tonight: Tonight
) -> Standing:
    """A fixed finding stays fixed, unless it is reported again or its very file is back."""
    here = known.closed_by == known.anchor.commit
    if finding is not None or (place.same and not here):
        back = replace(moved, state=State.BACK, closed="", closed_by="")
        return Standing(known=back, finding=finding, changed=True)
    changed = tonight.again and known.closed_by in {tonight.commit, *_commits(tonight)}
    return _fixed(known, known.closed_by, f"fixed in {known.closed_by[:7]}", changed=changed)


def _commits(tonight: Tonight) -> Iterable[str]:
    return (reviewed.commit for reviewed in tonight.reviewed)


def _fixed(known: Known, commit: str, note: str, *, changed: bool) -> Standing:
    # The anchor stays where it was last seen: there it is looked for should it come back.
    closed = replace(known, state=State.FIXED, closed_by=commit)
    return Standing(known=closed, finding=None, note=note, changed=changed)


def _fixed_here(moved: Known, commit: str, note: str, *, changed: bool) -> Standing:
    """Closed in the very content where it stands: its anchor says so, and the same is no return."""
    here = replace(moved, anchor=replace(moved.anchor, commit=commit))
    return _fixed(here, commit, note, changed=changed)


def _born(finding: Finding, taken: set[str], tonight: Tonight) -> Standing:
    """A finding nobody knew; one that was dismissed elsewhere stays dismissed."""
    remark = finding.remark
    own, count = finding.fingerprint, 1
    while own in taken:
        own = fingerprint(
            tonight.task,
            finding.anchor.path,
            finding.evidence,
            count,
            finding.fingerprint,
            remark.category,
        )
        count += 1
    dismissed = own in tonight.dismissed
    known = Known(
        fingerprint=own,
        anchor=finding.anchor,
        state=State.DISMISSED if dismissed else State.NEW,
        severity=remark.severity,
        category=remark.category,
        rule=remark.rule,
        title=remark.title,
        evidence_digest=finding.evidence_digest,
        security=remark.security,
        pre_existing=remark.pre_existing,
    )
    return Standing(known=known, finding=finding, changed=not dismissed)


def _in_order(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    def key(standing: Standing) -> tuple[object, ...]:
        known = standing.known
        anchor = known.anchor
        place = (anchor.path, anchor.start_line, known.fingerprint)
        return known.severity.rank, known.pre_existing, *place

    return tuple(sorted(standings, key=key))
