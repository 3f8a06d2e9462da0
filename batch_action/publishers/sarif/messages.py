"""The words of a result: what code scanning shows, and what can be read back from it.

Code scanning gives back a subset of what was uploaded, without our properties. So each message ends
with a line that people can read and from which the finding is known again.
"""

import re
from dataclasses import dataclass

from batch_action.escape import message
from batch_action.models.findings import Finding, Severity, TrackedFinding
from batch_action.publishers.markers import LONGEST_TITLE

LONGEST_PROSE = 1_500
LONGEST = 8_000
LONGEST_NAME = 60

_FOOTER = re.compile(
    r"\s*\(Finding ([0-9a-f]{16}), first seen ([0-9-]{0,10}), "
    r"lines? (\d{1,7})(?: to (\d{1,7}))? of blob ([0-9a-f]{1,12}) in ([0-9a-f]{1,12})"
    r"(, older than the reviewed change)?\)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a message still says of a finding when nothing else came back."""

    fingerprint: str
    since: str
    start_line: int
    end_line: int
    blob: str
    """The first digits of the blob's id."""
    commit: str
    """The first digits of the commit's id."""
    pre_existing: bool


def sentence(known: TrackedFinding, finding: Finding | None, before: str) -> str:
    """The message's text without its last line; *before*: what it was the last time."""
    if before:
        return message(before, LONGEST)
    parts = [_ended(message(known.title, LONGEST_TITLE) or "Untitled finding")]
    if finding is not None:
        why = message(finding.raw.explanation, LONGEST_PROSE)
        remedy = message(finding.raw.remediation, LONGEST_PROSE)
        parts += [_ended(why)] if why else []
        parts += [f"Remedy: {_ended(remedy)}"] if remedy else []
    return " ".join(parts)


def signed(text: str, known: TrackedFinding) -> str:
    """The text with the line by which the finding is known again."""
    anchor = known.anchor
    lines = f"line {anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines = f"lines {anchor.start_line} to {anchor.end_line}"
    older = ", older than the reviewed change" if known.pre_existing else ""
    return (
        f"{text} (Finding {known.fingerprint}, first seen {known.since}, "
        f"{lines} of blob {anchor.blob[:12]} in {anchor.commit[:12]}{older})"
    )


def unsigned(text: str) -> str:
    """The text without that line."""
    return _FOOTER.sub("", text)


def trace(text: str) -> Trace | None:
    """What the last line of a message says; None when it is none of ours."""
    found = _FOOTER.search(text)
    if found is None:
        return None
    first, last = int(found[3]), int(found[4] or found[3])
    if not 0 < first <= last:
        return None
    return Trace(
        fingerprint=found[1],
        since=found[2],
        start_line=first,
        end_line=last,
        blob=found[5],
        commit=found[6],
        pre_existing=found[7] is not None,
    )


def title(text: str) -> str:
    """The first sentence: the title, if it holds no full stop itself."""
    return unsigned(text).partition(". ")[0].removesuffix(".")


def level(severity: Severity) -> str:
    """SARIF's word for a severity."""
    return {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}.get(
        severity, "note"
    )


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
