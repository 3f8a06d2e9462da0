"""The first run: what it found beyond `first-run-limit` is counted, not reported.

A finding that is not reported is baselined: its fingerprint and the reviewed content are recorded.
While its code stays as it was there, it is not reported later either.
"""

from collections.abc import Collection, Iterable, Sequence

from batch_action.findings.identity import NO_EVIDENCE
from batch_action.findings.lines import lines_of, map_lines, scope_of
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    CodePositions,
    Finding,
    FindingState,
    FindingStatus,
    Severity,
)
from batch_action.models.policy import FindingPolicy

REASON = "first-run-limit"
"""The input's name: why such a finding is held back."""
SHOWN = 10
"""How many findings a first run over the limit reports, besides all severe ones."""


def is_severe(severity: Severity) -> bool:
    """Return whether a finding is too severe to be left out."""
    return severity.rank <= Severity.HIGH.rank


def is_baselined(
    finding: Finding, fingerprint: str, policy: FindingPolicy, positions: CodePositions
) -> bool:
    """Return whether a reported finding is one of the first run's whose code has not changed."""
    blob = policy.first_run.baselined.get(fingerprint)
    if blob is None or is_severe(finding.severity):
        return False
    anchor = finding.anchor
    if blob == anchor.blob:
        return True
    hunks = positions.line_maps.get((blob, anchor.blob))
    if hunks is None or finding.evidence_digest == NO_EVIDENCE:
        return False
    before = tuple(_inverted(hunk) for hunk in hunks)
    return all(map_lines(before, lines) for lines in (scope_of(anchor), lines_of(anchor)))


def choose_baselined(
    statuses: Sequence[FindingStatus], known: Collection[str], policy: FindingPolicy
) -> dict[str, Finding]:
    """Return the findings of a first run over the limit that are not reported, by fingerprint.

    *statuses*: of all findings; *known*: the fingerprints that a destination has. What earlier
    collects of the first run have reported or left out counts towards the limit. Security findings
    that are hidden do not: only code scanning shows them, and the ledger must not name them.
    """
    first_run = policy.first_run
    counted = [
        status
        for status in statuses
        if status.tracked.state is not FindingState.IGNORED
        and not (policy.hides_security and status.tracked.security)
    ]
    if not first_run.limit or len(counted) + len(first_run.baselined) <= first_run.limit:
        return {}
    new = [
        status
        for status in counted
        if status.tracked.state is FindingState.NEW and status.tracked.fingerprint not in known
    ]
    if all(is_severe(status.tracked.severity) for status in new):
        return {}
    files = first_run.find_files()
    reported = sum(status.tracked.fingerprint in known for status in counted)
    candidates = {
        status.tracked.fingerprint: finding
        for status in sorted(new, key=lambda s: (s.tracked.severity.rank, s.tracked.pre_existing))
        if (finding := status.finding) is not None
        and (finding.reported.path, finding.reported.blob) in files
    }
    left_out = list(candidates.items())[max(0, SHOWN - reported) :]
    return {name: finding for name, finding in left_out if not is_severe(finding.severity)}


def content_pairs(
    findings: Iterable[Finding], baselined: dict[str, str], blobs: dict[str, str]
) -> set[tuple[str, str]]:
    """Return the (baselined blob, current blob) whose line maps `is_baselined` needs.

    *blobs*: path to current blob.
    """
    return {
        (baselined[finding.fingerprint], blobs[finding.anchor.path])
        for finding in findings
        if finding.fingerprint in baselined and finding.anchor.path in blobs
    }


def _inverted(hunk: Hunk) -> Hunk:
    return Hunk(
        old_start=hunk.new_start,
        old_lines=hunk.new_lines,
        new_start=hunk.old_start,
        new_lines=hunk.old_lines,
    )
