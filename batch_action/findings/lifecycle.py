"""The lifecycle of findings: how the answers of a run change the state of known findings.

A finding changes its state only when its neighborhood has changed. It is then being re-checked
until a verdict on that content, or on later content, reports it again or does not. An answer that
was not shown all of its lines decides nothing about it.
"""

from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from batch_action.findings import first_run, verification
from batch_action.findings.identity import NO_EVIDENCE, unique_fingerprint
from batch_action.findings.lines import LineIndex, lines_of
from batch_action.findings.matching import match
from batch_action.findings.positions import (
    AnswerIndex,
    ChangeStatus,
    Position,
    hold_back,
    locate,
    locate_findings,
)
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    CodePositions,
    Confidence,
    Finding,
    FindingState,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
    can_be_muted,
)
from batch_action.models.policy import FindingPolicy, Thresholds
from batch_action.text import slug

_BY_SEVERITY = (
    "tracked.severity.rank",
    "tracked.pre_existing",
    "tracked.anchor.path",
    "tracked.anchor.start_line",
    "tracked.fingerprint",
)
_BY_PLACE = "tracked.anchor.path", "tracked.anchor.blob", "tracked.anchor.start_line"


def reconcile(
    known: Sequence[TrackedFinding],
    answers: BatchAnswers,
    positions: CodePositions,
    policy: FindingPolicy,
) -> Reconciliation:
    """Compute the status of every finding after this run.

    Args:
        known: the findings that the destinations hold, each fingerprint once.
        answers: what the collected answers report.
        positions: where the code of both is now.
        policy: what else decides about them.

    Returns:
        Each known finding in exactly one status; each reported one in one status or in
        `held_back`. No two statuses have the same fingerprint.
    """
    groups, held_back = locate_findings(answers.findings, positions)
    reported = [group[0] for group in groups]
    held_back += (hold_back(f, "repeated") for _, *repeated in groups for f in repeated)
    index = AnswerIndex(answers, known, positions)
    located = [locate(tracked, index, positions, policy) for tracked in known]
    pairs, duplicates = match(located, groups, positions.descendants)
    run_commits = frozenset({positions.commit, *(file.commit for file in answers.reviewed)})
    reported_as = {i: reported[j] for i, j in pairs.items()}
    statuses = [
        _update(position, reported_as.get(i), policy, run_commits)
        for i, position in enumerate(located)
    ]
    held_back += (hold_back(reported[number], "repeated") for number in sorted(duplicates))
    matched = {*pairs.values(), *duplicates}
    del groups
    paths = {tracked.fingerprint: tracked.anchor.path for tracked in known}
    for finding in (x for number, x in enumerate(reported) if number not in matched):
        if threshold := _missed_threshold(finding, policy.thresholds):
            held_back.append(hold_back(finding, threshold))
            continue
        new = _new(finding, paths, answers.task, policy.dismissed)
        paths[new.tracked.fingerprint] = finding.reported.path
        if first_run.is_baselined(finding, new.tracked.fingerprint, policy, positions):
            held_back.append(hold_back(finding, first_run.REASON))
            continue
        statuses.append(new)
    ordered = _sort(
        _finish(status, policy) for status in _merge_moved(statuses, paths, positions.commit)
    )
    left_out = first_run.choose_baselined(ordered, {k.fingerprint for k in known}, policy)
    held_back += (hold_back(finding, first_run.REASON) for finding in left_out.values())
    return Reconciliation(
        statuses=tuple(s for s in ordered if s.tracked.fingerprint not in left_out),
        commit=positions.commit,
        held_back=(*answers.held_back, *held_back),
        baselined={name: finding.reported.blob for name, finding in left_out.items()},
        hides_security=policy.hides_security,
    )


def _merge_moved(
    statuses: Sequence[FindingStatus], paths: Mapping[str, str], commit: str
) -> Iterable[FindingStatus]:
    """Close all but one of the findings of one category that share lines by now.

    Code that moved to another file may be reported twice until its old file has a verdict. When
    the old file becomes the new one, by a rename or otherwise, both findings share lines. *paths*:
    fingerprint to where each was until now; two of the same file were two all the time.
    """

    def priority(status: FindingStatus) -> tuple[bool, bool, bool, str]:
        tracked = status.tracked
        certainty = tracked.state is FindingState.RECHECKING, status.finding is None
        # What a person has dismissed must not be reported under another fingerprint.
        return tracked.state is not FindingState.DISMISSED, *certainty, tracked.fingerprint

    moved_to = {
        status.tracked.anchor.path
        for status in statuses
        if status.tracked.anchor.path != paths[status.tracked.fingerprint]
    }
    if not moved_to:
        yield from statuses
        return
    merged: defaultdict[Hashable, dict[str, LineIndex[str]]] = defaultdict(dict)
    order: dict[str, int] = {}
    for status in sorted(statuses, key=priority):
        tracked = status.tracked
        mergeable = (
            tracked.anchor.path in moved_to
            and tracked.state in (*OPEN_STATES, FindingState.DISMISSED)
            and tracked.evidence_digest != NO_EVIDENCE
        )
        if not mergeable:
            yield status
            continue
        anchor, path = tracked.anchor, paths[tracked.fingerprint]
        indexes = merged[anchor.path, anchor.blob, tracked.category]
        overlapping = [
            fingerprint
            for other, index in indexes.items()
            if other != path
            for fingerprint in index.at(None, lines_of(anchor))
        ]
        if overlapping and tracked.state is not FindingState.DISMISSED:
            note = f"reported as {min(overlapping, key=order.__getitem__)[:8]}"
            yield _close_in_place(tracked, commit, note, changed=False)
        else:
            order[tracked.fingerprint] = len(order)
            indexes.setdefault(path, LineIndex()).add(None, lines_of(anchor), tracked.fingerprint)
            yield status


