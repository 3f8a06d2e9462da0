"""One night: plan, submit, let the runner go, wait, collect in a second run."""

import time

from batch_action.commands.collect import collect
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.commands.plan import plan
from batch_action.commands.submit import submit
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.publishers.wording import dollars
from batch_action.text import plural


def pass_night(environment: DemoEnvironment) -> bool:
    """Both runs of a night; False when there was nothing to send."""
    _plan(environment)
    if not _submit(environment):
        return False
    _batch(environment)
    _collect(environment)
    return True


def _plan(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Plan: which files, and what they can cost at most")
    console.say("Free, and without a key. This is `batch-action plan`.", style="dim")
    with environment.run() as ctx:
        plan(ctx)
    environment.summaries.pop()


def _submit(environment: DemoEnvironment) -> bool:
    console = environment.console
    console.step("Submit: the first run of the night sends them as one message batch")
    before = environment.newest_artifact()
    start = time.monotonic()
    with environment.run() as ctx:
        submit(ctx)
        ledger = sessions.load(ctx).ledger
        sent = bool(view.pending(ledger))
        backlog = len(view.backlog(ledger, max_attempts=ctx.settings.max_attempts))
        cap = ctx.settings.max_cost_usd
    took = time.monotonic() - start
    if backlog:
        console.say(
            f"{plural(backlog, 'file')} more are owed to the next nights: at most {dollars(cap)} may "
            "be spent in one (`max-cost-usd`)."
        )
    stored = environment.newest_artifact()
    if stored is not None and stored is not before:
        console.say(
            f"What was sent is remembered in the workflow artifact {stored.name} "
            f"({stored.size:,} bytes)."
        )
    if sent:
        console.say(f"The runner is let go after {took:.1f} s: nobody pays for waiting.")
    return sent


def _batch(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("The batch runs, and no runner with it")
    console.say("Anthropic answers most batches within an hour, all within 24 hours.", style="dim")
    took = console.wait(
        f"The sandbox takes its {environment.box.claude.store.batch_seconds:.0f} seconds ...",
        lambda: not environment.running(),
    )
    console.say(f"Ended after {took:.0f} s.")


def _collect(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Collect: the next run finds the ledger, fetches the answers, tells them once")
    with environment.run() as ctx:
        collect(ctx)
