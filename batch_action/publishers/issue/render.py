"""Render the rolling issue, and parse the state in it.

The body starts with the headline and the table of open findings; their details and the file
statuses are folded.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from batch_action.escape import markdown, markdown_with_commits
from batch_action.findings import first_run
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.report import IssueDraft, RollingIssueState, RunReport
from batch_action.publishers import (
    finding_block,
    links,
    markers,
    report_text,
    suppressed,
    user_commands,
)
from batch_action.publishers.base import PublisherOptions
from batch_action.publishers.finding_block import keep_reported_state, set_dates
from batch_action.publishers.issue import left_out, month
from batch_action.publishers.markers import Block
from batch_action.publishers.report_text import render_template
from batch_action.text import plural, task_title

MAX_BODY_CHARS = 60_000
"""GitHub refuses bodies over 65,536 characters."""
MAX_COMMENT_CHARS = 30_000
"""Half of that: while findings move, a comment contains its old and its new ones."""
MAX_BLOCK_CHARS = MAX_COMMENT_CHARS - 1_000
MAX_TABLE_CHARS = 16_000
MAX_FILE_STATUSES_CHARS = 8_000
MAX_LISTED = 10
MAX_FIXED = 50
FIXED_DAYS = 30
ADVICE = (
    "Advice from a language model: check before you act. What you write inside a finding's "
    "details is preserved; close this issue as *not planned* to mute it. To dismiss a finding for "
    "good, tick its checkbox or comment `/batch wontfix <id> <reason>`; "
    "`/batch confirm <id>` confirms it, `/batch explain <id>` has it explained in a comment, "
    "`/batch recheck <id>` has its file reviewed again."
)
FOOTER_START = "\n---\n\n<details><summary>Files reviewed: "
"""The start of the last part of the body, which `last_run.md.j2` renders."""


def parse(body: str, comments: Sequence[str]) -> RollingIssueState | None:
    """Parse the state of an issue; None when the body has no marker.

    Args:
        body: the text of the issue, as GitHub returns it.
        comments: the texts of all comments by trusted authors.

    Raises:
        GitHubError: when a later version wrote the issue.
    """
    body = body.replace("\r\n", "\n")
    head = markers.parse_head(body)
    if head is None:
        return None
    tracked: dict[str, TrackedFinding] = {}
    blocks: dict[str, str] = {}
    for text in (body, *comments):
        for block in markers.parse_blocks(text):
            if block.tracked.fingerprint not in tracked:
                tracked[block.tracked.fingerprint] = block.tracked
                blocks[block.tracked.fingerprint] = user_commands.remove_checkbox(block.text)
    return RollingIssueState(
        head=markers.decode_field(head, "head"),
        batches=markers.decode_list(head, "batches"),
        just_opened=head.get("just-opened") == "1",
        tracked=tuple(tracked.values()),
        blocks=blocks,
        left_out=left_out.parse(body),
        footer=body[start:].strip("\n") if (start := body.rfind(FOOTER_START)) >= 0 else "",
    )


def render(
    report: RunReport,
    reconciliation: Reconciliation,
    state: RollingIssueState | None,
    options: PublisherOptions,
    *,
    ticked: frozenset[str] = frozenset(),
) -> IssueDraft:
    """Render the rolling issue with its overflow comments and its notification.

    Args:
        report: the report of the run.
        reconciliation: all findings after the run.
        state: what the issue contains now; None for a new issue.
        options: limits, labels and assignees.
        ticked: fingerprints whose checkboxes stay ticked, because they were not processed yet.
    """
    statuses = [set_dates(s, report) for s in reconciliation.visible]
    comment = _render_notification(statuses, report)
    statuses = _keep_reported_states(statuses, report, state, reconciliation.commit)
    ordered, max_findings = _order(statuses, report), options.max_findings
    if reconciliation.baselined:
        max_findings = min(max_findings, first_run.SHOWN)
    open_count = sum(s.tracked.counts_as_open for s in ordered)
    texts = {**reconciliation.blocks, **(state.blocks if state else {})}
    blocks = finding_block.render_blocks(
        ordered, texts, report, max_block_chars=MAX_BLOCK_CHARS, ticked=ticked
    )
    fields = _body_fields(report, reconciliation, state, ordered, options.max_findings)
    footer = state.footer if report.commands_only and state else ""

    def render_body(blocks: Sequence[Block], overflow_count: int, open_overflow: int) -> str:
        return render_template(
            "issue/issue.md.j2",
            **fields,
            remaining=_format_remaining(len(fields["rows"]), open_count, overflow_count),
            month=month.render(report, ticked),
            left_out=left_out.render(state.left_out if state else (), reconciliation, report),
            sections=finding_block.build_sections(ordered, blocks, "the reviewed changes"),
            footer=footer
            or finding_block.render_last_run(
                report, reconciliation, ADVICE, MAX_FILE_STATUSES_CHARS, max_findings=open_overflow
            ),
        )

    frame = render_body([], 0, open_count)
    in_body, overflow = _split_blocks(blocks, open_count, max_findings, frame)
    open_overflow = sum(block.tracked.counts_as_open for block in overflow)
    return IssueDraft(
        title=format_title(report),
        body=render_body(in_body, len(overflow), open_overflow),
        overflow=_render_continuations(finding_block.pack_blocks(overflow, MAX_BLOCK_CHARS)),
        comment=None if _is_just_opened(state, report) else comment,
        open=any(s.tracked.state in OPEN_STATES for s in ordered),
        labels=tuple(dict.fromkeys((*markers.labels_of(report.task), *options.labels))),
        fingerprints=frozenset(s.tracked.fingerprint for s in ordered),
        suppressed=suppressed.count_suppressed(reconciliation, max_findings=open_overflow),
        assignees=options.assignees,
    )


def is_unchanged(reconciliation: Reconciliation, state: RollingIssueState) -> bool:
    """Whether a run that reviewed nothing leaves every finding as and where the issue shows it."""
    new = (FindingState.NEW, FindingState.BACK)

    def shown(tracked: TrackedFinding) -> tuple[object, ...]:
        return tracked.state, tracked.anchor.path, tracked.verification, tracked.confirmed_by

    before = {
        t.fingerprint: shown(replace(t, state=FindingState.OPEN) if t.state in new else t)
        for t in state.tracked
    }
    after = (status.tracked for status in reconciliation.visible)
    return before == {t.fingerprint: shown(t) for t in after}


def format_title(report: RunReport) -> str:
    """Format the title of a new issue; later it is not written again."""
    return f"Nightly {task_title(report.task.replace('-', ' '), report.state_key)}"


def _body_fields(
    report: RunReport,
    reconciliation: Reconciliation,
    state: RollingIssueState | None,
    ordered: Sequence[FindingStatus],
    max_findings: int,
) -> dict[str, Any]:
    """Return the fields of the template that do not depend on the blocks."""
    hides_security = reconciliation.hides_security
    listed = [s for s in ordered if s.tracked.counts_as_open]
    if not reconciliation.baselined:
        listed = listed[:max_findings]
    return {
        "marker": _format_marker(report, reconciliation, state),
        "headline": report_text.format_headline(ordered, security_hidden=hides_security),
        "security_hidden": hides_security,
        "rows": _fit_rows(
            [report_text.format_table_row(s, report) for s in listed], MAX_TABLE_CHARS
        ),
    }


def _keep_reported_states(
    statuses: list[FindingStatus],
    report: RunReport,
    state: RollingIssueState | None,
    commit: str,
) -> list[FindingStatus]:
    """Keep what the last run reported as new, if this one only processed commands since."""
    if state is None or not report.commands_only or state.head != commit:
        return statuses
    reported = {tracked.fingerprint: tracked.state for tracked in state.tracked}
    return [keep_reported_state(s, reported.get(s.tracked.fingerprint)) for s in statuses]


def _order(statuses: Sequence[FindingStatus], report: RunReport) -> list[FindingStatus]:
    """Order open findings, the pre-existing ones last, before disputed and closed ones."""
    open_statuses = [s for s in statuses if s.tracked.counts_as_open]
    return [
        *sorted(open_statuses, key=lambda s: s.tracked.pre_existing),
        *(s for s in statuses if s.tracked.is_disputed),
        *_select_recently_fixed(statuses, report),
        *(s for s in statuses if s.tracked.state is FindingState.IGNORED),
        *(s for s in statuses if s.tracked.state is FindingState.DISMISSED),
    ]


def _select_recently_fixed(
    statuses: Sequence[FindingStatus], report: RunReport
) -> list[FindingStatus]:
    """Select the last fixed findings, the newest first; git has the complete history."""

    def age_days(status: FindingStatus) -> int:
        try:
            closed_on = date.fromisoformat(status.tracked.closed_on)
            return (date.fromisoformat(report.date) - closed_on).days
        except ValueError:
            return 0

    fixed = [s for s in statuses if s.tracked.state is FindingState.FIXED]
    recent = [s for s in fixed if age_days(s) <= FIXED_DAYS]
    return sorted(recent, key=age_days)[:MAX_FIXED]


def _format_marker(
    report: RunReport, reconciliation: Reconciliation, state: RollingIssueState | None
) -> str:
    batches, just_opened = report.batch_ids, _is_just_opened(state, report)
    if report.commands_only and state:
        batches, just_opened = state.batches, state.just_opened
    task = markers.qualify_task(report.task, report.state_key)
    identity = markers.identity_of(task, report.repository_id)
    return markers.format_head(identity, reconciliation.commit, batches, just_opened=just_opened)


def _is_just_opened(state: RollingIssueState | None, report: RunReport) -> bool:
    """Whether this run opens the issue, or opened it in an attempt that died."""
    return state is None or (state.just_opened and state.batches == report.batch_ids)


def _split_blocks(
    blocks: Sequence[Block], open_count: int, max_findings: int, frame: str
) -> tuple[list[Block], list[Block]]:
    """Split the blocks into those for the body and those for comments.

    The body gets the worst *max_findings* open ones, then as many of the others as fit.
    """
    left = MAX_BODY_CHARS - len(frame) - 500
    in_body: list[Block] = []
    overflow: list[Block] = []
    for number, block in enumerate(blocks):
        size = len(block.text) + 2
        if size > left or max_findings <= number < open_count:
            overflow.append(block)
        else:
            in_body.append(block)
            left -= size
    return in_body, overflow


def _fit_rows(rows: Sequence[tuple[str, ...]], max_chars: int) -> list[tuple[str, ...]]:
    fitting = []
    for row in rows:
        max_chars -= sum(len(cell) + 3 for cell in row)
        if max_chars < 0:
            break
        fitting.append(row)
    return fitting


def _format_remaining(listed: int, open_count: int, overflow_count: int) -> str:
    table = f"The table shows the worst {listed} of {open_count}." if listed < open_count else ""
    comments = (
        f"{plural(overflow_count, 'finding')} in the comments below." if overflow_count else ""
    )
    return " ".join(part for part in (table, comments) if part)


def _render_continuations(pages: Sequence[Sequence[Block]]) -> tuple[str, ...]:
    return tuple(
        render_template(
            "issue/continuation.md.j2",
            marker=markers.format_continuation(number),
            number=number,
            count=len(pages),
            blocks=finding_block.join_blocks(page),
        )
        for number, page in enumerate(pages, start=1)
    )


def _render_notification(statuses: Sequence[FindingStatus], report: RunReport) -> str | None:
    """Render the comment about a run's changes; None without changes."""
    changed = [s for s in statuses if s.changed]
    if not changed:
        return None
    lines = [_format_change(s, report) for s in changed[:MAX_LISTED]]
    if len(changed) > MAX_LISTED:
        lines.append(f"… and {len(changed) - MAX_LISTED} more, all in the issue above")
    return render_template(
        "issue/comment.md.j2",
        marker=markers.format_notification(report.batch_ids, report.commit),
        changes=report_text.format_changes(changed),
        task=markdown(report.task.replace("-", " "), 60),
        lines=lines,
        run_url=report.run_url,
    )


def _format_change(status: FindingStatus, report: RunReport) -> str:
    tracked = status.tracked
    location = links.format_location(tracked.anchor, report)
    return (
        f"{report_text.STATE_LABELS[tracked.state]}: {report_text.format_severity(tracked)}"
        f" · {report_text.format_title(tracked)}"
        f" · {markdown_with_commits(status.note, 60) if status.note else location}"
    )
