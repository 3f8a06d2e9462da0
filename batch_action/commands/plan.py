"""`plan`: what would be sent and what it would cost. Spends nothing, needs no key."""

from batch_action.context import RunContext
from batch_action.ledger import store as sessions
from batch_action.ledger.store import LedgerSession
from batch_action.publishers import job_summary
from batch_action.publishers.wording import dollars
from batch_action.requests import planner
from batch_action.requests.planner import PreparedPlan
from batch_action.text import plural


def plan(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    exact: bool = False,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Show the plan as a table, or add it to *data*. Returns 0."""
    session = session or sessions.load(ctx)
    prepared = planner.prepare(ctx, session, exact=exact)
    if data is not None:
        data.append(as_data(ctx, prepared))
        return 0
    show(ctx, prepared)
    job_summary.planned(ctx, prepared)
    return 0


def as_data(ctx: RunContext, prepared: PreparedPlan) -> dict[str, object]:
    """The plan as JSON data; paths are as git names them."""
    chosen, made = prepared.selection, prepared.plan
    backlog = {file.path for file in made.backlog}
    return {
        "task": ctx.task.name,
        "task_from": ctx.task.origin or None,
        "state_key": ctx.settings.state_key,
        "model": ctx.settings.model,
        "head": chosen.head,
        "base": chosen.base,
        "base_from": prepared.explanation,
        "files": [
            {
                "path": file.path,
                "status": file.status.value,
                "old_path": file.old_path,
                "parts": len(file.parts),
                "masked_secrets": file.masked,
                "owed": file.path in backlog,
            }
            for file in chosen.files
        ],
        "skipped": [
            {"path": s.path, "reason": s.reason.value, "detail": s.detail} for s in chosen.skipped
        ],
        "owed": sorted(backlog),
        "way": made.mode.value,
        "note": made.note,
        "requests": len(made.requests),
        "batches": len(made.batches),
        "tokens": {
            "input": made.tokens.input,
            "output_max": made.tokens.output_max,
            "method": made.tokens.method,
            "error": round(made.tokens.error, 4),
        },
        "cost": {
            "interactive_usd": made.cost.interactive_usd,
            "batch_usd": made.cost.batch_usd,
            "batch_cached_usd": made.cost.batch_cached_usd,
            "due_usd": made.worst_usd,
            "priced": made.cost.priced,
            "worst_case": True,
        },
    }


def show(ctx: RunContext, prepared: PreparedPlan) -> None:
    """The plan as a person reads it."""
    chosen, made, console = prepared.selection, prepared.plan, ctx.console
    backlog = {file.path for file in made.backlog}
    base = chosen.base[:12] if chosen.base else "the beginning"
    if ctx.task.origin:
        kind = "verdict" if ctx.task.whole else "findings"
        console.say(
            f"{ctx.task.name} is your own task ({kind}), from {ctx.task.origin}: "
            f"{ctx.task.description}"
        )
    console.say(f"{ctx.title}: {base}..{chosen.head[:12]} ({prepared.explanation})")
    console.table(
        ["File", "Status", "Parts", ""],
        [
            (
                f.path,
                f.status.value,
                str(len(f.parts)),
                "owed: over the cap" if f.path in backlog else "",
            )
            for f in chosen.files
        ],
        title=plural(len(chosen.files), "file"),
        right=[2],
    )
    if chosen.skipped:
        rows = [(s.path, s.reason.value, s.detail) for s in chosen.skipped]
        console.table(["Skipped", "Reason", ""], rows, title=f"{len(rows)} skipped")
    if made.note:
        console.say(made.note)
    tokens = (
        f"{made.tokens.input:,} tokens in ({made.tokens.method}), {made.tokens.output_max:,} out"
    )
    costs = (made.cost.interactive_usd, made.cost.batch_usd, made.cost.batch_cached_usd)
    console.table(
        ["At most", "interactive", "batch", "batch + cache"],
        [(f"{plural(len(made.requests), 'request')}, {tokens}", *map(dollars, costs))],
        right=[1, 2, 3],
    )
