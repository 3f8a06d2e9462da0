"""Render an issue about one finding: later, only its markers and its status line are rewritten."""

import hashlib
import re
from dataclasses import dataclass

from batch_action.escape import attribute, code_span, markdown, subject
from batch_action.models.findings import Finding, FindingStatus, TrackedFinding
from batch_action.models.report import RunReport
from batch_action.publishers import finding_block, markers, report_text
from batch_action.publishers.issue.render import MAX_LABEL_CHARS
from batch_action.publishers.report_text import render_template

WONTFIX_LABEL = "wontfix"
"""The label by which people dismiss a finding."""
MAX_TITLE_CHARS = 200
MAX_BLOCK_CHARS = 55_000
"""The limit of the finding's block; GitHub refuses bodies over 65,536 characters."""

_HEAD = re.compile(r"^<!-- batch-action:issue v(\d+) ([^\n]*?) -->[^\S\n]*$", re.MULTILINE)
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


def labels_of(task: str) -> tuple[str, str]:
    """Return the labels by which these issues are found."""
    own = f"batch-action:finding:{task}".replace(",", "-")
    return "batch-action", own[:MAX_LABEL_CHARS]


def identity_of(task: str, state_key: str, repository_id: str) -> str:
    """Return the part of the head marker that all issues of a task share."""
    name = attribute(markers.qualify_task(task, state_key))
    return f"task={name} repository={attribute(repository_id)} id="


def run_key_of(report: RunReport) -> str:
    """Return a key of the run: publishing it twice opens no more than `max_issues` in total."""
    run = ",".join(report.batch_ids) or report.run_url or report.date
    return hashlib.sha256(run.encode()).hexdigest()[:12]


def parse(body: str) -> FindingIssueState | None:
    """Parse the state in the body of an issue; None for other issues."""
    body = body.replace("\r\n", "\n")
    head = _HEAD.search(body)
    if head is None or int(head[1]) > markers.SCHEMA:
        return None
    fields = markers.parse_fields(head[2])
    fingerprint = markers.decode_field(fields, "id")
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
    text = block or finding_block.render_block(tracked, status.finding, report)
    text = expand_details(finding_block.complete_block(text, status.finding))
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
    new = _update_block(old, state, tracked, status.finding, report)
    if _STATUS.search(new):
        new = _STATUS.sub(lambda _: _format_status(status, report), new, count=1)
    else:
        new = _HEAD.sub(lambda match: f"{match[0]}\n{_format_status(status, report)}", new, count=1)
    if new == old:
        return body
    return _HEAD.sub(lambda _: _format_head(tracked, report, state.opened_by), new, count=1)


def _update_block(
    body: str,
    state: FindingIssueState,
    tracked: TrackedFinding,
    finding: Finding | None,
    report: RunReport,
) -> str:
    """Update the finding's marker; add its block or its details if they are missing."""
    if state.tracked is None:
        text = expand_details(finding_block.render_block(tracked, finding, report))
        block = finding_block.wrap_block(tracked, text, MAX_BLOCK_CHARS // 2, checkbox=False)
        return f"{body.rstrip()}\n\n{block.text}"
    body = _START.sub(lambda _: markers.format_start(tracked), body, count=1)
    if finding is None or finding_block.BRIEF_MARKER not in body:
        return body
    return finding_block.complete_block(body, finding)


def _format_head(tracked: TrackedFinding, report: RunReport, opened_by: str) -> str:
    identity = identity_of(report.task, report.state_key, report.repository_id)
    fields = (
        f"{identity}{tracked.fingerprint} opened-by={opened_by} head={attribute(report.commit)}"
    )
    batches = markers.encode_list(report.batch_ids)
    return f"<!-- batch-action:issue v{markers.SCHEMA} {fields} batches={batches} -->"


def _format_status(status: FindingStatus, report: RunReport) -> str:
    tracked = status.tracked
    parts = [
        f"**{report_text.format_severity(tracked)}**",
        report_text.format_state(status),
        report_text.format_location(tracked.anchor, report),
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
    reason = "the file is gone" if status.note.startswith("file deleted") else "no longer found"
    return f"{format_comment_marker('fixed', commit)}\n✅ Fixed in {link}: {reason}."


def render_reopened_comment(status: FindingStatus, report: RunReport) -> str:
    """Render the comment on reopening an issue: it names the current location."""
    anchor = status.tracked.anchor
    # Without a new report, the issue was closed although its finding was still open.
    event = "Reported again" if status.finding else "Still open"
    location = report_text.format_location(anchor, report)
    return f"{format_comment_marker('reopened', anchor.commit)}\n↩️ {event}: {location}."


def format_comment_marker(event: str, commit: str) -> str:
    """Format the first line of such a comment, which is posted once for a commit."""
    return f"<!-- batch-action:{event} v{markers.SCHEMA} commit={attribute(commit)} -->"
