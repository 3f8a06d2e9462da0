"""Choose the functions of a command, and run them for the tasks of a run.

The modules of a command are imported when it runs: those of `collect` take as long as a small plan.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from batch_action.commands.each_task import (
    ErrorReporter,
    FindOwner,
    run_for_each_task,
    run_without_ledger,
)
from batch_action.context import RunContext

if TYPE_CHECKING:
    from batch_action.requests.planner import Plan


def run_command(
    name: str, contexts: Sequence[RunContext], report_error: ErrorReporter, **options: Any
) -> int:
    """Run a command for every task and return the exit code."""
    match name:
        case "run":
            from batch_action.commands.run import run

            return run(contexts, report_error)
        case "propose":
            from batch_action.commands.propose import propose

            return run_without_ledger(contexts[:1], propose, report_error)
        case "baseline":
            from batch_action.commands.baseline import baseline

            return run_without_ledger(contexts, partial(baseline, **options), report_error)
        case "plan":
            return _plan(contexts, report_error, **options)
        case "status":
            from batch_action.commands.status import print_total, status

            code = run_for_each_task(contexts, (partial(status, **options),), report_error)
            if len(contexts) > 1 and options.get("data") is None:
                print_total(contexts[0].console, options["saved"])
            return code
        case _:
            commands, find_owner = _commands_on_ledgers(name, contexts, **options)
            return run_for_each_task(contexts, commands, report_error, find_owner=find_owner)


def _plan(contexts: Sequence[RunContext], report_error: ErrorReporter, **options: Any) -> int:
    """Plan every task; of several, print at the end what they cost together."""
    from batch_action.commands.plan import plan, print_total

    plans: list[Plan] = []
    code = run_for_each_task(contexts, (partial(plan, **options, plans=plans),), report_error)
    if len(contexts) > 1 and options.get("data") is None and plans:
        print_total(contexts, plans)
    return code


def _commands_on_ledgers(
    name: str, contexts: Sequence[RunContext], **options: Any
) -> tuple[tuple[Callable[..., int], ...], FindOwner | None]:
    """Return the steps of a command, and which task runs them for `batch-id`."""
    if "render" in options:
        return (options["render"],), None
    if name == "submit":
        from batch_action.commands.submit import submit

        if not any(ctx.settings.pull_requests for ctx in contexts):
            return (submit,), None
        from batch_action.commands.submit_pulls import submit_pull_requests

        return (submit, submit_pull_requests), None
    if name == "stats":
        from batch_action.commands.stats import stats

        return (partial(stats, **options),), None
    from batch_action.commands.batch_owner import owner_in_ledgers, recover_owner

    if name == "collect":
        from batch_action.commands.collect import collect

        return (collect,), recover_owner
    from batch_action.commands.cancel import cancel

    return (partial(cancel, **options),), owner_in_ledgers
