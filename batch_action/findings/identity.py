"""The fingerprints of findings: computed once, when a finding is new.

Later runs match findings by position.
"""

import hashlib
import re
from collections.abc import Container, Iterable

from batch_action.models.findings import Finding

MASK = "•"
_INVISIBLE = re.compile("[\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")

_ASCII_SPACE = bytes(n for n in range(128) if chr(n).isspace() and chr(n) != "\n")


def normalize(evidence: str) -> str:
    """Remove white space and invisible characters, and reduce masked runs to one `•`."""
    if evidence.isascii():
        # Most code is: a third of the time, and the same white space as in the expression.
        return "".join(evidence.split())
    return re.sub(f"{MASK}+", MASK, _INVISIBLE.sub("", evidence))


def normalize_lines(lines: Iterable[str]) -> list[str]:
    """Normalize each line: all at once what is ASCII, which most code is."""
    text = "\n".join(lines)
    data = text.encode("utf-8", "surrogatepass").translate(None, _ASCII_SPACE)
    bare = data.decode("utf-8", "surrogatepass").split("\n")
    if text.isascii():
        return bare
    return [line if line.isascii() else normalize(line) for line in bare]


def fingerprint(task: str, path: str, evidence: str, ordinal: int, *distinct: str) -> str:
    """Return 16 hex digits of the task, path, normalized evidence and its ordinal in the file.

    *distinct* is given only when another finding has the same four: several may be reported on the
    same lines, and a copy of the code may be added above a known finding.
    """
    return _digest(task, path, normalize(evidence), str(ordinal), *distinct)[:16]


def unique_fingerprint(finding: Finding, task: str, taken: Container[str]) -> str:
    """Return the finding's fingerprint, or one with its category and rule when that is taken."""
    unique, count = finding.fingerprint, 0
    distinct = finding.fingerprint, finding.category, finding.rule
    while unique in taken:
        evidence = finding.texts.read().evidence
        unique = fingerprint(task, finding.anchor.path, evidence, count, *distinct)
        count += 1
    return unique


def evidence_digest(evidence: str) -> str:
    """Return 12 hex digits of the normalized evidence, to recognize a finding that moved."""
    return _digest(normalize(evidence))[:12]


def _digest(*parts: str) -> str:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()


NO_EVIDENCE = evidence_digest("")
"""The digest of whole-file findings, which have no evidence: useless to recognize a move."""
