"""The rolling issue's body: verdict and table first, details folded, the receipt at the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.escape import html_code, markdown, ours, table_cell
from batch_action.models.findings import LIVE, Standing, State
from batch_action.models.report import Account, Night
from batch_action.report import blocks, noise, tables, text
from batch_action.report.blocks import Written
from batch_action.report.guard import guarded
from batch_action.report.templates import fill

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
        "issue.md.j2",
        marker=marker,
        verdict=text.verdict(ordered, guarded=hidden),
        guarded=hidden,
        rows=rows,
        elsewhere=_elsewhere(len(rows), len(live), spilled),
        sections=_sections(ordered, kept),
        tail=tail or _tail(night, held),
    )


def _tail(night: Night, held: Sequence[tuple[str, int]]) -> str:
    """The account of a night: receipt, cost, and where it comes from."""
    return fill(
        "tail.md.j2",
        receipt=_receipt(night, held),
        returned=tables.returned(night, RECEIPT_ROOM),
        cost=text.cost_line(night.spending) if night.spending else "",
        footer=footer(night),
    )


def _row(standing: Standing, night: Night) -> tuple[str, ...]:
    return (*text.row(standing, night), markdown(standing.known.since, 20))


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
    """Live blocks in the open; pre-existing, fixed, ignored and dismissed ones folded."""

    def those(*states: State, old: bool | None = None) -> str:
        return blocks.joined(
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
            summary=f"{text.plural(older, 'finding')} older than the reviewed changes",
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
            lines=tuple(text.line(s) for s in ignored[:LISTED]),
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
    return f"- {text.title(standing.known)}{note} · {markdown(standing.known.closed, 20)}"


def _receipt(night: Night, held: Sequence[tuple[str, int]]) -> dict[str, object]:
    # What was not reviewed is what people look for.
    order = sorted(night.receipt.entries, key=lambda e: e.account is Account.REVIEWED)
    rows = [(html_code(e.path, 120), e.account.value, table_cell(e.reason, 120)) for e in order]
    fitting = _fit(rows, RECEIPT_ROOM)
    lines = []
    if len(fitting) < len(rows):
        lines.append(f"… and {text.plural(len(rows) - len(fitting), 'more file')}.")
    if skipped := text.skipped_line(night.receipt):
        lines.append(f"{skipped}.")
    if told := noise.sentence(held):
        lines.append(told)
    if night.discarded:
        remarks = text.plural(night.discarded, "remark")
        lines.append(f"{remarks} discarded: the quoted code is not in the file.")
    return {"summary": text.receipt_line(night.receipt), "rows": fitting, "lines": lines}


def footer(night: Night) -> list[str]:
    """Where a report comes from: run, batches, model, date."""
    parts = [f"[run]({night.run_url})"] if night.run_url else []
    batches = ", ".join(html_code(batch) for batch in night.batch_ids[:BATCHES])
    if len(night.batch_ids) > BATCHES:
        batches += f" and {len(night.batch_ids) - BATCHES} more"
    if batches:
        parts.append(f"batch {batches}")
    return [*parts, f"model {html_code(night.model)}", markdown(night.date, 20)]
