"""What makes a finding this finding, at its birth.

The fingerprint is fixed then; later nights find the finding by its place, never by recomputing.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

from batch_action.findings.line_map import same_lines
from batch_action.models.findings import Confidence, Finding

MASK = "•"
_IGNORED = re.compile("[\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


def normalise(evidence: str) -> str:
    """Evidence without white space and invisible characters, masked runs as one `•`."""
    return re.sub(f"{MASK}+", MASK, _IGNORED.sub("", evidence))


def fingerprint(task: str, path: str, evidence: str, ordinal: int, *distinct: str) -> str:
    """16 hex digits of task, path at birth, normalised evidence and its ordinal in the file.

    `distinct` is given only where another finding already has these: two remarks of different
    categories on the same lines are two findings, and a twin may be added above a known one.
    """
    return _digest(task, path, normalise(evidence), str(ordinal), *distinct)[:16]


def evidence_digest(evidence: str) -> str:
    """12 hex digits that find a finding again which moved."""
    return _digest(normalise(evidence))[:12]


def _digest(*parts: str) -> str:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()


NO_EVIDENCE = evidence_digest("")
"""The digest of whole-file findings: says nothing about a move."""


def weight(finding: Finding) -> tuple[int, int, int, str, str]:
    """A total order of findings at one place: the most telling first."""
    remark = finding.raw
    sure = list(Confidence).index(remark.confidence)
    return remark.severity.rank, sure, finding.anchor.start_line, remark.category, remark.rule


def same_place(one: Finding, other: Finding) -> bool:
    """Whether two findings of one night are about the same thing: category and lines."""
    a, b = one.raw, other.raw
    kind = (a.category, a.whole_file) == (b.category, b.whole_file)
    return kind and same_lines(one.anchor, other.anchor)


def merge_doubles(findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings without doubles, and the doubles; the more severe one stays.

    Doubles come from overlapping parts of a large file and from talkative answers.
    """
    near: defaultdict[str, list[Finding]] = defaultdict(list)
    doubles: list[Finding] = []
    for finding in sorted(findings, key=weight):
        there = near[finding.anchor.path]
        double = any(same_place(finding, other) for other in there)
        (doubles if double else there).append(finding)
    kept = [finding for there in near.values() for finding in there]
    kept.sort(key=lambda f: (f.anchor.path, f.anchor.start_line, weight(f)))
    return tuple(kept), tuple(doubles)
