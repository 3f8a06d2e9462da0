"""`run`: collect ended batches, then submit."""

from collections.abc import Sequence

from batch_action.commands.batch_owner import recover_owner
from batch_action.commands.collect import collect
from batch_action.commands.each_task import ErrorReporter, run_for_each_task
from batch_action.commands.submit import submit
from batch_action.commands.submit_pulls import submit_pull_requests
from batch_action.context import RunContext


def run(contexts: Sequence[RunContext], report_error: ErrorReporter) -> int:
    """Collect and submit for every task; return the first failure's exit code."""
    return run_for_each_task(
        contexts,
        (collect, submit, submit_pull_requests),
        report_error,
        find_owner=recover_owner,
        other_commands=(submit, submit_pull_requests),
    )
