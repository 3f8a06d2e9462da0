"""The rolling issue: read back as memory, and drafted anew.

Verdict, table, receipt and cost are regenerated every night; a finding's block is written once.
A public issue cannot remember what it must not tell: guarded security findings are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from batch_action.escape import html_code, markdown, table_cell, unattribute
from batch_action.models.findings import Known, Reconciled, Standing, State
from batch_action.models.report import Account, IssueDraft, IssueMemory, Night
from batch_action.report import blocks, markers, text
from batch_action.report.blocks import Written
from batch_action.report.templates import fill

LIMIT = 60_000
"""GitHub refuses bodies over 65,536 characters."""
COMMENT_LIMIT = 30_000
"""Half: while findings move, a comment holds its old and its new ones for a moment."""
TABLE_ROOM = 16_000
RECEIPT_ROOM = 8_000
LISTED = 10
FIXED_DAYS = 30
MOST_FIXED = 50
LONGEST_LABEL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A run of blocks in the body, folded under its summary if it has one."""

    summary: str
    blocks: str
    lines: tuple[str, ...] = ()


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
                words[block.known.fingerprint] = block.text
    return IssueMemory(
        schema=markers.SCHEMA,
        task=unattribute(head.get("task", "")),
        repository_id=unattribute(head.get("repository", "")),
        head=unattribute(head.get("head", "")),
        batches=tuple(unattribute(b) for b in head.get("batches", "").split(",") if b),
        first=head.get("first") == "1",
        known=tuple(known.values()),
        blocks=words,
    )


def shown(reconciled: Reconciled, night: Night) -> tuple[Standing, ...]:
    """The standings an issue may tell: on a public repository none about security."""
    guarded = night.public and not night.allow_public_security
    return tuple(s for s in reconciled.standings if not (guarded and s.known.security))


def render(night: Night, reconciled: Reconciled, memory: IssueMemory | None) -> IssueDraft:
    """The rolling issue as it should read after tonight, with its overflow and notification."""
    standings = [_dated(s, night) for s in shown(reconciled, night)]
    live = [s for s in standings if s.known.state in text.LIVE]
    live.sort(key=lambda s: s.known.pre_existing)
    fixed = _recently_fixed(standings, night)
    dismissed = [s for s in standings if s.known.state is State.DISMISSED]
    ordered = [*live, *fixed, *dismissed]
    words = memory.blocks if memory else {}
    written = [_block(s, words, night) for s in ordered]
    opening = _opening(memory, night)
    frame = _body(night, ordered, [], spilled=0, opening=opening)
    kept, spilled = _share(written, len(live), night, frame)
    pages = blocks.pack(spilled, COMMENT_LIMIT - 1_000)
    news, marker = _news(standings, night)
    return IssueDraft(
        title=f"Nightly {night.task.replace('-', ' ')}",
        body=_body(night, ordered, kept, spilled=len(spilled), opening=opening),
        overflow=tuple(_more(page, n, len(pages)) for n, page in enumerate(pages, start=1)),
        comment=None if opening else news,
        comment_marker=marker,
        open=bool(live),
        labels=tuple(dict.fromkeys((*labels(night.task), *night.labels))),
        fingerprints=frozenset(s.known.fingerprint for s in ordered),
    )


def _opening(memory: IssueMemory | None, night: Night) -> bool:
    """Whether tonight opens the issue, or did so before it died."""
    return memory is None or (memory.first and memory.batches == night.batch_ids)


def labels(task: str) -> tuple[str, ...]:
    """The labels by which the issue is found; GitHub takes 50 characters, and no comma."""
    return "batch-action", f"batch-action:{task}".replace(",", "-")[:LONGEST_LABEL]


def _dated(standing: Standing, night: Night) -> Standing:
    known = standing.known
    fixed = known.state is State.FIXED
    dates = {"since": known.since or night.date, "closed": known.closed or night.date}
    known = replace(known, since=dates["since"], closed=dates["closed"] if fixed else "")
    return replace(standing, known=known)


def _recently_fixed(standings: Sequence[Standing], night: Night) -> list[Standing]:
    """The fixed findings worth remembering, the newest first; the changelog is git's."""

    def age(standing: Standing) -> int:
        try:
            return (date.fromisoformat(night.date) - date.fromisoformat(standing.known.closed)).days
        except ValueError:
            return 0

    fixed = [s for s in standings if s.known.state is State.FIXED and age(s) <= FIXED_DAYS]
    return sorted(fixed, key=age)[:MOST_FIXED]


def _block(standing: Standing, words: dict[str, str], night: Night) -> Written:
    known = standing.known
    told = words.get(known.fingerprint)
    if told is None:
        told = blocks.write(known, standing.finding, night)
    return blocks.wrapped(known, told, COMMENT_LIMIT - 1_000)


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


