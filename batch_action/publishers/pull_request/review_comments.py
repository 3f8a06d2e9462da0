"""Review comments: on which lines of the diff they are possible, their text, and posting them."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from batch_action.clients.git import GitRepo
from batch_action.clients.github.errors import LostResponseError, RefusedError
from batch_action.clients.github.pulls import PullRequests
from batch_action.clients.secrets import mask
from batch_action.escape import (
    code_span,
    fence,
    html_code,
    markdown,
    markdown_with_commits,
)
from batch_action.models.findings import (
    OPEN_STATES,
    Finding,
    FindingState,
    FindingStatus,
    TrackedFinding,
)
from batch_action.models.github import PullRequest, ReviewCommentDraft
from batch_action.publishers import finding_block, markers, report_text
from batch_action.publishers.markers import Block
from batch_action.publishers.prose import labeled
from batch_action.publishers.report_text import render_template
from batch_action.publishers.user_commands import SHORT_ID_CHARS
from batch_action.selection.content import decode
from batch_action.text import shorten_path

LineRange = tuple[int, int]
"""First and last line, 1-based, inclusive."""

MAX_COMMENTS = 30
"""Comments of one review; the other findings are in the summary."""
CLOSED_LINES = {
    FindingState.FIXED: "✅ **Fixed.**",
    FindingState.DISMISSED: "🔕 **Dismissed.**",
    FindingState.IGNORED: "🔕 **Ignored.**",
}

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def draft_comments(
    statuses: Sequence[FindingStatus], pulls: PullRequests, number: int, git: GitRepo
) -> dict[str, ReviewCommentDraft]:
    """Return comments, by fingerprint, on findings whose lines are in the diff of the newest head.

    A comment covers as many lines of a long finding as one hunk shows.
    """
    with_finding = [status for status in statuses if status.finding is not None]
    if not with_finding:
        return {}
    hunks = {path: parse_hunks(patch) for path, patch in pulls.patches(number).items()}
    anchors = [status.tracked.anchor for status in with_finding]
    lines = _read_lines(git, {anchor.blob: anchor.path for anchor in anchors})
    drafts: dict[str, ReviewCommentDraft] = {}
    for status in with_finding:
        anchor = status.tracked.anchor
        lines_shown = clip_to_hunk((anchor.start_line, anchor.end_line), hunks.get(anchor.path, ()))
        if lines_shown is not None and len(drafts) < MAX_COMMENTS:
            draft = _draft_comment(status, lines_shown, lines.get(anchor.blob, []))
            drafts[status.tracked.fingerprint] = draft
    return drafts


def parse_hunks(patch: str) -> tuple[LineRange, ...]:
    """Return the lines of the new content that each hunk of a patch shows, with context."""
    ranges = ((int(m[1]), int(m[2] or 1)) for m in _HUNK.finditer(patch))
    return tuple((first, first + count - 1) for first, count in ranges if count)


def clip_to_hunk(lines: LineRange, hunks: Sequence[LineRange]) -> LineRange | None:
    """Return the largest part of the lines that one hunk shows; None when no hunk shows any."""
    parts = [(max(lines[0], first), min(lines[1], last)) for first, last in hunks]
    shown = [part for part in parts if part[0] <= part[1]]
    return max(shown, key=lambda part: part[1] - part[0], default=None)


def _read_lines(git: GitRepo, paths: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines of each blob, with secrets masked."""
    return {
        blob: mask(decode(data), paths[blob])[0].removesuffix("\n").split("\n")
        for blob, data in git.blobs(sorted(paths))
    }


def _draft_comment(
    status: FindingStatus, lines_shown: LineRange, lines: Sequence[str]
) -> ReviewCommentDraft:
    tracked, finding = status.tracked, status.finding
    assert finding is not None  # noqa: S101 - for the type checker: checked by `draft_comments`
    anchor, (first, last) = tracked.anchor, lines_shown
    is_complete = lines_shown == (anchor.start_line, anchor.end_line)
    suggestion = suggestion_for(finding, lines[first - 1 : last]) if is_complete else None
    text = render(tracked, finding, suggestion=suggestion)
    body = comment_body(tracked, text, format_state_line(status))
    return ReviewCommentDraft(path=anchor.path, start_line=first, end_line=last, body=body)


