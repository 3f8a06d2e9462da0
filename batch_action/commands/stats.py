"""`stats`: show what became of the findings, by rule, category and month."""

from typing import Any

from batch_action.clients.console import Console
from batch_action.context import RunContext
from batch_action.ledger import statistics, store
from batch_action.ledger.statistics import ENDINGS, Counts, Statistics
from batch_action.ledger.store import LedgerSession
from batch_action.text import format_dollars, plural

MAX_ROWS = 30


def stats(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Print the statistics of a task's ledger, or add them to *data*. Returns 0.

    Raises GitHubError, ConfigError: the ledger cannot be read.
    """
    session = session or store.load(ctx)
    computed = statistics.compute(session.view)
    if data is not None:
        named = {"task": ctx.task.name, "state_key": ctx.settings.state_key}
        data.append({**named, **describe(computed)})
    else:
        _print(ctx.console, ctx.title, computed)
    return 0


def describe(computed: Statistics) -> dict[str, Any]:
    """Return the statistics as JSON data."""
    per_fixed = computed.usd_per_fixed
    return {
        **_describe(computed.total),
        "usd": round(computed.usd, 6),
        "unknown_batches": computed.unknown_batches,
        "usd_per_fixed": None if per_fixed is None else round(per_fixed, 6),
        "categories": [
            {"category": category, **_describe(counts)}
            for category, counts in computed.by_category.items()
        ],
        "rules": [
            {"category": category, "rule": rule, **_describe(counts)}
            for (category, rule), counts in computed.by_rule.items()
        ],
        "months": [
            {
                "month": month.month,
                "found": month.found,
                "fixed": month.fixed,
                "dismissed": month.dismissed,
                "usd": round(month.usd, 6),
            }
            for month in computed.months
        ],
    }


def _describe(counts: Counts) -> dict[str, Any]:
    days = counts.median_days_to_fix
    return {
        "found": counts.found,
        **counts.now,
        "confirmed": counts.confirmed,
        "disputed": counts.disputed,
        "dismissal_reasons": counts.reasons,
        "median_days_to_fix": None if days is None else round(days, 2),
    }


def _print(console: Console, title: str, computed: Statistics) -> None:
    total = computed.total
    console.print(f"Task {title}: {plural(total.found, 'finding')} since the beginning.")
    endings = (name.capitalize() for name in ENDINGS)
    head = ["Found", *endings, "Confirmed", "Disputed", "Median days to the fix"]
    most_first = sorted(computed.by_rule.items(), key=lambda x: (-x[1].found, x[0]))
    console.table(
        ["Category", "Rule", *head],
        [
            *((category, "", *_cells(counts)) for category, counts in computed.by_category.items()),
            *(
                (category, rule, *_cells(counts))
                for (category, rule), counts in most_first[:MAX_ROWS]
            ),
            ("all", "", *_cells(total)),
        ],
    )
    console.table(
        ["Month", "Found", "Fixed", "Dismissed", "Paid"],
        [
            (m.month, str(m.found), str(m.fixed), str(m.dismissed), format_dollars(m.usd))
            for m in computed.months
        ],
    )
    if len(most_first) > MAX_ROWS:
        console.print(f"{len(most_first) - MAX_ROWS} more rules are in `--json`.")
    if total.reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in total.reasons.items())
        console.print(f"Reasons of the dismissals: {listed}.")
    console.print(_cost(computed))


def _cost(computed: Statistics) -> str:
    unknown = computed.unknown_batches
    without = f", without {plural(unknown, 'batch', 'batches')} of unknown price" if unknown else ""
    each = computed.usd_per_fixed
    per = f": {format_dollars(each)} per fixed finding" if each is not None else ""
    return f"Paid {format_dollars(computed.usd)}{without}{per}."


def _cells(counts: Counts) -> tuple[str, ...]:
    days = counts.median_days_to_fix
    now = (counts.now[name] for name in ENDINGS)
    numbers = (counts.found, *now, counts.confirmed, counts.disputed)
    return (*map(str, numbers), "" if days is None else f"{days:.1f}")
