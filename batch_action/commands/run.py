"""`run`: collect ended batches, then submit; the failure of one does not stop the other."""

from collections.abc import Sequence

from batch_action.commands.collect import collect
from batch_action.commands.multi_task import ErrorReporter, recover_owner, run_for_each_task
from batch_action.commands.submit import submit
from batch_action.context import RunContext
from batch_action.ledger.store import LedgerSession
from batch_action.requests import send_strategy


def run(contexts: Sequence[RunContext], report_error: ErrorReporter) -> int:
    """Collect and submit for every task; return the first failure's exit code.

    Batches that wait for a warm-up of the prompt cache are sent after all tasks.
    """
    return run_for_each_task(
        contexts,
        (collect, submit),
        report_error,
        afterwards=(send_after_warmup,),
        find_owner=recover_owner,
        other_commands=(submit,),
    )


def send_after_warmup(ctx: RunContext, session: LedgerSession) -> int:
    """Wait for a warm-up of the prompt cache up to `wait-minutes`, then submit again."""
    if (
        ctx.settings.dry_run
        or ctx.settings.batch_id
        or not send_strategy.is_warm_up_pending(session.view)
    ):
        return 0
    code = 0
    while send_strategy.is_warm_up_pending(session.view) and ctx.now() < ctx.deadline:
        code = collect(ctx, session) or code
    if not send_strategy.is_warm_up_pending(session.view):
        code = submit(ctx, session) or code
    return code
