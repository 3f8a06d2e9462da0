"""The whole night as one Markdown file: the issue's words, without its limits and its memory."""

from collections.abc import Iterable, Sequence

from batch_action.escape import html_code, markdown
from batch_action.models.findings import LIVE, Standing, State
from batch_action.models.report import Published
from batch_action.report import blocks, boxes, tables, text
from batch_action.report.guard import guarded, shown
from batch_action.report.held import hidden, sentence
from batch_action.report.templates import fill

ROOM = 4_000_000
"""Bytes of one table; a file has no limit but patience."""


def document(published: Published) -> str:
    """Verdict, table, every finding in full, judgements, generated files, receipt, cost."""
    night = published.night
    standings = shown(published.standings, night)
    live = [s for s in standings if s.known.state in LIVE]
    spending = night.spending
    return fill(
        "document.md.j2",
        task=markdown(night.task, 60),
        verdict=text.verdict(standings, guarded=guarded(night)),
        guarded=bool(hidden(published)),
        table=tables.table(
            ("Severity", "Finding", "Where", "State"), [text.row(s, night) for s in live], ROOM
        ),
        findings=_blocks([s for s in live if not s.known.pre_existing], published),
        older=_blocks([s for s in live if s.known.pre_existing], published),
        fixed=_lines(s for s in standings if s.known.state is State.FIXED and s.changed),
        accepted=_lines(s for s in standings if s.known.state in (State.IGNORED, State.DISMISSED)),
        destinations=[text.deed(d) for d in published.delivered],
        judgements=tables.judgements(published.night, ROOM),
        generated=tables.generated(published.night, ROOM),
        receipt=text.receipt_line(night.receipt),
        entries=tables.receipt(night.receipt, ROOM),
        skipped=text.skipped_line(night.receipt),
        held=sentence(published),
        cost=text.cost_line(spending) if spending else "",
        footer=" · ".join(_footer(published)),
    )


def _blocks(standings: Sequence[Standing], published: Published) -> str:
    """Each finding as some destination has worded it before, or with tonight's words."""
    words = published.reconciled.words
    return "\n\n".join(
        blocks.completed(boxes.unboxed(words[s.known.fingerprint]), s.finding)
        if s.known.fingerprint in words
        else blocks.write(s.known, s.finding, published.night)
        for s in standings
    )


def _lines(standings: Iterable[Standing]) -> list[str]:
    return [
        f"{text.severity(s.known)} · {text.title(s.known)} · "
        f"{html_code(s.known.anchor.path, text.LONGEST_PATH)} · {text.state(s)}"
        for s in standings
    ]


def _footer(published: Published) -> list[str]:
    night = published.night
    batches = ", ".join(html_code(batch) for batch in night.batch_ids)
    return [
        *([text.link("run", night.run_url)] if night.run_url else []),
        *([f"batch {batches}"] if batches else []),
        f"model {html_code(night.model)}",
        f"commit {html_code(night.commit[:12])}",
        markdown(night.date, 20),
    ]
