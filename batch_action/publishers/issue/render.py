"""The rolling issue's body: verdict and table first, details folded, the receipt at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from batch_action.escape import html_code, markdown, ours, table_cell
from batch_action.models.findings import (
    OPEN_STATES,
    FindingState,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.report import FileStatus, IssueDraft, RollingIssueState, RunReport
from batch_action.publishers import (
    finding_block,
    markers,
    tables,
    user_commands,
    visibility,
    wording,
)
from batch_action.publishers.finding_block import Written
from batch_action.publishers.templates import fill
from batch_action.publishers.visibility import guarded, shown
from batch_action.text import plural

TABLE_ROOM = 16_000
RECEIPT_ROOM = 8_000
LISTED = 10
BATCHES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A run of blocks in the body, folded under its summary if it has one."""

    summary: str
    blocks: str
    lines: tuple[str, ...] = ()


def body(
    marker: str,
    report: RunReport,
    ordered: Sequence[FindingStatus],
    kept: Sequence[Written],
    *,
    spilled: int = 0,
    suppressed: Sequence[tuple[str, int]] = (),
    footer: str = "",
) -> str:
    """The whole body with the kept blocks.

    `spilled`: how many stand in comments; `suppressed`: what was held back; `footer`: the account of an
    earlier night, where this one has none.
    """
    hidden = guarded(report)
    live = [s for s in ordered if s.tracked.state in OPEN_STATES]
    rows = _fit([_row(s, report) for s in live[: report.max_findings]], TABLE_ROOM)
    return fill(
        "issue/issue.md.j2",
        marker=marker,
        verdict=wording.verdict(ordered, guarded=hidden),
        guarded=hidden,
        rows=rows,
        remaining=_elsewhere(len(rows), len(live), spilled),
        sections=_sections(ordered, kept),
        footer=footer or _tail(report, suppressed),
    )


def _tail(report: RunReport, suppressed: Sequence[tuple[str, int]]) -> str:
    """The account of a night: receipt, cost, and where it comes from."""
    return fill(
        "issue/footer.md.j2",
        file_statuses=_receipt(report, suppressed),
        returned=tables.returned(report, RECEIPT_ROOM),
        cost=wording.cost_line(report.spending) if report.spending else "",
        footer=footer(report),
    )


def _row(standing: FindingStatus, report: RunReport) -> tuple[str, ...]:
    return (*wording.row(standing, report), markdown(standing.tracked.since, 20))


def _fit(rows: Sequence[tuple[str, ...]], room: int) -> list[tuple[str, ...]]:
    fitting = []
    for row in rows:
        room -= sum(len(cell) + 3 for cell in row)
        if room < 0:
            break
        fitting.append(row)
    return fitting


def _elsewhere(listed: int, live: int, spilled: int) -> str:
    told = f"The table shows the worst {listed} of {live}." if listed < live else ""
    where = f"{plural(spilled, 'finding')} told in the comments below." if spilled else ""
    return " ".join(part for part in (told, where) if part)


def _sections(ordered: Sequence[FindingStatus], kept: Sequence[Written]) -> list[Section]:
    """Live blocks in the open; pre-existing, fixed, ignored and dismissed ones folded."""

    def those(*states: FindingState, old: bool | None = None) -> str:
        return finding_block.joined(
            block
            for block in kept
            if block.tracked.state in states and old in (None, block.tracked.pre_existing)
        )

    def standing(state: FindingState) -> list[FindingStatus]:
        return [s for s in ordered if s.tracked.state is state]

    older = sum(b.tracked.pre_existing and b.tracked.state in OPEN_STATES for b in kept)
    fixed, ignored = standing(FindingState.FIXED), standing(FindingState.IGNORED)
    dismissed = standing(FindingState.DISMISSED)
    sections = [
        Section(summary="", blocks=those(*OPEN_STATES, old=False)),
        Section(
            summary=f"{plural(older, 'finding')} older than the reviewed changes",
            blocks=those(*OPEN_STATES, old=True),
        ),
        Section(
            summary=f"✅ Fixed: {len(fixed)}",
            blocks=those(FindingState.FIXED),
            lines=tuple(_fixed_line(s) for s in fixed[:LISTED]),
        ),
        Section(
            summary=_ignored(ignored),
            blocks=those(FindingState.IGNORED),
            lines=tuple(wording.line(s) for s in ignored[:LISTED]),
        ),
        Section(summary=f"Dismissed: {len(dismissed)}", blocks=those(FindingState.DISMISSED)),
    ]
    return [section for section in sections if section.blocks or section.lines]


def _ignored(ignored: Sequence[FindingStatus]) -> str:
    listed = sum(s.tracked.suppressed == "baseline" for s in ignored)
    counts = ((len(ignored) - listed, "a comment in the code"), (listed, "the baseline"))
    by = ", ".join(f"{count} by {what}" for count, what in counts if count)
    return f"Ignored: {by}"


def _fixed_line(standing: FindingStatus) -> str:
    note = f" · {ours(standing.note, 60)}" if standing.note else ""
    return f"- {wording.title(standing.tracked)}{note} · {markdown(standing.tracked.closed, 20)}"


