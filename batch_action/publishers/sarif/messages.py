"""The message of a result: its text, and the footer from which a finding can be read back.

Code scanning returns a subset of what was uploaded, without our properties. So each message ends
with a footer that identifies the finding, for people and for us.
"""

import re
from dataclasses import dataclass

from batch_action.escape import message
from batch_action.models.findings import Finding, Severity, TrackedFinding
from batch_action.publishers.markers import MAX_TITLE_CHARS

MAX_PROSE_CHARS = 1_500
MAX_MESSAGE_CHARS = 8_000

_FOOTER = re.compile(
    r"\s*\(Finding ([0-9a-f]{16}), first seen ([0-9-]{0,10}), "
    r"lines? (\d{1,7})(?: to (\d{1,7}))? of blob ([0-9a-f]{1,12}) in ([0-9a-f]{1,12})"
    r"(, older than the reviewed change)?\)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The footer of a message: what identifies a finding when no property came back."""

    fingerprint: str
    since: str
    start_line: int
    end_line: int
    blob: str
    """The first digits of the blob's id."""
    commit: str
    """The first digits of the commit's id."""
    pre_existing: bool


def message_text(tracked: TrackedFinding, finding: Finding | None, previous: str) -> str:
    """Return a message's text without its footer: the text of the last analysis if there is one."""
    if previous:
        return message(previous, MAX_MESSAGE_CHARS)
    parts = [_end_sentence(message(tracked.title, MAX_TITLE_CHARS) or "Untitled finding")]
    if finding is not None:
        explanation = message(finding.raw.explanation, MAX_PROSE_CHARS)
        remediation = message(finding.raw.remediation, MAX_PROSE_CHARS)
        parts += [_end_sentence(explanation)] if explanation else []
        parts += [f"Fix: {_end_sentence(remediation)}"] if remediation else []
    return " ".join(parts)


def add_footer(text: str, tracked: TrackedFinding) -> str:
    """Return the text with the footer of its finding."""
    anchor = tracked.anchor
    lines = f"line {anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines = f"lines {anchor.start_line} to {anchor.end_line}"
    older = ", older than the reviewed change" if tracked.pre_existing else ""
    return (
        f"{text} (Finding {tracked.fingerprint}, first seen {tracked.opened_on}, "
        f"{lines} of blob {anchor.blob[:12]} in {anchor.commit[:12]}{older})"
    )


def strip_footer(text: str) -> str:
    """Return the text without its footer."""
    return _FOOTER.sub("", text)


def parse_footer(text: str) -> Footer | None:
    """Return the footer of a message; None without a valid one."""
    match = _FOOTER.search(text)
    if match is None:
        return None
    first, last = int(match[3]), int(match[4] or match[3])
    if not 0 < first <= last:
        return None
    return Footer(
        fingerprint=match[1],
        since=match[2],
        start_line=first,
        end_line=last,
        blob=match[5],
        commit=match[6],
        pre_existing=match[7] is not None,
    )


def title_of(text: str) -> str:
    """Return the first sentence: the title, unless the title has a period in it."""
    return strip_footer(text).partition(". ")[0].removesuffix(".")


def level_of(severity: Severity) -> str:
    """Return SARIF's level for a severity."""
    return {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}.get(
        severity, "note"
    )


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