def _body(
    night: Night,
    ordered: Sequence[Standing],
    kept: Sequence[Written],
    *,
    spilled: int,
    opening: bool,
) -> str:
    live = [s for s in ordered if s.known.state in text.LIVE]
    rows = _fit([_row(s, night) for s in live[: night.max_findings]], TABLE_ROOM)
    return fill(
        "issue.md.j2",
        marker=markers.head(
            night.task, night.repository_id, night.commit, night.batch_ids, first=opening
        ),
        verdict=text.verdict(ordered),
        guarded=night.public and not night.allow_public_security,
        rows=rows,
        elsewhere=_elsewhere(len(rows), len(live), spilled),
        sections=_sections(ordered, kept),
        receipt=_receipt(night),
        cost=text.cost_line(night.spending) if night.spending else "",
        footer=_footer(night),
    )


def _row(standing: Standing, night: Night) -> tuple[str, ...]:
    known = standing.known
    return (
        text.severity(known),
        text.title(known),
        text.place(known.anchor, night),
        text.state(standing),
        markdown(known.since, 20),
    )


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
    where = f"{text.plural(spilled, 'finding')} told in the comments below." if spilled else ""
    return " ".join(part for part in (told, where) if part)


def _sections(ordered: Sequence[Standing], kept: Sequence[Written]) -> list[Section]:
    """Live blocks in the open; pre-existing, fixed and dismissed ones folded."""

    def those(*states: State, old: bool | None = None) -> str:
        return blocks.joined(
            block
            for block in kept
            if block.known.state in states and old in (None, block.known.pre_existing)
        )

    def standing(state: State) -> list[Standing]:
        return [s for s in ordered if s.known.state is state]

    older = sum(b.known.pre_existing and b.known.state in text.LIVE for b in kept)
    fixed, dismissed = standing(State.FIXED), standing(State.DISMISSED)
    sections = [
        Section(summary="", blocks=those(*text.LIVE, old=False)),
        Section(
            summary=f"{text.plural(older, 'finding')} older than the reviewed changes",
            blocks=those(*text.LIVE, old=True),
        ),
        Section(
            summary=f"✅ Fixed: {len(fixed)}",
            blocks=those(State.FIXED),
            lines=tuple(_fixed_line(s) for s in fixed[:LISTED]),
        ),
        Section(summary=f"Dismissed: {len(dismissed)}", blocks=those(State.DISMISSED)),
    ]
    return [section for section in sections if section.blocks or section.lines]


def _fixed_line(standing: Standing) -> str:
    note = f" · {markdown(standing.note, 60)}" if standing.note else ""
    return f"- {text.title(standing.known)}{note} · {markdown(standing.known.closed, 20)}"


def _receipt(night: Night) -> dict[str, object]:
    # What was not reviewed is what people look for.
    order = sorted(night.receipt.entries, key=lambda e: e.account is Account.REVIEWED)
    rows = [(html_code(e.path, 120), e.account.value, table_cell(e.reason, 120)) for e in order]
    fitting = _fit(rows, RECEIPT_ROOM)
    lines = []
    if len(fitting) < len(rows):
        lines.append(f"… and {text.plural(len(rows) - len(fitting), 'more file')}.")
    if night.discarded:
        remarks = text.plural(night.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return {"summary": text.receipt_line(night.receipt), "rows": fitting, "lines": lines}


def _footer(night: Night) -> list[str]:
    parts = [f"[run]({night.run_url})"] if night.run_url else []
    batches = ", ".join(html_code(batch) for batch in night.batch_ids[:5])
    if len(night.batch_ids) > 5:  # noqa: PLR2004 - enough for a footer
        batches += f" and {len(night.batch_ids) - 5} more"
    if batches:
        parts.append(f"batch {batches}")
    return [*parts, f"model {html_code(night.model)}", markdown(night.date, 20)]


def _more(page: Sequence[Written], number: int, of: int) -> str:
    return fill(
        "more.md.j2",
        marker=markers.more(number),
        number=number,
        of=of,
        blocks=blocks.joined(page),
    )


def _news(standings: Sequence[Standing], night: Night) -> tuple[str | None, str]:
    """The one notification of a night that changed something, and the line that marks it."""
    marker = markers.night(night.batch_ids, night.commit)
    changed = [s for s in standings if s.changed]
    if not changed:
        return None, marker
    lines = [
        f"{text.STATES[s.known.state]}: {text.severity(s.known)} · {text.title(s.known)} · "
        + (markdown(s.note, 60) if s.note else text.place(s.known.anchor, night))
        for s in changed[:LISTED]
    ]
    if len(changed) > LISTED:
        lines.append(f"… and {len(changed) - LISTED} more, all in the issue above")
    comment = fill(
        "comment.md.j2",
        marker=marker,
        changes=text.changes(changed),
        what=markdown(night.task.replace("-", " "), 60),
        lines=lines,
        run_url=night.run_url,
    )
    return comment, marker
