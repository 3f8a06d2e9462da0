"""The life of a finding: what tonight changes about what is known (DESIGN, *Life*).

A finding can change state only when its neighbourhood did. Where it is touched it is being
re-checked, until a verdict on that content or later content reports it again or does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_action.findings.identity import fingerprint
from batch_action.findings.matching import Candidate, match
from batch_action.findings.places import Place, Sight, follow, live_findings
from batch_action.models.findings import (
    Finding,
    Known,
    Reconciled,
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
    for number, one in enumerate(live):
        if number not in spoken_for:
            standings.append(_born(one.finding, taken, tonight))
            taken.add(standings[-1].known.fingerprint)
    doubles = (live[number].finding for number in sorted(matches.doubles))
    return Reconciled(standings=_in_order(standings), commit=tonight.commit, held=(*held, *doubles))


def _stand(candidate: Candidate, finding: Finding | None, tonight: Tonight) -> Standing:
    """What tonight made of one known finding."""
    known, place = candidate.known, candidate.place
    moved = known if place.anchor is None else replace(known, anchor=place.anchor)
    if finding is not None and place.sight is not Sight.UNTOUCHED:
        moved = replace(known, anchor=finding.anchor)
    if candidate.dismissed:
        return Standing(known=replace(moved, state=State.DISMISSED), finding=finding)
    if known.state is State.FIXED:
        return _closed(known, moved, place, finding, tonight)
    if finding is not None or place.sight is Sight.UNTOUCHED:
        return _open(moved, known, finding, place.note, tonight)
    match place.sight:
        case Sight.GONE:
            note = f"file deleted in {place.commit[:7]}"
            return _fixed(known, place.commit, note, changed=True)
        case Sight.SETTLED:
            return _fixed(known, place.commit, f"fixed in {place.commit[:7]}", changed=True)
        case _:
            again = replace(moved, state=State.RECHECKING)
            return Standing(known=again, finding=None, note=place.note)


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
    if finding is not None or place.same:
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
