"""`run`: collect what has ended, then submit what is new; one failing never stops the other."""

from collections.abc import Sequence

from batch_action.commands.collect import collect
from batch_action.commands.multi_task import Tell, recovered, run_for_each_task
from batch_action.commands.submit import submit
from batch_action.context import RunContext
from batch_action.ledger.store import LedgerSession
from batch_action.requests import send_strategy


def run(contexts: Sequence[RunContext], tell: Tell) -> int:
    """Both halves for every task, on one memory. Returns the first failure's exit code.

    What waits for a warm-up of the prompt cache is sent once all tasks are through.
    """
    halves = (collect, submit)
    return run_for_each_task(
        contexts, halves, tell, then=(warmed,), whose=recovered, others=(submit,)
    )


def warmed(ctx: RunContext, session: LedgerSession) -> int:
    """Wait for a warm-up until `wait-minutes` are over, then send what waits for it."""
    until = ctx.deadline
    if ctx.settings.dry_run or ctx.settings.batch_id or not send_strategy.awaited(session.ledger):
        return 0
    code = 0
    while send_strategy.awaited(session.ledger) and ctx.now() < until:
        code = collect(ctx, session) or code
    if not send_strategy.awaited(session.ledger):
        code = submit(ctx, session) or code
    return code
