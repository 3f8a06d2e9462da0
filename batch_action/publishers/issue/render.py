"""The rolling issue's body: verdict and table first, details folded, the receipt at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from batch_action.escape import html_code, markdown, ours, table_cell
from batch_action.models.findings import LIVE, Known, Reconciled, Standing, State
from batch_action.models.report import Account, IssueDraft, IssueMemory, Night
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
    night: Night,
    ordered: Sequence[Standing],
    kept: Sequence[Written],
    *,
    spilled: int = 0,
    held: Sequence[tuple[str, int]] = (),
    tail: str = "",
) -> str:
    """The whole body with the kept blocks.

    `spilled`: how many stand in comments; `held`: what was held back; `tail`: the account of an
    earlier night, where this one has none.
    """
    hidden = guarded(night)
    live = [s for s in ordered if s.known.state in LIVE]
    rows = _fit([_row(s, night) for s in live[: night.max_findings]], TABLE_ROOM)
    return fill(
        "issue/issue.md.j2",
        marker=marker,
        verdict=wording.verdict(ordered, guarded=hidden),
        guarded=hidden,
        rows=rows,
        elsewhere=_elsewhere(len(rows), len(live), spilled),
        sections=_sections(ordered, kept),
        tail=tail or _tail(night, held),
    )


def _tail(night: Night, held: Sequence[tuple[str, int]]) -> str:
    """The account of a night: receipt, cost, and where it comes from."""
    return fill(
        "issue/footer.md.j2",
        receipt=_receipt(night, held),
        returned=tables.returned(night, RECEIPT_ROOM),
        cost=wording.cost_line(night.spending) if night.spending else "",
        footer=footer(night),
    )


def _row(standing: Standing, night: Night) -> tuple[str, ...]:
    return (*wording.row(standing, night), markdown(standing.known.since, 20))


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


def _sections(ordered: Sequence[Standing], kept: Sequence[Written]) -> list[Section]:
    """Live blocks in the open; pre-existing, fixed, ignored and dismissed ones folded."""

    def those(*states: State, old: bool | None = None) -> str:
        return finding_block.joined(
            block
            for block in kept
            if block.known.state in states and old in (None, block.known.pre_existing)
        )

    def standing(state: State) -> list[Standing]:
        return [s for s in ordered if s.known.state is state]

    older = sum(b.known.pre_existing and b.known.state in LIVE for b in kept)
    fixed, ignored = standing(State.FIXED), standing(State.IGNORED)
    dismissed = standing(State.DISMISSED)
    sections = [
        Section(summary="", blocks=those(*LIVE, old=False)),
        Section(
            summary=f"{plural(older, 'finding')} older than the reviewed changes",
            blocks=those(*LIVE, old=True),
        ),
        Section(
            summary=f"✅ Fixed: {len(fixed)}",
            blocks=those(State.FIXED),
            lines=tuple(_fixed_line(s) for s in fixed[:LISTED]),
        ),
        Section(
            summary=_ignored(ignored),
            blocks=those(State.IGNORED),
            lines=tuple(wording.line(s) for s in ignored[:LISTED]),
        ),
        Section(summary=f"Dismissed: {len(dismissed)}", blocks=those(State.DISMISSED)),
    ]
    return [section for section in sections if section.blocks or section.lines]


def _ignored(ignored: Sequence[Standing]) -> str:
    listed = sum(s.known.held == "baseline" for s in ignored)
    counts = ((len(ignored) - listed, "a comment in the code"), (listed, "the baseline"))
    by = ", ".join(f"{count} by {what}" for count, what in counts if count)
    return f"Ignored: {by}"


def _fixed_line(standing: Standing) -> str:
    note = f" · {ours(standing.note, 60)}" if standing.note else ""
    return f"- {wording.title(standing.known)}{note} · {markdown(standing.known.closed, 20)}"


def _receipt(night: Night, held: Sequence[tuple[str, int]]) -> dict[str, object]:
    # What was not reviewed is what people look for.
    order = sorted(night.receipt.entries, key=lambda e: e.account is Account.REVIEWED)
    rows = [(html_code(e.path, 120), e.account.value, table_cell(e.reason, 120)) for e in order]
    fitting = _fit(rows, RECEIPT_ROOM)
    lines = []
    if len(fitting) < len(rows):
        lines.append(f"… and {plural(len(rows) - len(fitting), 'more file')}.")
    if skipped := wording.skipped_line(night.receipt):
        lines.append(f"{skipped}.")
    if told := visibility.held_back_sentence(held):
        lines.append(told)
    if night.discarded:
        remarks = plural(night.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return {"summary": wording.receipt_line(night.receipt), "rows": fitting, "lines": lines}


def footer(night: Night) -> list[str]:
    """Where a report comes from: run, batches, model, date."""
    parts = [f"[run]({night.run_url})"] if night.run_url else []
    batches = ", ".join(html_code(batch) for batch in night.batch_ids[:BATCHES])
    if len(night.batch_ids) > BATCHES:
        batches += f" and {len(night.batch_ids) - BATCHES} more"
    if batches:
        parts.append(f"batch {batches}")
    return [*parts, f"model {html_code(night.model)}", markdown(night.date, 20)]


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


def parse(body: str, comments: Sequence[str]) -> IssueMemory | None:
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
    known: dict[str, Known] = {}
    words: dict[str, str] = {}
    for source in (body, *comments):
        for block in markers.blocks(source):
            if block.known.fingerprint not in known:
                known[block.known.fingerprint] = block.known
                words[block.known.fingerprint] = user_commands.unboxed(block.text)
    return IssueMemory(
        schema=markers.SCHEMA,
        task=markers.value(head, "task"),
        repository_id=markers.value(head, "repository"),
        head=markers.value(head, "head"),
        batches=tuple(b for b in markers.value(head, "batches").split(",") if b),
        first=head.get("first") == "1",
        known=tuple(known.values()),
        blocks=words,
        tail=body[start:].strip("\n") if (start := body.rfind(TAIL)) >= 0 else "",
    )


def render(
    night: Night,
    reconciled: Reconciled,
    memory: IssueMemory | None,
    *,
    ticked: frozenset[str] = frozenset(),
) -> IssueDraft:
    """The rolling issue as it should read after tonight, with its overflow and notification.

    *ticked*: boxes that stay so, because nobody has looked yet who ticked them.
    """
    standings = [wording.dated(s, night) for s in shown(reconciled.standings, night)]
    news, night_marker = _news(standings, night)
    if night.quiet and memory:
        told = {known.fingerprint: known.state for known in memory.known}
        standings = [wording.as_before(s, told.get(s.known.fingerprint)) for s in standings]
    live = [s for s in standings if s.known.state in LIVE]
    live.sort(key=lambda s: s.known.pre_existing)
    fixed = _recently_fixed(standings, night)
    others = (State.IGNORED, State.DISMISSED)
    ordered = [*live, *fixed, *(s for state in others for s in standings if s.known.state is state)]
    words = {**reconciled.words, **(memory.blocks if memory else {})}
    written = _written(ordered, words, night, ticked)
    marker = _marker(night, reconciled, memory)
    tail = memory.tail if night.quiet and memory else ""
    held = visibility.held_back(reconciled, night, max_findings=len(live))
    frame = body(marker, night, ordered, [], held=held, tail=tail)
    kept, spilled = _share(written, len(live), night, frame)
    pages = finding_block.pack(spilled, COMMENT_LIMIT - 1_000)
    outside = sum(block.known.state in LIVE for block in spilled)
    held = visibility.held_back(reconciled, night, max_findings=outside)
    return IssueDraft(
        title=title(night),
        body=body(marker, night, ordered, kept, spilled=len(spilled), held=held, tail=tail),
        overflow=tuple(_more(page, n, len(pages)) for n, page in enumerate(pages, start=1)),
        comment=None if _opening(memory, night) else news,
        comment_marker=night_marker,
        open=bool(live),
        labels=tuple(dict.fromkeys((*labels(night.task), *night.labels))),
        fingerprints=frozenset(s.known.fingerprint for s in ordered),
        held=held,
        assignees=night.assignees,
    )


def _marker(night: Night, reconciled: Reconciled, memory: IssueMemory | None) -> str:
    batches, first = night.batch_ids, _opening(memory, night)
    if night.quiet and memory:
        batches, first = memory.batches, memory.first
    identity = markers.named(night.task, night.state_key)
    return markers.head(identity, night.repository_id, reconciled.commit, batches, first=first)


def _opening(memory: IssueMemory | None, night: Night) -> bool:
    """Whether tonight opens the issue, or did so before it died."""
    return memory is None or (memory.first and memory.batches == night.batch_ids)


def unmoved(reconciled: Reconciled, memory: IssueMemory, night: Night) -> bool:
    """Whether a night without answers leaves every finding as the issue tells it."""
    now = {s.known.fingerprint: s.known.state for s in shown(reconciled.standings, night)}
    before = {known.fingerprint: known.state for known in memory.known}
    news = (State.NEW, State.BACK)
    return now == {f: State.OPEN if s in news else s for f, s in before.items()}


def title(night: Night) -> str:
    """The title of a new issue; afterwards it is the people's."""
    key = f" ({night.state_key})" if night.state_key else ""
    return f"Nightly {night.task.replace('-', ' ')}{key}"


