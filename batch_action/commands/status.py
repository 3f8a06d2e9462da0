"""`status`: pending batches with age and expiry, owed files, spend."""

from batch_action.context import World
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.artifacts import slots
from batch_action.ledger.store import Memory
from batch_action.publishers import job_summary
from batch_action.publishers.pull_request import collect
from batch_action.publishers.wording import dollars
from batch_action.requests.planner import month_start


def status(
    world: World, memory: Memory | None = None, *, data: list[dict[str, object]] | None = None
) -> int:
    """Show where everything is, or add it to *data*. Returns 0."""
    memory = memory or memories.load(world)
    ledger = memory.ledger
    waiting = job_summary.waiting(world, memory)
    owed = view.owed(ledger, max_attempts=world.settings.max_attempts, scope=world.scope)
    given_up = sorted({p for p, _ in view.given_up_files(ledger, world.settings.max_attempts)})
    spent = view.spend(ledger, month_start(world.now()))
    heads = view.heads(ledger)
    beside = collect.beside(world)
    flying = [*view.pending(beside.memory.ledger)] if beside else []
    file = memories.path_of(world)
    places = [*(slots(world) if world.github else ()), *([str(file)] * file.is_file())]
    where = ", ".join(places)
    told: dict[str, object] = {
        "task": world.task.name,
        "state_key": world.settings.state_key,
        "ledger": where,
        "last_head": heads[0] if heads else None,
        "pending": [
            {
                "batch": w.batch,
                "requests": w.requests,
                "age_hours": round(w.age_hours, 2),
                "expires": w.expires,
            }
            for w in waiting
        ],
        "pull_requests": [
            {"pull": p.intended.pull, "batch": p.sent.batch, "requests": len(p.questions)}
            for p in flying
        ],
        "open_intents": [open_.intended.intent for open_ in view.open_intents(ledger)],
        "owed": sorted(owed),
        "given_up": given_up,
        "month_usd": spent,
        "committed_usd": view.committed(ledger),
    }
    if data is not None:
        data.append(told)
        return 0
    screen = world.screen
    last = heads[0][:12] if heads else "no commit yet"
    screen.say(f"Task {world.title}; last run on {last}; ledger: {where or 'none'}.")
    rows = [(w.batch, str(w.requests), f"{w.age_hours:.1f} h", w.expires) for w in waiting]
    screen.table(["Pending batch", "Requests", "Age", "Expires"], rows or [("none", "", "", "")])
    if flying:
        numbers = sorted({p.intended.pull for p in flying if p.intended.pull})
        told_of = ", ".join(f"#{number}" for number in numbers)
        screen.say(f"Pending for pull requests, too: {told_of}.")
    screen.say(f"{len(owed)} files owed: {', '.join(sorted(owed)[:10]) or 'none'}")
    if given_up:
        screen.say(f"{len(given_up)} given up: {', '.join(given_up[:10])}")
    if told["open_intents"]:
        screen.say("A create is unanswered: the next run finds out whether its batch exists.")
    screen.say(f"This month {dollars(spent)}; in flight at most {dollars(view.committed(ledger))}.")
    return 0
