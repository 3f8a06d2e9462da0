"""Which lines of a pull request's diff can have a comment: those its hunks show on the new side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from batch_action.clients.git import GitRepo
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.clients.github.pulls import PullRequests
from batch_action.clients.secrets import mask
from batch_action.escape import code_span, fence, html_code, markdown, ours, prose, visible
from batch_action.models.findings import Finding, FindingState, FindingStatus, TrackedFinding
from batch_action.models.github import PullRequestInfo, ReviewCommentDraft
from batch_action.publishers import finding_block, markers, wording
from batch_action.publishers.markers import Block
from batch_action.publishers.templates import fill
from batch_action.publishers.user_commands import SHORT
from batch_action.selection.content import decode

Lines = tuple[int, int]
"""First and last line, 1-based, inclusive."""

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def hunks(patch: str) -> tuple[Lines, ...]:
    """The lines that each hunk of a file's patch shows of the new content, context included."""
    found = ((int(m[1]), int(m[2] or 1)) for m in _HUNK.finditer(patch))
    return tuple((first, first + count - 1) for first, count in found if count)


def within(lines: Lines, shown: Sequence[Lines]) -> Lines | None:
    """These lines as far as one hunk shows them; None when none of them is in the diff."""
    parts = [(max(lines[0], first), min(lines[1], last)) for first, last in shown]
    fitting = [part for part in parts if part[0] <= part[1]]
    return max(fitting, key=lambda part: part[1] - part[0], default=None)


MASK = "•"
ENDED = {
    FindingState.FIXED: "✅ **Fixed.**",
    FindingState.DISMISSED: "🔕 **Dismissed.**",
    FindingState.IGNORED: "🔕 **Ignored.**",
}


def write(known: TrackedFinding, finding: Finding, *, suggestion: str | None) -> str:
    """The words of a new comment; *suggestion*: what GitHub may put in place of the lines."""
    remark = finding.raw
    return fill(
        "pull_request/review_comment.md.j2",
        severity=wording.severity(known),
        title=wording.title(known),
        explanation=prose(remark.explanation, finding_block.LONGEST_PROSE),
        remediation=prose(remark.remediation, finding_block.LONGEST_PROSE),
        suggestion=fence(suggestion, "suggestion") if suggestion is not None else "",
        otherwise=finding_block.proposed(finding) if suggestion is None else "",
        facts=_facts(known, finding),
    )


def suggested(finding: Finding, lines: Sequence[str]) -> str | None:
    """What can replace exactly these lines of the newest head; None when it would not be clean.

    Nothing masked may come back as code, nothing invisible may be slipped in, and the first line
    must stand where the old one did.
    """
    new = finding.raw.suggestion
    old = "\n".join(lines)
    if new is None or old != finding.evidence or MASK in old + new:
        return None
    new = new.replace("\r\n", "\n").removesuffix("\n")
    plain = visible(new) == new and visible(old) == old and len(new) <= finding_block.LONGEST_CODE
    if not plain or new == old or _indent(new) != _indent(old):
        return None
    return new


def _indent(code: str) -> str:
    first = code.split("\n", 1)[0]
    return first[: len(first) - len(first.lstrip())]


def comment_body(known: TrackedFinding, words: str, told: str = "") -> str:
    """The whole comment: what became of the finding, then the words it was born with."""
    block = markers.wrap(known, words)
    return f"{told}\n\n{block}" if told else block


def parse(comment: str) -> tuple[Block, str] | None:
    """A comment's finding, and what it says of its state; None when it is none of ours."""
    block = next(markers.blocks(comment), None)
    if block is None:
        return None
    return block, comment.replace("\r\n", "\n").partition("<!-- batch-action:finding ")[0].strip()


def state_line(standing: FindingStatus) -> str:
    """What a comment says above its words once its finding is no longer open; else nothing."""
    known = standing.tracked
    ended = ENDED.get(known.state, "")
    if known.state is not FindingState.FIXED or not (standing.note or known.closed_by):
        return ended
    note = standing.note or f"fixed in {known.closed_by[:7]}"
    return f"✅ **{ours(note[:1].upper() + note[1:], 60)}.**"