def labels(task: str) -> tuple[str, ...]:
    """The labels by which the issue is found; GitHub takes 50 characters, and no comma."""
    return "batch-action", f"batch-action:{task}".replace(",", "-")[:LONGEST_LABEL]


def _recently_fixed(standings: Sequence[Standing], night: Night) -> list[Standing]:
    """The fixed findings worth remembering, the newest first; the changelog is git's."""

    def age(standing: Standing) -> int:
        try:
            return (date.fromisoformat(night.date) - date.fromisoformat(standing.known.closed)).days
        except ValueError:
            return 0

    fixed = [s for s in standings if s.known.state is State.FIXED and age(s) <= FIXED_DAYS]
    return sorted(fixed, key=age)[:MOST_FIXED]


def _written(
    ordered: Sequence[Standing], words: dict[str, str], night: Night, ticked: frozenset[str]
) -> list[Written]:
    """All blocks: of what is not open, and once new ones fill many pages, brief ones."""
    written, room = [], NEW_ROOM
    for standing in ordered:
        known = standing.known
        told = words.get(known.fingerprint)
        finding = standing.finding if room > 0 and known.state in LIVE else None
        now = (
            finding_block.completed(told, finding)
            if told
            else finding_block.write(known, finding, night)
        )
        room -= len(now) - len(told or "")
        limit, stays = COMMENT_LIMIT - 1_000, known.fingerprint in ticked
        written.append(finding_block.wrapped(known, now, limit, ticked=stays))
    return written


