"""The summary comment of a pull request, and the state that it stores.

It has a marker for every finding of the pull request. The text of a finding is in the comment on
its lines, or in the summary where no such comment is possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.errors import GitHubError
from batch_action.escape import attribute, html_code, markdown
from batch_action.models.findings import (
    OPEN_STATES,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.report import FileStatus, FileStatusEntry, FileStatuses, RunReport
from batch_action.publishers import finding_block, markers, report_text, suppressed
from batch_action.publishers.finding_block import set_dates
from batch_action.publishers.markers import Block
from batch_action.publishers.prose import cut
from batch_action.publishers.report_text import render_template
from batch_action.text import plural, shorten_path

MAX_BODY_CHARS = 64_000
"""GitHub refuses comments over 65,536 characters."""
RESERVED_CHARS = 1_000
MAX_TABLE_CHARS = 12_000
MAX_FILE_STATUSES_CHARS = 6_000
MAX_BLOCK_CHARS = 12_000
MAX_UNREVIEWED_NAMED = 30
UNANSWERED = (
    FileStatus.BACKLOG,
    FileStatus.REFUSED,
    FileStatus.WITHDRAWN,
    FileStatus.GIVEN_UP,
)
"""The statuses of files that were not reviewed, and may be later."""
ADVICE = (
    "Advice from a language model: check before you act. "
    "To dismiss a finding for good, reply `/batch wontfix <reason>` "
    "below its comment, or comment `/batch wontfix <id> <reason>`; "
    "`/batch recheck <id>` has its file reviewed again after the next push. "
    "The next collect answers."
)

_HEAD = re.compile(r"<!-- batch-action:review v(\d+) ([^\n]*?) ?-->")
_INDEX = re.compile(r"^<!-- batch-action:inline v\d+ ?([^\n]*?) ?-->", re.MULTILINE)
_LAST_RUN = re.compile(
    r"^<!-- batch-action:last-run -->\n(.*)^<!-- /batch-action:last-run -->",
    re.MULTILINE | re.DOTALL,
)
_UNREVIEWED = re.compile(
    r"^<!-- batch-action:unreviewed -->\n(.*)^<!-- /batch-action:unreviewed -->",
    re.MULTILINE | re.DOTALL,
)
_INDEX_ENTRY = re.compile(r"([0-9a-f]{16})=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineCommentIndex:
    """The review comments, by the fingerprint of their finding."""

    urls: Mapping[str, str]
    """The comments that exist."""
    ids: Mapping[str, int]
    """All comments ever posted: one that a person deleted is not posted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewState:
    """The state in a summary."""

    head: str
    batches: tuple[str, ...]
    tracked: tuple[TrackedFinding, ...]
    blocks: Mapping[str, str]
    """Fingerprint to the finding's text, where the summary has it."""
    comments: Mapping[str, int]
    """Fingerprint to the id of the comment on its lines."""
    unreviewed: str
    """The sentences that name the files without a review, as Markdown."""
    last_run: str
    """The section with the file statuses and the cost of the last batch, as Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDraft:
    """The new text of the summary."""

    text: str
    fingerprints: frozenset[str]
    """All findings with a marker."""
    suppressed: tuple[tuple[str, int], ...]
    has_content: bool
    """Whether there is anything to report."""


def identity(task: str, repository_id: str, state_key: str, number: int) -> str:
    """Return the part of the first line that identifies the summary in every version."""
    qualified_task = markers.qualify_task(task, state_key)
    repository = attribute(repository_id)
    return f"task={attribute(qualified_task)} repository={repository} pull={number} head="


def is_ours(body: str, identity: str) -> bool:
    """Return whether a comment is that summary.

    Raises:
        GitHubError: a later version wrote it.
    """
    match = _HEAD.match(body)
    if match is None or not match[2].startswith(identity):
        return False
    if int(match[1]) > markers.SCHEMA:
        raise GitHubError(
            f"The summary was written by a later version of batch-action (schema {match[1]}).",
            fix="Update the action, or delete that comment to start a new one.",
        )
    return True


def parse(body: str) -> ReviewState:
    """Return the state in a summary of ours."""
    body = body.replace("\r\n", "\n")
    match, index, last_run = _HEAD.match(body), _INDEX.search(body), _LAST_RUN.search(body)
    unreviewed = _UNREVIEWED.search(body)
    fields = markers.parse_fields(match[2]) if match else {}
    blocks = {block.tracked.fingerprint: block for block in markers.parse_blocks(body)}
    entries = _INDEX_ENTRY.findall(index[1] if index else "")
    return ReviewState(
        head=markers.decode_field(fields, "head"),
        batches=markers.decode_list(fields, "batches"),
        tracked=tuple(block.tracked for block in blocks.values()),
        blocks={name: block.text for name, block in blocks.items() if block.text.strip()},
        comments={fingerprint: int(number) for fingerprint, number in entries},
        unreviewed=unreviewed[1].strip("\n") if unreviewed else "",
        last_run=last_run[1].strip("\n") if last_run else "",
    )


def review_body(posted: int, new: int) -> str:
    """Return the text of a review: how many findings are on lines, and how many are not."""
    more = f"; {new - posted} more in the summary" if new > posted else ""
    return f"**{plural(posted, 'new finding')}** on the lines below{more}."


def render(
    report: RunReport,
    reconciled: Reconciliation,
    state: ReviewState | None,
    comments: InlineCommentIndex,
    max_findings: int,
) -> ReviewDraft:
    """Return the summary's text after a run.

    *state*: that of the summary before it; *max_findings*: how many are shown in full.
    """
    statuses = [set_dates(s, report) for s in reconciled.visible]
    open_statuses = [s for s in statuses if s.tracked.state in OPEN_STATES]
    open_statuses.sort(key=lambda s: s.tracked.pre_existing)
    closed = [s for s in statuses if s.tracked.state not in OPEN_STATES]
    texts = {**reconciled.blocks, **(state.blocks if state else {})}

    unreviewed = render_unreviewed(report.file_statuses)
    state_fields = _state_fields(report, reconciled, state, comments.ids)

    def render_with(blocks: Sequence[Block]) -> str:
        return render_template(
            "pull_request/review.md.j2",
            **state_fields,
            task=markdown(report.task.replace("-", " "), 60),
            security_hidden=reconciled.hides_security,
            unreviewed=unreviewed,
            headline=report_text.format_headline(
                statuses, security_hidden=reconciled.hides_security
            ),
            table=report_text.format_findings(
                open_statuses[:max_findings], report, MAX_TABLE_CHARS, comments.urls
            ),
            remaining=(
                f"The table shows the worst {max_findings} of {len(open_statuses)}."
                if len(open_statuses) > max_findings
                else ""
            ),
            sections=finding_block.build_sections(statuses, blocks, "this pull request"),
        )

    max_chars = MAX_BODY_CHARS - RESERVED_CHARS - len(render_with([]))
    blocks, readable = _fit_blocks(
        [*open_statuses, *closed], texts, report, comments, max_findings, max_chars
    )
    unreadable = sum(s.tracked.fingerprint not in readable for s in open_statuses)
    return ReviewDraft(
        text=render_with(blocks),
        fingerprints=frozenset(block.tracked.fingerprint for block in blocks),
        suppressed=suppressed.count_suppressed(reconciled, max_findings=unreadable),
        has_content=bool(open_statuses or unreviewed or report.file_verdicts or report.generated),
    )


def render_unreviewed(statuses: FileStatuses) -> str:
    """Name the files without a review, with the reasons; empty if nothing but time is missing.

    So a pull request that was reviewed and one that was not never look alike.
    """
    unanswered = [e for e in statuses.entries if e.status in UNANSWERED]
    kept_out = [e for e in statuses.entries if e.status is FileStatus.NOT_REVIEWABLE]
    skipped = [e for e in statuses.entries if e.status is FileStatus.SKIPPED]
    waiting = [e for e in statuses.entries if e.status is FileStatus.IN_FLIGHT]
    if not (unanswered or kept_out):
        return ""
    count, total = len(unanswered) + len(waiting), len(statuses.entries)
    total -= len(kept_out) + len(skipped)
    parts = [
        (f"{count} of {plural(total, 'file')} not reviewed yet", [*unanswered, *waiting]),
        (f"{plural(len(kept_out), 'file')} cannot be reviewed", kept_out),
        (f"{plural(len(skipped), 'new file')} skipped by the default ignores", skipped),
    ]
    return "\n\n".join(
        f"⚠️ **{label}:** {_format_names(entries)}" for label, entries in parts if entries
    )


def _format_names(entries: Sequence[FileStatusEntry]) -> str:
    # A reason that only this run knows would make the next run write another sentence.
    reasons = (
        e.status.value if e.status in UNANSWERED else e.reason or e.status.value for e in entries
    )
    names = [
        f"{html_code(shorten_path(entry.path))} ({markdown(reason, 80)})"
        for entry, reason in zip(entries[:MAX_UNREVIEWED_NAMED], reasons, strict=False)
    ]
    more = f" and {len(entries) - len(names)} more" if len(entries) > len(names) else ""
    return f"{', '.join(names)}{more}."


def _fit_blocks(
    statuses: Sequence[FindingStatus],
    texts: Mapping[str, str],
    report: RunReport,
    comments: InlineCommentIndex,
    max_findings: int,
    max_chars: int,
) -> tuple[list[Block], frozenset[str]]:
    """Return a block for each finding within the limit, and the findings whose text is readable.

    First every finding gets its marker, which stores its state; then the most severe get their
    text.
    """
    blocks: list[Block] = []
    for status in statuses:
        marker = markers.wrap_block(status.tracked, "")
        max_chars -= len(marker) + 2
        if max_chars < 0:
            break
        blocks.append(Block(tracked=status.tracked, text=marker))
    readable = {s.tracked.fingerprint for s in statuses if s.tracked.fingerprint in comments.urls}
    count = 0
    for number, block in enumerate(blocks):
        status = statuses[number]
        tracked = status.tracked
        if tracked.state not in OPEN_STATES or tracked.fingerprint in readable:
            continue
        text = texts.get(tracked.fingerprint) or finding_block.render_block(
            tracked, status.finding, report
        )
        text = _truncate(finding_block.complete_block(text, status.finding))
        block_text = markers.wrap_block(tracked, text)
        max_chars -= len(block_text) - len(block.text)
        if max_chars < 0 or count == max_findings:
            break
        blocks[number] = Block(tracked=tracked, text=block_text)
        readable.add(tracked.fingerprint)
        count += 1
    return blocks, frozenset(readable)


def _truncate(text: str) -> str:
    return cut(text, MAX_BLOCK_CHARS, "a comment")


def _state_fields(
    report: RunReport,
    reconciled: Reconciliation,
    state: ReviewState | None,
    comment_ids: Mapping[str, int],
) -> dict[str, str]:
    """Return the fields of the template from which `parse` reads the state."""
    start = identity(report.task, report.repository_id, report.state_key, report.pull_request or 0)
    batches = report.batch_ids or (state.batches if state else ())
    head = f"{start}{attribute(reconciled.commit)} batches={markers.encode_list(batches)}"
    index = " ".join(f"{name}={comment_ids[name]}" for name in sorted(comment_ids))
    if state and report.commands_only:
        last_run = state.last_run
    else:
        last_run = finding_block.render_last_run(
            report, reconciled, ADVICE, MAX_FILE_STATUSES_CHARS
        )
    return {
        "marker": f"<!-- batch-action:review v{markers.SCHEMA} {head} -->",
        "index": f"<!-- batch-action:inline v{markers.SCHEMA} {index} -->",
        "last_run": last_run,
    }
