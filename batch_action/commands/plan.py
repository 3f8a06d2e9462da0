"""`plan`: what would be sent and what it would cost. Spends nothing, needs no key."""

from batch_action.context import World
from batch_action.ledger import store as memories
from batch_action.ledger.store import Memory
from batch_action.publishers import job_summary
from batch_action.publishers.wording import dollars
from batch_action.requests import planner
from batch_action.requests.planner import Prepared
from batch_action.text import plural


def plan(
    world: World,
    memory: Memory | None = None,
    *,
    exact: bool = False,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Show the plan as a table, or add it to *data*. Returns 0."""
    memory = memory or memories.load(world)
    prepared = planner.prepare(world, memory, exact=exact)
    if data is not None:
        data.append(as_data(world, prepared))
        return 0
    show(world, prepared)
    job_summary.planned(world, prepared)
    return 0


def as_data(world: World, prepared: Prepared) -> dict[str, object]:
    """The plan as JSON data; paths are as git names them."""
    chosen, made = prepared.selection, prepared.plan
    owed = {file.path for file in made.owed}
    return {
        "task": world.task.name,
        "task_from": world.task.origin or None,
        "state_key": world.settings.state_key,
        "model": world.settings.model,
        "head": chosen.head,
        "base": chosen.base,
        "base_from": prepared.why,
        "files": [
            {
                "path": file.path,
                "status": file.status.value,
                "old_path": file.old_path,
                "parts": len(file.parts),
                "masked_secrets": file.masked,
                "owed": file.path in owed,
            }
            for file in chosen.files
        ],
        "skipped": [
            {"path": s.path, "reason": s.reason.value, "detail": s.detail} for s in chosen.skipped
        ],
        "owed": sorted(owed),
        "way": made.way.value,
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


def show(world: World, prepared: Prepared) -> None:
    """The plan as a person reads it."""
    chosen, made, screen = prepared.selection, prepared.plan, world.screen
    owed = {file.path for file in made.owed}
    base = chosen.base[:12] if chosen.base else "the beginning"
    if world.task.origin:
        kind = "verdict" if world.task.whole else "findings"
        screen.say(
            f"{world.task.name} is your own task ({kind}), from {world.task.origin}: "
            f"{world.task.description}"
        )
    screen.say(f"{world.title}: {base}..{chosen.head[:12]} ({prepared.why})")
    screen.table(
        ["File", "Status", "Parts", ""],
        [
            (
                f.path,
                f.status.value,
                str(len(f.parts)),
                "owed: over the cap" if f.path in owed else "",
            )
            for f in chosen.files
        ],
        title=plural(len(chosen.files), "file"),
        right=[2],
    )
    if chosen.skipped:
        rows = [(s.path, s.reason.value, s.detail) for s in chosen.skipped]
        screen.table(["Skipped", "Reason", ""], rows, title=f"{len(rows)} skipped")
    if made.note:
        screen.say(made.note)
    tokens = (
        f"{made.tokens.input:,} tokens in ({made.tokens.method}), {made.tokens.output_max:,} out"
    )
    costs = (made.cost.interactive_usd, made.cost.batch_usd, made.cost.batch_cached_usd)
    screen.table(
        ["At most", "interactive", "batch", "batch + cache"],
        [(f"{plural(len(made.requests), 'request')}, {tokens}", *map(dollars, costs))],
        right=[1, 2, 3],
    )