def folded_as(standing: FindingStatus) -> str:
    """Why a comment is folded away, in GitHub's words."""
    gone = standing.tracked.state is FindingState.FIXED and standing.note.startswith("file deleted")
    return "OUTDATED" if gone else "RESOLVED"


def folded(known: TrackedFinding, words: str) -> str:
    """The words of a comment as a block for other destinations."""
    path = html_code(known.anchor.path, wording.LONGEST_PATH)
    summary = f"{wording.severity(known)} · <b>{wording.title(known)}</b> · {path}"
    return f"<details><summary>{summary}</summary>\n\n{words.strip()}\n\n</details>"


def _facts(known: TrackedFinding, finding: Finding) -> str:
    remark = finding.raw
    facts = [
        f"category {markdown(known.category, 60)}",
        f"rule {code_span(known.rule, 60) or 'unnamed'}",
        f"confidence {remark.confidence.value}",
    ]
    if remark.cwe:
        facts.append(markdown(remark.cwe, 20))
    return " · ".join([*facts, code_span(known.fingerprint[:SHORT])])


MOST = 30
"""Comments of one review; what is more stands in the summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A finding and the comment that tells it."""

    fingerprint: str
    draft: ReviewCommentDraft


def placed(
    fresh: Sequence[FindingStatus], edge: PullRequests, number: int, git: GitRepo
) -> list[Remark]:
    """Comments on the lines that the diff of the newest head shows; the other findings have none.

    A longer finding is told on as many of its lines as one hunk shows.
    """
    reported = [s for s in fresh if s.finding is not None]
    if not reported:
        return []
    patches = edge.patches(number)
    shown = {path: hunks(patch) for path, patch in patches.items()}
    texts = _texts(git, {s.tracked.anchor.blob for s in reported})
    remarks = []
    for standing in reported:
        anchor = standing.tracked.anchor
        at = within((anchor.start_line, anchor.end_line), shown.get(anchor.path, ()))
        if at is not None:
            remarks.append(_remark(standing, at, texts.get(anchor.blob, [])))
    return remarks[:MOST]


def _texts(git: GitRepo, blobs: set[str]) -> dict[str, list[str]]:
    """The lines of the newest content, secrets masked as everywhere we show code."""
    return {
        blob: mask(decode(data))[0].removesuffix("\n").split("\n")
        for blob, data in git.blobs(sorted(blobs))
    }


def _remark(standing: FindingStatus, at: Lines, lines: Sequence[str]) -> Remark:
    known, finding = standing.tracked, standing.finding
    assert finding is not None  # noqa: S101 - for the type checker: `placed` has looked
    whole = at == (known.anchor.start_line, known.anchor.end_line)
    new = suggested(finding, lines[at[0] - 1 : at[1]]) if whole else None
    body = comment_body(known, write(known, finding, suggestion=new))
    draft = ReviewCommentDraft(path=known.anchor.path, first=at[0], last=at[1], body=body)
    return Remark(fingerprint=known.fingerprint, draft=draft)


def post(
    remarks: Sequence[Remark], body: str, edge: PullRequests, pull: PullRequestInfo
) -> frozenset[str]:
    """Post one review; comment by comment where GitHub refuses one of them.

    The fingerprints of those that are to be there now: what GitHub refuses by itself too is not.
    """
    drafts = [remark.draft for remark in remarks]
    try:
        edge.review(pull.number, pull.head, body, drafts)
    except LostAnswerError:
        pass  # it is read back whether it was done
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        remarks = [remark for remark in remarks if _alone(remark, edge, pull)]
    return frozenset(remark.fingerprint for remark in remarks)


def _alone(remark: Remark, edge: PullRequests, pull: PullRequestInfo) -> bool:
    try:
        edge.comment(pull.number, pull.head, remark.draft)
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return False
    return True
