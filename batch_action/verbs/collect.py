"""`collect`: fetch what has ended, put the findings where people read. Never spends money."""

import time

from batch_action.errors import GitHubError
from batch_action.history import batches, merging
from batch_action.models.ledger import Ledger
from batch_action.steps import answers, briefing, publishing, recovering, settling, telling
from batch_action.steps import memory as memories
from batch_action.steps.answers import Harvest
from batch_action.steps.memory import Memory
from batch_action.steps.publishing import Outcome
from batch_action.steps.world import World

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


def collect(world: World, memory: Memory | None = None) -> int:
    """Deliver every ended batch, answer what people asked for. Never spends money.

    Returns 1 for a new finding at `fail-on-severity` or a ruling at `fail-on-verdict`, else 0.
    Raises GitHubError when something could not be delivered: then nothing counts as collected, and
    the next run delivers again.
    """
    memory = memory or memories.load(world)
    recovering.recover(world, memory)
    return deliver(world, memory, _harvest(world, memory))


def deliver(world: World, memory: Memory, found: Harvest) -> int:
    """Bring answers and wishes to every destination, and only then remember the answers."""
    # The facts count only once the answers are delivered: until then nothing was collected.
    after = merging.add(memory.ledger, *found.facts)
    outcome = _publish(world, memory, after, found)
    if not world.settings.dry_run:
        if outcome is None or outcome.problem is None:
            memory.ledger = merging.add(memory.ledger, *found.facts)
        memories.save(world, memory)
    published = outcome.published if outcome else None
    if outcome is not None and outcome.problem is None:
        published = briefing.told(world, outcome.published)
    telling.collected(world, memory, published)
    if outcome is None:
        return 0
    if outcome.problem is not None:
        raise outcome.problem
    severe = publishing.too_severe(world, outcome.published)
    return 1 if severe or publishing.too_doubtful(world, outcome.published) else 0


def _publish(world: World, memory: Memory, after: Ledger, found: Harvest) -> Outcome | None:
    """What became of the answers and wishes; None when there were neither."""
    if not found.ended and world.github is None:
        return None
    tonight = answers.tonight(world, after, found)
    try:
        recalled = publishing.recall(world, tonight)
    except GitHubError as error:
        if found.ended:
            raise
        # Nothing was to be delivered: whether somebody asked for something can be seen tomorrow.
        world.warn(str(error))
        return None
    wishes = recalled.wishes(after, world)
    if not (found.ended or wishes or recalled.pending):
        return None
    # People's wishes are known for good, whatever becomes of the delivery.
    memory.add(*wishes)
    return publishing.publish(world, merging.add(after, *wishes), found, tonight, recalled)


def _harvest(world: World, memory: Memory) -> Harvest:
    """What has ended, waiting up to `wait-minutes` for it with a growing pause."""
    if not (batches.pending(memory.ledger) or batches.open_intents(memory.ledger)):
        return Harvest()
    until = world.deadline
    pause = FIRST_PAUSE
    while True:
        settling.settle(world, memory)
        found = answers.harvest(world, memory)
        if found.ended or not found.waiting or world.now() >= until:
            return found
        time.sleep(min(pause, max(0.0, (until - world.now()).total_seconds())))
        pause = min(LONGEST_PAUSE, pause * 2)
