"""`status`: pending batches with age and expiry, owed files, spend."""

from batch_action.context import RunContext
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.artifacts import slots
from batch_action.ledger.store import LedgerSession
from batch_action.publishers import job_summary
from batch_action.publishers.pull_request import collect
from batch_action.publishers.wording import dollars
from batch_action.requests.planner import month_start


def status(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    data: list[dict[str, object]] | None = None,
) -> int:
    """Show where everything is, or add it to *data*. Returns 0."""
    session = session or sessions.load(ctx)
    ledger = session.ledger
    waiting = job_summary.waiting(ctx, session)
    backlog = view.backlog(ledger, max_attempts=ctx.settings.max_attempts, scope=ctx.scope)
    given_up = sorted({p for p, _ in view.given_up_files(ledger, ctx.settings.max_attempts)})
    spent = view.spend(ledger, month_start(ctx.now()))
    heads = view.heads(ledger)
    beside = collect.beside(ctx)
    flying = [*view.pending(beside.session.ledger)] if beside else []
    file = sessions.path_of(ctx)
    places = [*(slots(ctx) if ctx.github else ()), *([str(file)] * file.is_file())]
    where = ", ".join(places)
    told: dict[str, object] = {
        "task": ctx.task.name,
        "state_key": ctx.settings.state_key,
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
            {"pull": p.intended.pull, "batch": p.sent.batch, "requests": len(p.request_keys)}
            for p in flying
        ],
        "open_intents": [open_.intended.intent for open_ in view.open_intents(ledger)],
        "owed": sorted(backlog),
        "given_up": given_up,
        "month_usd": spent,
        "committed_usd": view.committed(ledger),
    }
    if data is not None:
        data.append(told)
        return 0
    console = ctx.console
    last = heads[0][:12] if heads else "no commit yet"
    console.say(f"Task {ctx.title}; last run on {last}; ledger: {where or 'none'}.")
    rows = [(w.batch, str(w.requests), f"{w.age_hours:.1f} h", w.expires) for w in waiting]
    console.table(["Pending batch", "Requests", "Age", "Expires"], rows or [("none", "", "", "")])
    if flying:
        numbers = sorted({p.intended.pull for p in flying if p.intended.pull})
        told_of = ", ".join(f"#{number}" for number in numbers)
        console.say(f"Pending for pull requests, too: {told_of}.")
    console.say(f"{len(backlog)} files owed: {', '.join(sorted(backlog)[:10]) or 'none'}")
    if given_up:
        console.say(f"{len(given_up)} given up: {', '.join(given_up[:10])}")
    if told["open_intents"]:
        console.say("A create is unanswered: the next run finds out whether its batch exists.")
    console.say(
        f"This month {dollars(spent)}; in flight at most {dollars(view.committed(ledger))}."
    )
    return 0
