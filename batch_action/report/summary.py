"""The job summary: what this run did, for the person who opens the run's page."""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_action.escape import html_code, markdown, ours
from batch_action.models.files import Selection, Skipped
from batch_action.models.findings import LIVE, Standing
from batch_action.models.report import Night, Published
from batch_action.models.requests import BatchState, Plan, Way
from batch_action.report import charts, tables, text
from batch_action.report.guard import guarded, shown
from batch_action.report.held import hidden, sentence
from batch_action.report.templates import fill

ROOM = 80_000
"""Bytes of one table: the runner drops a summary of more than 1 MiB as a whole, and both halves of
a run share it."""
MOST_WAITING = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A batch that has not ended."""

    batch: str
    requests: int
    age_hours: float
    expires: str


def submitted(
    *,
    task: str,
    selection: Selection,
    why: str,
    plan: Plan,
    sent: Sequence[BatchState],
    dry_run: bool,
) -> str:
    """What was selected and sent, what it can cost at most, and every file that was left out."""
    return fill(
        "submitted.md.j2",
        task=markdown(task, 60),
        range=f"{selection.base[:12] if selection.base else ''}..{selection.head[:12]}",
        why=markdown(why),
        files=text.plural(len(selection.files) - len(plan.owed), "file"),
        requests=text.plural(len(plan.requests), "request"),
        batches=[(batch.id, batch.total, f"{batch.expires_at:%Y-%m-%d %H:%M}") for batch in sent],
        costs=_costs(plan),
        note=ours(plan.note, 500),
        tokens=plan.tokens,
        owed=_listed([file.path for file in plan.owed]),
        skipped=tables.table(
            ("File", "Reason", ""), [_skipped(item) for item in selection.skipped], ROOM
        ),
        skipped_count=len(selection.skipped),
        owed_count=len(plan.owed),
        dry_run=dry_run,
        nothing=not plan.requests,
    )


def _costs(plan: Plan) -> list[str]:
    """The three columns, the one that counts tonight in bold."""
    cost, now = plan.cost, plan.way is Way.INTERACTIVE
    columns = [cost.interactive_usd, cost.batch_usd, cost.batch_cached_usd]
    ours = 0 if now else 1
    return [
        f"**{text.dollars(usd)}**" if n == ours else text.dollars(usd)
        for n, usd in enumerate(columns)
    ]


def collected(
    published: Published | None, *, waiting: Sequence[Waiting], dry_run: bool = False
) -> str:
    """What came back, where it went, what it cost, and what is still running.

    None: nothing had ended. Always far below the 1 MiB at which the runner drops a summary.
    """
    told = _told(published) if published else {}
    return fill(
        "collected.md.j2",
        night=published is not None,
        waiting=waiting[:MOST_WAITING],
        waiting_more=max(0, len(waiting) - MOST_WAITING),
        dry_run=dry_run,
        **told,
    )


def _told(published: Published) -> dict[str, object]:
    night = published.night
    standings = shown(published.standings, night)
    news = [s for s in standings if s.changed]
    older = [s for s in standings if not s.changed and s.known.state in LIVE]
    spending = night.spending
    return {
        "task": markdown(night.title, 60),
        "pull": f" on #{night.pull}" if night.pull else "",
        "verdict": text.verdict(standings, guarded=guarded(night)),
        "charts": [
            chart
            for chart in (
                charts.severities(standings),
                charts.costs(spending.cost) if spending else "",
            )
            if chart
        ],
        "destinations": [text.deed(d) for d in published.delivered],
        "news": _findings(news, night),
        "guarded": bool(hidden(published)),
        "older": _findings(older, night),
        "older_summary": f"Open since earlier nights: {len(older)}",
        "judgements": tables.judgements(published.night, ROOM),
        "generated": tables.generated(published.night, ROOM),
        "cost": text.cost_line(spending) if spending else "",
        "receipt": text.receipt_line(night.receipt),
        "entries": tables.receipt(night.receipt, ROOM),
        "skipped": text.skipped_line(night.receipt),
        "held": sentence(published),
    }


def _findings(standings: Sequence[Standing], night: Night) -> str:
    rows = [text.row(standing, night) for standing in standings]
    return tables.table(("Severity", "Finding", "Where", "State"), rows, ROOM)


def warnings(sentences: Sequence[str]) -> str:
    """The sentences that need attention, as a list; empty when there are none."""
    if not sentences:
        return ""
    return "\n".join(["**Attention**", "", *(f"- {ours(s)}" for s in sentences)])


def _skipped(item: Skipped) -> tuple[str, str, str]:
    return html_code(item.path), item.reason.value, markdown(item.detail)


def _listed(paths: Sequence[str]) -> list[str]:
    """Lines of a list that fit, the last one telling how many do not."""
    lines: list[str] = []
    room = ROOM
    for path in paths:
        line = html_code(path)
        room -= len(line.encode()) + 3
        if room < 0:
            return [*lines, f"… and {len(paths) - len(lines)} more"]
        lines.append(line)
    return lines
