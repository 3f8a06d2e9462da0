"""A finding's block in the rolling issue: worded once, afterwards kept as opaque text."""

from collections.abc import Iterable
from dataclasses import dataclass

from batch_action.escape import code_span, fence, html_code, markdown, prose
from batch_action.models.findings import OPEN_STATES, Finding, FindingState, TrackedFinding
from batch_action.models.report import RunReport
from batch_action.publishers import markers, user_commands, wording
from batch_action.publishers.templates import fill

MOST_LINES = 40
LONGEST_CODE = 4_000
LONGEST_PROSE = 3_000
BRIEF = "<!-- batch-action:brief -->"
BOXED = (*OPEN_STATES, FindingState.IGNORED)
"""The states in which a finding can still be dismissed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A block as it goes out."""

    tracked: TrackedFinding
    text: str
    """With its markers."""


def write(known: TrackedFinding, finding: Finding | None, report: RunReport) -> str:
    """The words of a new block; without *finding* a brief one, which `completed` fills in later.

    It says nothing that changes later (state, lines of today): those stand in the table.
    """
    facts = _facts(known, finding, report)
    return fill(
        "finding_block.md.j2",
        severity=wording.severity(known),
        title=wording.title(known),
        path=html_code(known.anchor.path, wording.LONGEST_PATH),
        id=html_code(known.fingerprint[:8]),
        facts=facts if finding else f"{facts} {BRIEF}",
        details=details(finding) if finding else "",
    )


def details(finding: Finding) -> str:
    """What a finding is about: the code, why, what to do."""
    remark = finding.raw
    quoted = cut(finding.evidence)
    return fill(
        "finding_details.md.j2",
        code=fence(quoted, _language(finding.anchor.path)) if quoted.strip() else "",
        explanation=prose(remark.explanation, LONGEST_PROSE),
        remediation=prose(remark.remediation, LONGEST_PROSE),
        suggestion=proposed(finding),
    )


def completed(words: str, finding: Finding | None) -> str:
    """A brief block with its details, now that there is something to say; others as they are."""
    if finding is None or BRIEF not in words:
        return words
    before, _, after = words.partition(BRIEF)
    return f"{before.rstrip(' ')}\n\n{details(finding)}{after}"


def _facts(known: TrackedFinding, finding: Finding | None, report: RunReport) -> str:
    facts = [
        f"First seen at {wording.place(known.anchor, report)}",
        f"category {markdown(known.category, 60)}",
        f"rule {code_span(known.rule, 60) or 'unnamed'}",
    ]
    if finding:
        facts.append(f"confidence {finding.raw.confidence.value}")
        if finding.raw.cwe:
            facts.append(markdown(finding.raw.cwe, 20))
    if known.pre_existing:
        facts.append("older than the reviewed change")
    return " · ".join(facts)


def proposed(finding: Finding) -> str:
    """What the model would write instead, to be read; empty when it says nothing."""
    quoted, suggested = cut(finding.evidence), finding.raw.suggestion
    if suggested is None:
        return ""
    old = [f"-{line}" for line in quoted.split("\n")] if quoted else []
    new = [f"+{line}" for line in cut(suggested).split("\n")] if suggested else []
    return fence("\n".join(old + new), "diff")


def _language(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def cut(code: str) -> str:
    """Code that is not too long for an issue; says how many lines are missing."""
    code = code.replace("\r\n", "\n")
    lines = code.split("\n")
    if len(lines) > MOST_LINES:
        code = "\n".join([*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} more lines"])
    return code if len(code) <= LONGEST_CODE else code[: LONGEST_CODE - 1] + "…"


def wrapped(
    known: TrackedFinding, words: str, limit: int, *, ticked: bool = False, box: bool = True
) -> Written:
    """The block between its markers; only people's words can make it too long: cut then.

    It has a box to dismiss it by, unless there is nothing left to dismiss.
    """

    def whole(words: str) -> str:
        if box and known.state in BOXED:
            words = user_commands.boxed(words, known.fingerprint, ticked=ticked)
        return markers.wrap(known, words)

    over = len(whole(words)) - limit
    if over > 0:
        kept = words[: max(0, len(words) - over - 40)].rpartition("\n")[0]
        words = f"{kept}\n\n… (cut: too long for an issue)"
    return Written(tracked=known, text=whole(words))


def pack(written: Iterable[Written], room: int) -> list[list[Written]]:
    """Blocks in pages of at most `room` characters, order kept; a longer one stands alone."""
    pages: list[list[Written]] = []
    used = room + 1
    for block in written:
        size = len(block.text) + 2
        if used + size > room:
            pages.append([])
            used = 0
        pages[-1].append(block)
        used += size
    return pages


def joined(written: Iterable[Written]) -> str:
    """Blocks with the blank line between them that ends each one's HTML."""
    return "\n\n".join(block.text for block in written)
