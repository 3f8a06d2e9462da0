"""The fingerprints of findings, and duplicates among the findings of one run.

A fingerprint is computed once, when a finding is new; later runs match findings by position.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

from batch_action.findings.line_map import share_lines
from batch_action.models.findings import Confidence, Finding

MASK = "•"
_INVISIBLE = re.compile("[\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


def normalize(evidence: str) -> str:
    """Remove white space and invisible characters, and reduce masked runs to one `•`."""
    return re.sub(f"{MASK}+", MASK, _INVISIBLE.sub("", evidence))


def fingerprint(task: str, path: str, evidence: str, ordinal: int, *distinct: str) -> str:
    """Return 16 hex digits of the task, path, normalized evidence and its ordinal in the file.

    *distinct* is given only when another finding has the same four: two categories may be reported
    on the same lines, and a copy of the code may be added above a known finding.
    """
    return _digest(task, path, normalize(evidence), str(ordinal), *distinct)[:16]


def evidence_digest(evidence: str) -> str:
    """Return 12 hex digits of the normalized evidence, to recognize a finding that moved."""
    return _digest(normalize(evidence))[:12]


def _digest(*parts: str) -> str:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()


NO_EVIDENCE = evidence_digest("")
"""The digest of whole-file findings, which have no evidence: useless to recognize a move."""


def sort_key(finding: Finding) -> tuple[int, int, int, str, str]:
    """Return a total order of findings in the same lines: the most severe and certain first."""
    raw = finding.raw
    uncertainty = list(Confidence).index(raw.confidence)
    return raw.severity.rank, uncertainty, finding.anchor.start_line, raw.category, raw.rule


def is_same_problem(first: Finding, second: Finding) -> bool:
    """Return whether two findings of one run have the same category and share lines."""
    a, b = first.raw, second.raw
    same_category = (a.category, a.whole_file) == (b.category, b.whole_file)
    return same_category and share_lines(first.anchor, second.anchor)


def merge_duplicates(
    findings: Iterable[Finding],
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the findings without duplicates, and the duplicates; the more severe one stays.

    Duplicates come from overlapping parts of a large file and from repetitive answers.
    """
    by_path: defaultdict[str, list[Finding]] = defaultdict(list)
    duplicates: list[Finding] = []
    for finding in sorted(findings, key=sort_key):
        others = by_path[finding.anchor.path]
        duplicate = any(is_same_problem(finding, other) for other in others)
        (duplicates if duplicate else others).append(finding)
    unique = [finding for others in by_path.values() for finding in others]
    unique.sort(key=lambda f: (f.anchor.path, f.anchor.start_line, sort_key(f)))
    return tuple(unique), tuple(duplicates)