def _share(
    written: Sequence[Written], live: int, night: Night, frame: str
) -> tuple[list[Written], list[Written]]:
    """The blocks for the body (the worst `max_findings` live ones, then the others), the rest."""
    room = LIMIT - len(frame) - 500
    kept: list[Written] = []
    spilled: list[Written] = []
    for number, block in enumerate(written):
        size = len(block.text) + 2
        if size > room or night.max_findings <= number < live:
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


def _news(standings: Sequence[Standing], night: Night) -> tuple[str | None, str]:
    """The one notification of a night that changed something, and the line that marks it."""
    marker = markers.night(night.batch_ids, night.commit)
    changed = [s for s in standings if s.changed]
    if not changed:
        return None, marker
    lines = [
        f"{wording.STATES[s.known.state]}: {wording.severity(s.known)} · {wording.title(s.known)} · "
        + (ours(s.note, 60) if s.note else wording.place(s.known.anchor, night))
        for s in changed[:LISTED]
    ]
    if len(changed) > LISTED:
        lines.append(f"… and {len(changed) - LISTED} more, all in the issue above")
    comment = fill(
        "issue/comment.md.j2",
        marker=marker,
        changes=wording.changes(changed),
        what=markdown(night.task.replace("-", " "), 60),
        lines=lines,
        run_url=night.run_url,
    )
    return comment, marker