def render(tracked: TrackedFinding, finding: Finding, *, suggestion: str | None) -> str:
    """Return the text of a new comment; `suggestion`: code with which GitHub can replace lines."""
    texts = finding.texts.read()
    raw = texts.raw
    return render_template(
        "pull_request/review_comment.md.j2",
        severity=report_text.format_severity(tracked),
        title=report_text.format_title(tracked),
        trigger=labeled("Trigger", raw.trigger, finding_block.MAX_TRIGGER_CHARS),
        why=labeled("Why", raw.explanation, finding_block.MAX_PROSE_CHARS),
        fix=labeled("Fix", raw.remediation, finding_block.MAX_PROSE_CHARS),
        suggestion=fence(suggestion, "suggestion") if suggestion is not None else "",
        proposal=finding_block.render_suggestion(texts) if suggestion is None else "",
        facts=_facts(tracked, finding),
    )


def suggestion_for(finding: Finding, lines: Sequence[str]) -> str | None:
    """Return the code that can replace exactly these lines of the head; None if it is not safe."""
    texts = finding.texts.read()
    return texts.replacement if "\n".join(lines) == texts.evidence else None


def _facts(tracked: TrackedFinding, finding: Finding) -> str:
    facts = [
        f"category {markdown(tracked.category, 60)}",
        f"rule {code_span(tracked.rule, 60) or 'unnamed'}",
        f"confidence {finding.confidence.value}",
    ]
    if cwe := finding.texts.read().raw.cwe:
        facts.append(markdown(cwe, 20))
    return " · ".join([*facts, code_span(tracked.fingerprint[:SHORT_ID_CHARS])])


def comment_body(tracked: TrackedFinding, text: str, state_line: str = "") -> str:
    """Return the whole comment: the state line, then the text as first posted."""
    block = markers.wrap_block(tracked, text)
    return f"{state_line}\n\n{block}" if state_line else block


def parse(comment: str) -> tuple[Block, str] | None:
    """Return a comment's finding and its state line; None when it is none of ours."""
    block = next(markers.parse_blocks(comment), None)
    if block is None:
        return None
    return block, comment.replace("\r\n", "\n").partition("<!-- batch-action:finding ")[0].strip()


def format_state_line(status: FindingStatus) -> str:
    """Return the line above a comment's text: of a closed or verified finding; empty for others."""
    tracked = status.tracked
    if tracked.state in OPEN_STATES:
        verification = report_text.format_verification(tracked)
        return f"**{verification[:1].upper()}{verification[1:]}.**" if verification else ""
    line = CLOSED_LINES.get(tracked.state, "")
    if tracked.state is not FindingState.FIXED or not (status.note or tracked.closing_commit):
        return line
    note = status.note or f"fixed in {tracked.closing_commit[:7]}"
    return f"✅ **{markdown_with_commits(note[:1].upper() + note[1:], 60)}.**"


def minimize_reason(status: FindingStatus) -> str:
    """Return GitHub's classifier for minimizing a closed finding's comment; empty if it is open."""
    if status.tracked.state in OPEN_STATES:
        return ""
    is_fixed = status.tracked.state is FindingState.FIXED
    return "OUTDATED" if is_fixed and status.note.startswith("file ") else "RESOLVED"


def minimized(tracked: TrackedFinding, text: str) -> str:
    """Return a comment's text as a collapsed block for other destinations."""
    path = html_code(shorten_path(tracked.anchor.path))
    severity, title = report_text.format_severity(tracked), report_text.format_title(tracked)
    summary = f"{severity} · <b>{title}</b> · {path}"
    return f"<details><summary>{summary}</summary>\n\n{text.strip()}\n\n</details>"


def post(
    drafts: Mapping[str, ReviewCommentDraft], body: str, pulls: PullRequests, pull: PullRequest
) -> frozenset[str]:
    """Post one review, or single comments where GitHub refuses the review for one of them.

    Return the fingerprints that must be there when read back, without those GitHub refused.
    """
    try:
        pulls.review(pull.number, pull.head, body, list(drafts.values()))
    except LostResponseError:
        pass  # reading back shows whether it was posted
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return frozenset(name for name, draft in drafts.items() if _post_one(draft, pulls, pull))
    return frozenset(drafts)


def _post_one(draft: ReviewCommentDraft, pulls: PullRequests, pull: PullRequest) -> bool:
    try:
        pulls.comment(pull.number, pull.head, draft)
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return False
    return True
