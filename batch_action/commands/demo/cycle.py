"""One night: plan, submit, let the runner go, wait, collect in a second run."""

import time

from batch_action.commands.collect import collect
from batch_action.commands.demo.environment import Stage
from batch_action.commands.plan import plan
from batch_action.commands.submit import submit
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.publishers.wording import dollars
from batch_action.text import plural


def pass_night(stage: Stage) -> bool:
    """Both runs of a night; False when there was nothing to send."""
    _plan(stage)
    if not _submit(stage):
        return False
    _batch(stage)
    _collect(stage)
    return True


def _plan(stage: Stage) -> None:
    guide = stage.guide
    guide.step("Plan: which files, and what they can cost at most")
    guide.say("Free, and without a key. This is `batch-action plan`.", style="dim")
    with stage.run() as world:
        plan(world)
    stage.summaries.pop()


def _submit(stage: Stage) -> bool:
    guide = stage.guide
    guide.step("Submit: the first run of the night sends them as one message batch")
    before = stage.newest_artifact()
    start = time.monotonic()
    with stage.run() as world:
        submit(world)
        ledger = memories.load(world).ledger
        sent = bool(view.pending(ledger))
        owed = len(view.owed(ledger, max_attempts=world.settings.max_attempts))
        cap = world.settings.max_cost_usd
    took = time.monotonic() - start
    if owed:
        guide.say(
            f"{plural(owed, 'file')} more are owed to the next nights: at most {dollars(cap)} may "
            "be spent in one (`max-cost-usd`)."
        )
    stored = stage.newest_artifact()
    if stored is not None and stored is not before:
        guide.say(
            f"What was sent is remembered in the workflow artifact {stored.name} "
            f"({stored.size:,} bytes)."
        )
    if sent:
        guide.say(f"The runner is let go after {took:.1f} s: nobody pays for waiting.")
    return sent


def _batch(stage: Stage) -> None:
    guide = stage.guide
    guide.step("The batch runs, and no runner with it")
    guide.say("Anthropic answers most batches within an hour, all within 24 hours.", style="dim")
    took = guide.wait(
        f"The sandbox takes its {stage.box.claude.store.batch_seconds:.0f} seconds ...",
        lambda: not stage.running(),
    )
    guide.say(f"Ended after {took:.0f} s.")


def _collect(stage: Stage) -> None:
    guide = stage.guide
    guide.step("Collect: the next run finds the ledger, fetches the answers, tells them once")
    with stage.run() as world:
        collect(world)