def _missed_threshold(finding: Finding, thresholds: Thresholds) -> str | None:
    """Return the threshold that a new finding misses; known findings stay open."""
    if finding.severity.rank > thresholds.severity.rank:
        return "min-severity"
    levels = list(Confidence)
    if levels.index(finding.confidence) > levels.index(thresholds.confidence):
        return "min-confidence"
    if slug(finding.rule) in thresholds.muted_rules and can_be_muted(
        finding.severity, security=finding.security
    ):
        return "muted"
    return None


def _finish(status: FindingStatus, policy: FindingPolicy) -> FindingStatus:
    """Apply what people, the code and a second request say about a finding."""
    status = _set_confirmed(status, policy.confirmed)
    return verification.apply(_apply_suppression(status, policy.baseline), policy)


def _set_confirmed(status: FindingStatus, confirmed: Mapping[str, str]) -> FindingStatus:
    """Record who confirmed a finding; a dismissal counts before that."""
    tracked = status.tracked
    is_dismissed = tracked.state is FindingState.DISMISSED
    actor = "" if is_dismissed else confirmed.get(tracked.fingerprint, "")
    if actor == tracked.confirmed_by:
        return status
    return replace(status, tracked=replace(tracked, confirmed_by=actor))


def _apply_suppression(status: FindingStatus, baseline: frozenset[str]) -> FindingStatus:
    """Ignore an open finding that an inline comment or the baseline accepts.

    When neither does any more, it is reported as new, because it was never reported.
    """
    tracked, finding = status.tracked, status.finding
    if tracked.state not in OPEN_STATES:
        unreported = tracked.state is FindingState.FIXED and tracked.ignored_by
        return replace(status, changed=False) if unreported else status
    ignored_by, reason = "baseline" if tracked.fingerprint in baseline else "", ""
    if finding is not None and finding.ignore_reason is not None:
        ignored_by, reason = "comment", finding.ignore_reason
    elif finding is None and tracked.ignored_by == "comment":
        # Not reported in this run: the comment that was found last still applies.
        ignored_by, reason = "comment", tracked.ignore_reason
    if ignored_by:
        ignored = replace(
            tracked, state=FindingState.IGNORED, ignored_by=ignored_by, ignore_reason=reason
        )
        return replace(status, tracked=ignored, changed=False)
    if tracked.ignored_by:
        new = replace(tracked, state=FindingState.NEW, ignored_by="", ignore_reason="")
        return replace(status, tracked=new, changed=True)
    return status


def _update(
    position: Position,
    finding: Finding | None,
    policy: FindingPolicy,
    run_commits: frozenset[str],
) -> FindingStatus:
    """Compute the status of a known finding.

    *finding*: its match among the reported ones; *run_commits*: the commits of this run.
    """
    tracked = position.tracked
    moved = tracked if position.anchor is None else replace(tracked, anchor=position.anchor)
    if finding is not None and (
        tracked.state is FindingState.FIXED or position.change is not ChangeStatus.UNCHANGED
    ):
        # A fixed finding may be back elsewhere in its file, so the reported position counts.
        moved = replace(tracked, anchor=finding.anchor)
    if position.dismissed:
        return FindingStatus(tracked=replace(moved, state=FindingState.DISMISSED), finding=finding)
    if tracked.state is FindingState.FIXED:
        return _update_fixed(moved, position, finding, policy, run_commits)
    if finding is not None:
        return _keep_open(moved, finding, position.note, republished=policy.republished)
    return _update_unreported(moved, position, policy)


def _update_unreported(
    moved: TrackedFinding, position: Position, policy: FindingPolicy
) -> FindingStatus:
    """Compute the status of an open finding that no answer reports."""
    change, commit = position.change, position.commit[:7]
    answered = moved.fingerprint in policy.recheck_answered and not position.not_shown
    if answered and change is not ChangeStatus.DELETED:
        note = f"not reported again when re-checked in {commit}"
        close = _close_in_place if change is ChangeStatus.UNCHANGED else _close
        return close(moved, position.commit, note, changed=True)
    requested = moved.fingerprint in policy.recheck_requested
    match change:
        case ChangeStatus.DELETED:
            note = f"file {'emptied' if position.is_emptied else 'deleted'} in {commit}"
            return _close(position.tracked, position.commit, note, changed=True)
        case ChangeStatus.REVIEWED:
            return _close(position.tracked, position.commit, f"fixed in {commit}", changed=True)
        case ChangeStatus.UNCHANGED if not requested:
            return _keep_open(moved, None, position.note, republished=policy.republished)
        case _:
            rechecking = replace(moved, state=FindingState.RECHECKING)
            note = "requested by a person" if requested else position.note
            return FindingStatus(tracked=rechecking, finding=None, note=note)


