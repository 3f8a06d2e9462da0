"""A finding as a comment on lines of a pull request: worded once, only its state is edited."""

from collections.abc import Sequence

from batch_action.escape import code_span, fence, html_code, markdown, ours, prose, visible
from batch_action.models.findings import Finding, Known, Standing, State
from batch_action.report import blocks, markers, text
from batch_action.report.markers import Block
from batch_action.report.templates import fill
from batch_action.report.wishes import SHORT

MASK = "•"
ENDED = {
    State.FIXED: "✅ **Fixed.**",
    State.DISMISSED: "🔕 **Dismissed.**",
    State.IGNORED: "🔕 **Ignored.**",
}


def write(known: Known, finding: Finding, *, suggestion: str | None) -> str:
    """The words of a new comment; *suggestion*: what GitHub may put in place of the lines."""
    remark = finding.remark
    return fill(
        "review_comment.md.j2",
        severity=text.severity(known),
        title=text.title(known),
        why=prose(remark.why, blocks.LONGEST_PROSE),
        remedy=prose(remark.remedy, blocks.LONGEST_PROSE),
        suggestion=fence(suggestion, "suggestion") if suggestion is not None else "",
        otherwise=blocks.proposed(finding) if suggestion is None else "",
        facts=_facts(known, finding),
    )


def suggested(finding: Finding, lines: Sequence[str]) -> str | None:
    """What can replace exactly these lines of the newest head; None when it would not be clean.

    Nothing masked may come back as code, nothing invisible may be slipped in, and the first line
    must stand where the old one did.
    """
    new = finding.remark.suggestion
    old = "\n".join(lines)
    if new is None or old != finding.evidence or MASK in old + new:
        return None
    new = new.replace("\r\n", "\n").removesuffix("\n")
    plain = visible(new) == new and visible(old) == old and len(new) <= blocks.LONGEST_CODE
    if not plain or new == old or _indent(new) != _indent(old):
        return None
    return new


def _indent(code: str) -> str:
    first = code.split("\n", 1)[0]
    return first[: len(first) - len(first.lstrip())]


def body(known: Known, words: str, told: str = "") -> str:
    """The whole comment: what became of the finding, then the words it was born with."""
    block = markers.wrap(known, words)
    return f"{told}\n\n{block}" if told else block


def parse(comment: str) -> tuple[Block, str] | None:
    """A comment's finding, and what it says of its state; None when it is none of ours."""
    block = next(markers.blocks(comment), None)
    if block is None:
        return None
    return block, comment.replace("\r\n", "\n").partition("<!-- batch-action:finding ")[0].strip()


def state_line(standing: Standing) -> str:
    """What a comment says above its words once its finding is no longer open; else nothing."""
    known = standing.known
    ended = ENDED.get(known.state, "")
    if known.state is not State.FIXED or not (standing.note or known.closed_by):
        return ended
    note = standing.note or f"fixed in {known.closed_by[:7]}"
    return f"✅ **{ours(note[:1].upper() + note[1:], 60)}.**"


def folded_as(standing: Standing) -> str:
    """Why a comment is folded away, in GitHub's words."""
    gone = standing.known.state is State.FIXED and standing.note.startswith("file deleted")
    return "OUTDATED" if gone else "RESOLVED"


def folded(known: Known, words: str) -> str:
    """The words of a comment as a block for other destinations."""
    path = html_code(known.anchor.path, text.LONGEST_PATH)
    summary = f"{text.severity(known)} · <b>{text.title(known)}</b> · {path}"
    return f"<details><summary>{summary}</summary>\n\n{words.strip()}\n\n</details>"


def _facts(known: Known, finding: Finding) -> str:
    remark = finding.remark
    facts = [
        f"category {markdown(known.category, 60)}",
        f"rule {code_span(known.rule, 60) or 'unnamed'}",
        f"confidence {remark.confidence.value}",
    ]
    if remark.cwe:
        facts.append(markdown(remark.cwe, 20))
    return " · ".join([*facts, code_span(known.fingerprint[:SHORT])])
