"""The summary comment of a pull request, and the state that it stores.

It has a marker for every finding of the pull request. The text of a finding is in the comment on
its lines, or in the summary where no such comment is possible. What does not fit is in further
comments, its pages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

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
    "`/batch confirm <id>` confirms it, `/batch explain <id>` has it explained, "
    "`/batch recheck <id>` has its file reviewed again after the next push. "
    "The next collect answers."
)

_HEAD = re.compile(r"<!-- batch-action:review v(\d+) ([^\n]*?) ?-->")
_PAGE = re.compile(r"<!-- batch-action:review-page v(\d+) ([^\n]*?) n=(\d{1,4}) -->")
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
    pages: tuple[str, ...]
    """The texts of further comments, in their order."""
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
    _check_schema(match[1])
    return True


def page_number(body: str, identity: str) -> int | None:
    """Return which page of that summary a comment is; None when it is none of ours.

    Raises:
        GitHubError: a later version wrote it.
    """
    match = _PAGE.match(body)
    if match is None or f"{match[2]} head=" != identity:
        return None
    _check_schema(match[1])
    return int(match[3])


def _check_schema(version: str) -> None:
    if int(version) > markers.SCHEMA:
        raise GitHubError(
            f"The summary was written by a later version of batch-action (schema {version}).",
            fix="Update the action, or delete that comment to start a new one.",
        )


def parse(body: str) -> ReviewState:
    """Return the state in a summary of ours, or in a page of it."""
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
    open_statuses = [s for s in statuses if s.tracked.counts_as_open]
    open_statuses.sort(key=lambda s: s.tracked.pre_existing)
    disputed = [s for s in statuses if s.tracked.is_disputed]
    closed = [s for s in statuses if s.tracked.state not in OPEN_STATES]
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

    texts = _texts_in_summary(
        [*open_statuses, *disputed],
        {**reconciled.blocks, **(state.blocks if state else {})},
        report,
        comments,
    )
    texts = dict(islice(texts.items(), max_findings))
    first_chars = MAX_BODY_CHARS - RESERVED_CHARS - len(render_with([]))
    first, *more = _paginate([*open_statuses, *disputed, *closed], texts, first_chars)
    readable = texts.keys() | comments.urls.keys()
    unreadable = sum(s.tracked.fingerprint not in readable for s in open_statuses)
    return ReviewDraft(
        text=render_with(first),
        pages=_render_pages(more, open_statuses, report, comments),
        fingerprints=frozenset(b.tracked.fingerprint for page in (first, *more) for b in page),
        suppressed=suppressed.count_suppressed(reconciled, max_findings=unreadable),
        has_content=bool(
            open_statuses or disputed or unreviewed or report.file_verdicts or report.generated
        ),
    )


def render_unreviewed(statuses: FileStatuses) -> str:
    """Name the files without a review, with the reasons; empty if nothing but time is missing.

    So a pull request that was reviewed and one that was not never look alike.
    """
    unanswered = [e for e in statuses.others if e.status in UNANSWERED]
    kept_out = [e for e in statuses.others if e.status is FileStatus.NOT_REVIEWABLE]
    skipped = [e for e in statuses.others if e.status is FileStatus.SKIPPED]
    waiting = [e for e in statuses.others if e.status is FileStatus.IN_FLIGHT]
    if not (unanswered or kept_out):
        return ""
    count, total = len(unanswered) + len(waiting), len(statuses)
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


def _texts_in_summary(
    statuses: Sequence[FindingStatus],
    known: Mapping[str, str],
    report: RunReport,
    comments: InlineCommentIndex,
) -> dict[str, str]:
    """Return the texts of the findings that have no comment on their lines, by fingerprint."""
    return {
        status.tracked.fingerprint: _truncate(
            finding_block.render_text(status, known.get(status.tracked.fingerprint, ""), report)
        )
        for status in statuses
        if status.tracked.fingerprint not in comments.urls
    }


def _paginate(
    statuses: Sequence[FindingStatus], texts: Mapping[str, str], first_chars: int
) -> list[list[Block]]:
    """Return the blocks of the summary, which has room for *first_chars*, and of each page.

    A finding without a text has a block for its state alone.
    """
    pages: list[list[Block]] = [[]]
    left = first_chars
    for status in statuses:
        tracked = status.tracked
        text = markers.wrap_block(tracked, texts.get(tracked.fingerprint, ""))
        if len(text) + 2 > left:
            pages.append([])
            left = MAX_BODY_CHARS - RESERVED_CHARS - MAX_TABLE_CHARS
        left -= len(text) + 2
        pages[-1].append(Block(tracked=tracked, text=text))
    return pages


def _render_pages(
    pages: Sequence[Sequence[Block]],
    open_statuses: Sequence[FindingStatus],
    report: RunReport,
    comments: InlineCommentIndex,
) -> tuple[str, ...]:
    """Return the texts of the comments that follow the summary, which is the first page."""
    start = _identity_of(report).removesuffix(" head=")
    texts = []
    for number, blocks in enumerate(pages, 2):
        names = {block.tracked.fingerprint for block in blocks}
        shown = (s for s in open_statuses if s.tracked.fingerprint in names)
        text = render_template(
            "pull_request/review_page.md.j2",
            marker=f"<!-- batch-action:review-page v{markers.SCHEMA} {start} n={number} -->",
            number=number,
            task=markdown(report.task.replace("-", " "), 60),
            table=report_text.format_findings(shown, report, MAX_TABLE_CHARS, comments.urls),
            blocks=finding_block.join_blocks(blocks),
        )
        texts.append(text)
    return tuple(texts)


def _truncate(text: str) -> str:
    return cut(text, MAX_BLOCK_CHARS, "a comment")


def _identity_of(report: RunReport) -> str:
    return identity(report.task, report.repository_id, report.state_key, report.pull_request or 0)


def _state_fields(
    report: RunReport,
    reconciled: Reconciliation,
    state: ReviewState | None,
    comment_ids: Mapping[str, int],
) -> dict[str, str]:
    """Return the fields of the template from which `parse` reads the state."""
    start = _identity_of(report)
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