def _keep_open(
    moved: TrackedFinding, finding: Finding | None, note: str, *, republished: bool
) -> FindingStatus:
    # New or back in this run, whose answers are published for the second time.
    changed = republished and moved.state in (FindingState.NEW, FindingState.BACK)
    tracked = moved if changed else replace(moved, state=FindingState.OPEN)
    return FindingStatus(tracked=tracked, finding=finding, note=note, changed=changed)


def _update_fixed(
    moved: TrackedFinding,
    position: Position,
    finding: Finding | None,
    policy: FindingPolicy,
    run_commits: frozenset[str],
) -> FindingStatus:
    """Keep a fixed finding fixed, unless it is reported again or the content it was in is back."""
    tracked = position.tracked
    commit = tracked.closing_commit
    closed_in_place = commit == tracked.anchor.commit
    if finding is not None or (position.file_unchanged and not closed_in_place):
        back = replace(moved, state=FindingState.BACK, closed_on="", closing_commit="")
        return FindingStatus(tracked=back, finding=finding, changed=True)
    # Closed by this run, which is published for the second time.
    changed = policy.republished and commit in run_commits
    return _close(tracked, commit, f"fixed in {commit[:7]}", changed=changed)


def _close(tracked: TrackedFinding, commit: str, note: str, *, changed: bool) -> FindingStatus:
    # The anchor stays the last known one: the finding is searched there if it comes back.
    closed = replace(tracked, state=FindingState.FIXED, closing_commit=commit)
    return FindingStatus(tracked=closed, finding=None, note=note, changed=changed)


def _close_in_place(
    moved: TrackedFinding, commit: str, note: str, *, changed: bool
) -> FindingStatus:
    """Close a finding whose content is unchanged, so the same content does not reopen it.

    Its anchor's commit is set to the closing commit, which `_update_fixed` compares.
    """
    anchored = replace(moved, anchor=replace(moved.anchor, commit=commit))
    return _close(anchored, commit, note, changed=changed)


def _new(
    finding: Finding, taken: Container[str], task: str, dismissals: frozenset[str]
) -> FindingStatus:
    """Track a new finding; one that was dismissed at another destination stays dismissed."""
    unique = unique_fingerprint(finding, task, taken)
    dismissed = unique in dismissals
    tracked = TrackedFinding(
        fingerprint=unique,
        anchor=finding.anchor,
        state=FindingState.DISMISSED if dismissed else FindingState.NEW,
        severity=finding.severity,
        category=finding.category,
        rule=finding.rule,
        title=finding.title,
        evidence_digest=finding.evidence_digest,
        security=finding.security,
        pre_existing=finding.pre_existing,
    )
    return FindingStatus(tracked=tracked, finding=finding, changed=not dismissed)


def _sort(statuses: Iterable[FindingStatus]) -> tuple[FindingStatus, ...]:
    """Sort the worst first; open findings that share lines follow the worst of them."""
    worst_first = list(statuses)
    _sort_in_place(worst_first, _BY_SEVERITY)
    followers: dict[str, list[FindingStatus]] = {}
    following: set[str] = set()
    for group in _sharing_lines(worst_first):
        _sort_in_place(group, _BY_SEVERITY)
        first, *rest = group
        followers[first.tracked.fingerprint] = rest
        following.update(status.tracked.fingerprint for status in rest)
    return tuple(
        status
        for leader in worst_first
        if leader.tracked.fingerprint not in following
        for status in (leader, *followers.get(leader.tracked.fingerprint, ()))
    )


def _sharing_lines(statuses: Iterable[FindingStatus]) -> Iterator[list[FindingStatus]]:
    """Yield the open findings that share lines, directly or through others, by place."""
    by_place = [status for status in statuses if status.tracked.state in OPEN_STATES]
    _sort_in_place(by_place, _BY_PLACE)
    group: list[FindingStatus] = []
    file, last = None, 0
    for status in by_place:
        anchor = status.tracked.anchor
        here = anchor.path, anchor.blob
        if here == file and anchor.start_line <= last:
            group.append(status)
            last = max(last, anchor.end_line)
            continue
        if len(group) > 1:
            yield group
        group, file, last = [status], here, anchor.end_line
    if len(group) > 1:
        yield group


def _sort_in_place(statuses: list[FindingStatus], names: Sequence[str]) -> None:
    # By one field after the other: a tuple of them for each of tens of thousands takes memory.
    for name in reversed(names):
        statuses.sort(key=attrgetter(name))