def _receipt(report: RunReport, suppressed: Sequence[tuple[str, int]]) -> dict[str, object]:
    # What was not reviewed is what people look for.
    order = sorted(report.file_statuses.entries, key=lambda e: e.status is FileStatus.REVIEWED)
    rows = [(html_code(e.path, 120), e.status.value, table_cell(e.reason, 120)) for e in order]
    fitting = _fit(rows, RECEIPT_ROOM)
    lines = []
    if len(fitting) < len(rows):
        lines.append(f"… and {plural(len(rows) - len(fitting), 'more file')}.")
    if skipped := wording.skipped_line(report.file_statuses):
        lines.append(f"{skipped}.")
    if told := visibility.held_back_sentence(suppressed):
        lines.append(told)
    if report.discarded:
        remarks = plural(report.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return {"summary": wording.receipt_line(report.file_statuses), "rows": fitting, "lines": lines}


def footer(report: RunReport) -> list[str]:
    """Where a report comes from: run, batches, model, date."""
    parts = [f"[run]({report.run_url})"] if report.run_url else []
    batches = ", ".join(html_code(batch) for batch in report.batch_ids[:BATCHES])
    if len(report.batch_ids) > BATCHES:
        batches += f" and {len(report.batch_ids) - BATCHES} more"
    if batches:
        parts.append(f"batch {batches}")
    return [*parts, f"model {html_code(report.model)}", markdown(report.date, 20)]


LIMIT = 60_000
"""GitHub refuses bodies over 65,536 characters."""
COMMENT_LIMIT = 30_000
"""Half: while findings move, a comment holds its old and its new ones for a moment."""
NEW_ROOM = 300_000
"""Of one night's new blocks; ten comments' worth of details nobody has seen yet is plenty."""
FIXED_DAYS = 30
MOST_FIXED = 50
LONGEST_LABEL = 50
TAIL = "\n---\n\n<details><summary>Receipt: "
"""Where the body's last part begins: the account of the night."""


def parse(body: str, comments: Sequence[str]) -> RollingIssueState | None:
    """What an issue remembers; None when the body carries no marker of ours.

    Args:
        body: the issue's text as GitHub returns it.
        comments: the texts of comments by trusted authors only; those without findings are fine.

    Raises:
        GitHubError: a later version wrote it.

    """
    body = body.replace("\r\n", "\n")
    head = markers.read_head(body)
    if head is None:
        return None
    known: dict[str, TrackedFinding] = {}
    words: dict[str, str] = {}
    for source in (body, *comments):
        for block in markers.blocks(source):
            if block.tracked.fingerprint not in known:
                known[block.tracked.fingerprint] = block.tracked
                words[block.tracked.fingerprint] = user_commands.unboxed(block.text)
    return RollingIssueState(
        schema=markers.SCHEMA,
        task=markers.value(head, "task"),
        repository_id=markers.value(head, "repository"),
        head=markers.value(head, "head"),
        batches=tuple(b for b in markers.value(head, "batches").split(",") if b),
        first=head.get("first") == "1",
        tracked=tuple(known.values()),
        blocks=words,
        footer=body[start:].strip("\n") if (start := body.rfind(TAIL)) >= 0 else "",
    )


def render(
    report: RunReport,
    reconciled: Reconciliation,
    session: RollingIssueState | None,
    *,
    ticked: frozenset[str] = frozenset(),
) -> IssueDraft:
    """The rolling issue as it should read after tonight, with its overflow and notification.

    *ticked*: boxes that stay so, because nobody has looked yet who ticked them.
    """
    statuses = [wording.dated(s, report) for s in shown(reconciled.statuses, report)]
    news, night_marker = _news(statuses, report)
    if report.quiet and session:
        told = {known.fingerprint: known.state for known in session.tracked}
        statuses = [wording.as_before(s, told.get(s.tracked.fingerprint)) for s in statuses]
    live = [s for s in statuses if s.tracked.state in OPEN_STATES]
    live.sort(key=lambda s: s.tracked.pre_existing)
    fixed = _recently_fixed(statuses, report)
    others = (FindingState.IGNORED, FindingState.DISMISSED)
    ordered = [
        *live,
        *fixed,
        *(s for state in others for s in statuses if s.tracked.state is state),
    ]
    words = {**reconciled.blocks, **(session.blocks if session else {})}
    written = _written(ordered, words, report, ticked)
    marker = _marker(report, reconciled, session)
    footer = session.footer if report.quiet and session else ""
    suppressed = visibility.held_back(reconciled, report, max_findings=len(live))
    frame = body(marker, report, ordered, [], suppressed=suppressed, footer=footer)
    kept, spilled = _share(written, len(live), report, frame)
    pages = finding_block.pack(spilled, COMMENT_LIMIT - 1_000)
    outside = sum(block.tracked.state in OPEN_STATES for block in spilled)
    suppressed = visibility.held_back(reconciled, report, max_findings=outside)
    return IssueDraft(
        title=title(report),
        body=body(
            marker,
            report,
            ordered,
            kept,
            spilled=len(spilled),
            suppressed=suppressed,
            footer=footer,
        ),
        overflow=tuple(_more(page, n, len(pages)) for n, page in enumerate(pages, start=1)),
        comment=None if _opening(session, report) else news,
        comment_marker=night_marker,
        open=bool(live),
        labels=tuple(dict.fromkeys((*labels(report.task), *report.labels))),
        fingerprints=frozenset(s.tracked.fingerprint for s in ordered),
        suppressed=suppressed,
        assignees=report.assignees,
    )


def _marker(
    report: RunReport, reconciled: Reconciliation, session: RollingIssueState | None
) -> str:
    batches, first = report.batch_ids, _opening(session, report)
    if report.quiet and session:
        batches, first = session.batches, session.first
    identity = markers.named(report.task, report.state_key)
    return markers.head(identity, report.repository_id, reconciled.commit, batches, first=first)


def _opening(session: RollingIssueState | None, report: RunReport) -> bool:
    """Whether tonight opens the issue, or did so before it died."""
    return session is None or (session.first and session.batches == report.batch_ids)


def unmoved(reconciled: Reconciliation, session: RollingIssueState, report: RunReport) -> bool:
    """Whether a night without answers leaves every finding as the issue tells it."""
    now = {s.tracked.fingerprint: s.tracked.state for s in shown(reconciled.statuses, report)}
    before = {known.fingerprint: known.state for known in session.tracked}
    news = (FindingState.NEW, FindingState.BACK)
    return now == {f: FindingState.OPEN if s in news else s for f, s in before.items()}


def title(report: RunReport) -> str:
    """The title of a new issue; afterwards it is the people's."""
    key = f" ({report.state_key})" if report.state_key else ""
    return f"Nightly {report.task.replace('-', ' ')}{key}"


def labels(task: str) -> tuple[str, ...]:
    """The labels by which the issue is found; GitHub takes 50 characters, and no comma."""
    return "batch-action", f"batch-action:{task}".replace(",", "-")[:LONGEST_LABEL]


def _recently_fixed(statuses: Sequence[FindingStatus], report: RunReport) -> list[FindingStatus]:
    """The fixed findings worth remembering, the newest first; the changelog is git's."""

    def age(standing: FindingStatus) -> int:
        try:
            return (
                date.fromisoformat(report.date) - date.fromisoformat(standing.tracked.closed)
            ).days
        except ValueError:
            return 0

    fixed = [s for s in statuses if s.tracked.state is FindingState.FIXED and age(s) <= FIXED_DAYS]
    return sorted(fixed, key=age)[:MOST_FIXED]


def _written(
    ordered: Sequence[FindingStatus],
    words: dict[str, str],
    report: RunReport,
    ticked: frozenset[str],
) -> list[Written]:
    """All blocks: of what is not open, and once new ones fill many pages, brief ones."""
    written, room = [], NEW_ROOM
    for standing in ordered:
        known = standing.tracked
        told = words.get(known.fingerprint)
        finding = standing.finding if room > 0 and known.state in OPEN_STATES else None
        now = (
            finding_block.completed(told, finding)
            if told
            else finding_block.write(known, finding, report)
        )
        room -= len(now) - len(told or "")
        limit, stays = COMMENT_LIMIT - 1_000, known.fingerprint in ticked
        written.append(finding_block.wrapped(known, now, limit, ticked=stays))
    return written


def _share(
    written: Sequence[Written], live: int, report: RunReport, frame: str
) -> tuple[list[Written], list[Written]]:
    """The blocks for the body (the worst `max_findings` live ones, then the others), the rest."""
    room = LIMIT - len(frame) - 500
    kept: list[Written] = []
    spilled: list[Written] = []
    for number, block in enumerate(written):
        size = len(block.text) + 2
        if size > room or report.max_findings <= number < live:
            spilled.append(block)
        else:
            kept.append(block)
            room -= size
    return kept, spilled


def _more(page: Sequence[Written], number: int, of: int) -> str:
    return fill(
        "issue/continuation.md.j2",
        marker=markers.more(number),
        number=number,
        of=of,
        blocks=finding_block.joined(page),
    )


def _news(statuses: Sequence[FindingStatus], report: RunReport) -> tuple[str | None, str]:
    """The one notification of a night that changed something, and the line that marks it."""
    marker = markers.report(report.batch_ids, report.commit)
    changed = [s for s in statuses if s.changed]
    if not changed:
        return None, marker
    lines = [
        f"{wording.STATES[s.tracked.state]}: {wording.severity(s.tracked)} · {wording.title(s.tracked)} · "
        + (ours(s.note, 60) if s.note else wording.place(s.tracked.anchor, report))
        for s in changed[:LISTED]
    ]
    if len(changed) > LISTED:
        lines.append(f"… and {len(changed) - LISTED} more, all in the issue above")
    comment = fill(
        "issue/comment.md.j2",
        marker=marker,
        changes=wording.changes(changed),
        what=markdown(report.task.replace("-", " "), 60),
        lines=lines,
        run_url=report.run_url,
    )
    return comment, marker
