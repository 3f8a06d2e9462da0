"""Render an issue about one finding: later, only its markers and its status line are rewritten."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.escape import attribute, code_span, markdown, subject
from batch_action.models.findings import FindingStatus, TrackedFinding
from batch_action.models.github import IssueComment
from batch_action.models.report import RunReport
from batch_action.publishers import finding_block, links, markers, report_text, user_commands
from batch_action.publishers.markers import Block
from batch_action.publishers.report_text import render_template
from batch_action.text import plural

WONTFIX_LABEL = "wontfix"
"""The label by which people dismiss a finding."""
MAX_TITLE_CHARS = 200
MAX_BLOCK_CHARS = 45_000
"""The limit of the finding's block in a new issue."""
MAX_BODY_CHARS = 65_000
"""GitHub refuses bodies over 65,536 characters."""

MAX_PAGE_CHARS = 50_000
"""The limit of one comment of the queue; GitHub refuses over 65,536 characters."""
_QUEUE_PREFIX = "<!-- batch-action:queue v"
QUEUE_MARKER = f"{_QUEUE_PREFIX}{markers.SCHEMA} -->"
_STATUS = re.compile(
    r"^<!-- batch-action:status v\d+ -->\n.*?^<!-- /batch-action:status -->[^\S\n]*$",
    re.MULTILINE | re.DOTALL,
)
_START = re.compile(r"^<!-- batch-action:finding v\d+ [^\n]*-->[^\S\n]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingIssueState:
    """The state in an issue about one finding."""

    fingerprint: str
    head: str
    """The commit of the run that last wrote the issue."""
    batches: tuple[str, ...]
    """The batches of that run."""
    opened_by: str
    """The key of the run that opened it: see `run_key_of`."""
    tracked: TrackedFinding | None
    """None when its marker is damaged; then the block is lost too."""
    block: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """One comment of the queue as it is to be written."""

    comment: IssueComment | None
    """The existing comment; None for a new one."""
    text: str
    """Empty when none of its findings is queued any more."""


def run_key_of(report: RunReport) -> str:
    """Return a key of the run: publishing it twice opens no more than `max_issues` in total."""
    run = ",".join(report.batch_ids) or report.run_url or report.date
    return hashlib.sha256(run.encode()).hexdigest()[:12]


def parse(body: str) -> FindingIssueState | None:
    """Parse the state in the body of an issue; None for other issues.

    Raises GitHubError: when a later version wrote the issue.
    """
    body = body.replace("\r\n", "\n")
    fields = markers.parse_head(body)
    if fields is None or not (fingerprint := markers.decode_field(fields, "id")):
        return None
    block = next(
        (b for b in markers.parse_blocks(body) if b.tracked.fingerprint == fingerprint), None
    )
    return FindingIssueState(
        fingerprint=fingerprint,
        head=markers.decode_field(fields, "head"),
        batches=markers.decode_list(fields, "batches"),
        opened_by=markers.decode_field(fields, "opened-by"),
        tracked=block.tracked if block else None,
        block=collapse_details(block.text) if block else "",
    )


def format_title(tracked: TrackedFinding) -> str:
    """Format the title of a new issue; later it is not written again."""
    return subject(
        f"{tracked.title or 'Untitled finding'} ({tracked.anchor.path})", MAX_TITLE_CHARS
    )


def render_body(status: FindingStatus, block: str | None, report: RunReport) -> str:
    """Render the body of a new issue; *block*: the finding's block in another destination."""
    tracked = status.tracked
    text = expand_details(finding_block.render_text(status, block or "", report))
    return render_template(
        "issue_per_finding/issue.md.j2",
        head=_format_head(tracked, report, run_key_of(report)),
        status=_format_status(status, report),
        block=finding_block.wrap_block(tracked, text, MAX_BLOCK_CHARS, checkbox=False).text,
    )


def update_body(body: str, status: FindingStatus, report: RunReport) -> str:
    """Update the markers and the status line of a body, and keep what people wrote.

    Return the body unchanged when nothing about the finding has changed.
    """
    old = body.replace("\r\n", "\n")
    state = parse(old)
    if state is None:
        return body
    tracked = status.tracked
    new = _update_block(old, state, status, report)
    if _STATUS.search(new):
        new = _STATUS.sub(lambda _: _format_status(status, report), new, count=1)
    else:
        new = markers.HEAD.sub(
            lambda match: f"{match[0]}\n{_format_status(status, report)}", new, count=1
        )
    if new == old:
        return body
    return markers.HEAD.sub(lambda _: _format_head(tracked, report, state.opened_by), new, count=1)


def _update_block(
    body: str,
    state: FindingIssueState,
    status: FindingStatus,
    report: RunReport,
) -> str:
    """Update the finding's marker; add its block, its details and a reason if they are missing."""
    tracked = status.tracked
    if state.tracked is None:
        text = expand_details(finding_block.render_text(status, "", report))
        block = finding_block.wrap_block(tracked, text, MAX_BLOCK_CHARS // 2, checkbox=False)
        return f"{body.rstrip()}\n\n{block.text}"
    body = _START.sub(lambda _: markers.format_start(tracked), body, count=1)
    body = finding_block.complete_block(body, status.finding)
    start = _START.search(body)
    if start is None:
        return body
    before, text = body[: start.end() + 1], body[start.end() + 1 :]
    with_reason = before + finding_block.add_reason(text, status.verified)
    return with_reason if len(with_reason) <= MAX_BODY_CHARS else body


def _format_head(tracked: TrackedFinding, report: RunReport, opened_by: str) -> str:
    task = markers.qualify_task(report.task, report.state_key)
    identity = markers.identity_of(task, report.repository_id, "id")
    return markers.format_head(
        f"{identity}{tracked.fingerprint} opened-by={opened_by} head=",
        report.commit,
        report.batch_ids,
    )


def _format_status(status: FindingStatus, report: RunReport) -> str:
    tracked = status.tracked
    parts = [
        f"**{report_text.format_severity(tracked)}**",
        report_text.format_state(status),
        links.format_location(tracked.anchor, report),
        f"since {markdown(tracked.opened_on, 20)}",
        code_span(tracked.fingerprint[:8]),
    ]
    start = f"<!-- batch-action:status v{markers.SCHEMA} -->"
    return f"{start}\n{' · '.join(parts)}\n<!-- /batch-action:status -->"


def expand_details(block: str) -> str:
    """Expand the details of a block, as in an issue of its own."""
    return re.sub(r"\A<details>", "<details open>", block)


def collapse_details(block: str) -> str:
    """Collapse the details of a block, as in a list of blocks."""
    return re.sub(r"\A<details open>", "<details>", block)


def render_fixed_comment(status: FindingStatus, report: RunReport) -> str:
    """Render the comment on closing an issue: it names the commit that fixed the finding."""
    tracked = status.tracked
    commit = tracked.closing_commit or report.commit
    link = code_span(commit[:7])
    if report.repository:
        link = f"[{link}]({report.server_url}/{report.repository}/commit/{commit})"
    reason = "the file is gone" if status.note.startswith("file ") else "no longer found"
    return f"{format_comment_marker('fixed', commit)}\n✅ Fixed in {link}: {reason}."


def render_reopened_comment(status: FindingStatus, report: RunReport) -> str:
    """Render the comment on reopening an issue: it names the current location."""
    anchor = status.tracked.anchor
    # Without a new report, the issue was closed although its finding was still open.
    event = "Reported again" if status.finding else "Still open"
    location = links.format_location(anchor, report)
    return f"{format_comment_marker('reopened', anchor.commit)}\n↩️ {event}: {location}."


def format_comment_marker(event: str, commit: str) -> str:
    """Format the first line of such a comment, which is posted once for a commit."""
    return f"<!-- batch-action:{event} v{markers.SCHEMA} commit={attribute(commit)} -->"


def is_queue_page(comment: IssueComment) -> bool:
    """Whether a comment is a page of the queue that we wrote."""
    return comment.trusted and comment.body.startswith(_QUEUE_PREFIX)


def parse_queue(comments: Sequence[IssueComment]) -> dict[str, tuple[TrackedFinding, str]]:
    """Parse the queued findings and their blocks; the first of two equal ones counts."""
    queue: dict[str, tuple[TrackedFinding, str]] = {}
    for comment in filter(is_queue_page, comments):
        for block in markers.parse_blocks(comment.body):
            text = user_commands.remove_checkbox(block.text)
            queue.setdefault(block.tracked.fingerprint, (block.tracked, text))
    return queue


def build_pages(
    blocks: Sequence[Block], comments: Sequence[IssueComment], max_issues: int
) -> list[QueuePage]:
    """Build all pages: a finding stays on its page; a new one goes to the first page it fits on."""
    left = {block.tracked.fingerprint: block for block in blocks}
    pages: list[tuple[IssueComment | None, list[Block]]] = []
    for comment in filter(is_queue_page, comments):
        listed = [block.tracked.fingerprint for block in markers.parse_blocks(comment.body)]
        pages.append((comment, [left.pop(f) for f in dict.fromkeys(listed) if f in left]))
    for block in left.values():
        _add_to_page(block, pages)
    return [
        QueuePage(comment=comment, text=_render_page(page, max_issues)) for comment, page in pages
    ]


def _add_to_page(block: Block, pages: list[tuple[IssueComment | None, list[Block]]]) -> None:
    for _, page in pages:
        if sum(len(b.text) + 2 for b in page) + len(block.text) <= MAX_PAGE_CHARS:
            page.append(block)
            return
    pages.append((None, [block]))


def _render_page(blocks: Sequence[Block], max_issues: int) -> str:
    if not blocks:
        return ""
    findings = plural(len(blocks), "more finding")
    return render_template(
        "issue_per_finding/queue.md.j2",
        marker=QUEUE_MARKER,
        waiting=f"{findings} {'waits' if len(blocks) == 1 else 'wait'}",
        max_issues=max_issues,
        blocks=finding_block.join_blocks(blocks),
    )
