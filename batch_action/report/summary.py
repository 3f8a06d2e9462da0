"""The job summary: what this run did, for the person who opens the run's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from batch_action.escape import html_code, markdown
from batch_action.models.files import Selection, Skipped
from batch_action.models.findings import Standing
from batch_action.models.report import Delivered, Night
from batch_action.models.requests import BatchState, Plan
from batch_action.report import text
from batch_action.report.guard import guarded, shown
from batch_action.report.templates import fill

T = TypeVar("T")

MOST_ROWS = 300
"""Rows of one table: the runner drops a summary of more than 1 MiB as a whole."""


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
        task=task,
        range=f"{selection.base[:12] if selection.base else ''}..{selection.head[:12]}",
        why=markdown(why),
        files=text.plural(len(selection.files) - len(plan.owed), "file"),
        requests=text.plural(len(plan.requests), "request"),
        batches=[(batch.id, batch.total, f"{batch.expires_at:%Y-%m-%d %H:%M}") for batch in sent],
        cost=plan.cost,
        dollars=text.dollars,
        tokens=plan.tokens,
        owed=_capped([html_code(file.path) for file in plan.owed]),
        skipped=_capped([_skipped(item) for item in selection.skipped]),
        skipped_count=len(selection.skipped),
        owed_count=len(plan.owed),
        dry_run=dry_run,
        nothing=not plan.requests,
    )


def collected(
    *,
    night: Night | None,
    standings: Sequence[Standing],
    delivered: Sequence[Delivered],
    waiting: Sequence[Waiting],
    dry_run: bool,
) -> str:
    """What came back, where it went, what it cost, and what is still running."""
    fresh = [s for s in standings if s.changed]
    hidden = bool(night and guarded(night))
    told = shown(fresh, night) if night else ()
    return fill(
        "collected.md.j2",
        night=night,
        verdict=text.verdict(shown(standings, night) if night else (), guarded=hidden),
        delivered=delivered,
        rows=[text.row(s, night) for s in told[:MOST_ROWS]] if night else [],
        guarded=hidden and len(told) < len(fresh),
        receipt=text.receipt_line(night.receipt) if night else "",
        skipped=text.skipped_line(night.receipt) if night else "",
        entries=_capped(
            [
                (html_code(e.path), e.account.value, markdown(e.reason))
                for e in night.receipt.entries
            ]
        )
        if night
        else [],
        cost=text.cost_line(night.spending) if night and night.spending else "",
        waiting=waiting,
        dry_run=dry_run,
    )


def warnings(sentences: Sequence[str]) -> str:
    """The sentences that need attention, as a list; empty when there are none."""
    if not sentences:
        return ""
    return "\n".join(["**Attention**", "", *(f"- {markdown(s)}" for s in sentences)])


def _skipped(item: Skipped) -> tuple[str, str, str]:
    return html_code(item.path), item.reason.value, markdown(item.detail)


def _capped(rows: list[T]) -> list[T]:
    return rows[:MOST_ROWS]
