"""One cycle of the demo: plan, submit in one run, wait, collect in the next run."""

import time

from batch_action.commands.collect import collect
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.commands.plan import plan
from batch_action.commands.submit import submit
from batch_action.ledger import store
from batch_action.publishers.report_text import format_dollars
from batch_action.text import plural


def run_cycle(environment: DemoEnvironment) -> bool:
    """Run plan, submit and collect; return False when there was nothing to send."""
    _plan(environment)
    if not _submit(environment):
        return False
    _wait_for_batch(environment)
    _collect(environment)
    return True


def _plan(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Plan: which files are selected, and what they can cost at most")
    console.print("Free, without an API key. This is `batch-action plan`.", style="dim")
    with environment.run() as ctx:
        plan(ctx)
    environment.summaries.pop()


def _submit(environment: DemoEnvironment) -> bool:
    console = environment.console
    console.step("Submit: the first run sends them as one message batch")
    before = environment.newest_artifact()
    start = time.monotonic()
    with environment.run() as ctx:
        submit(ctx)
        view = store.load(ctx).view
        sent = bool(view.pending_batches)
        backlog = len(view.backlog(max_attempts=ctx.settings.max_attempts))
        max_cost = ctx.settings.max_cost_usd
    seconds = time.monotonic() - start
    if backlog:
        console.print(
            f"{plural(backlog, 'file')} more in the backlog for the next runs: one run may spend "
            f"at most {format_dollars(max_cost)} (`max-cost-usd`)."
        )
    stored = environment.newest_artifact()
    if stored is not None and stored is not before:
        console.print(
            f"The ledger is stored in the workflow artifact {stored.name} ({stored.size:,} bytes)."
        )
    if sent:
        console.print(f"The run ends after {seconds:.1f} s: no runner waits for the batch.")
    return sent


def _wait_for_batch(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("The batch is processed while no runner is running")
    console.print("Most batches end within an hour, all within 24 hours.", style="dim")
    seconds = console.wait(
        f"The sandbox takes {environment.sandbox.anthropic.store.batch_seconds:.0f} seconds ...",
        lambda: not environment.has_running_batch(),
    )
    console.print(f"Ended after {seconds:.0f} s.")


def _collect(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Collect: the next run reads the ledger, fetches the results and reports them")
    with environment.run() as ctx:
        collect(ctx)
