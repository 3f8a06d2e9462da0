"""`collect`: fetch what has ended, put the findings where people read. Never spends money."""

import time
from datetime import timedelta

from batch_action.history import batches, merging
from batch_action.steps import answers, publishing, recovering, settling, telling
from batch_action.steps import memory as memories
from batch_action.steps.answers import Harvest
from batch_action.steps.memory import Memory
from batch_action.steps.world import World

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


def collect(world: World, memory: Memory | None = None) -> int:
    """Deliver every ended batch. Returns 1 for a finding at `fail-on-severity`, else 0."""
    memory = memory or memories.load(world)
    recovering.recover(world, memory)
    if not (batches.pending(memory.ledger) or batches.open_intents(memory.ledger)):
        if not world.settings.dry_run:
            memories.save(world, memory)
        telling.collected(world, memory, None)
        return 0
    found = _harvest(world, memory)
    if not found.ended:
        if not world.settings.dry_run:
            memories.save(world, memory)
        telling.collected(world, memory, None)
        return 0
    # The facts count only once the answers are delivered: until then nothing was collected.
    after = merging.add(memory.ledger, *found.facts)
    published = publishing.publish(world, after, found, answers.tonight(world, after, found))
    if not world.settings.dry_run:
        memory.ledger = after
        memories.save(world, memory)
    telling.collected(world, memory, published)
    return 1 if publishing.too_severe(world, published) else 0


def _harvest(world: World, memory: Memory) -> Harvest:
    """What has ended, waiting up to `wait-minutes` for it with a growing pause."""
    until = world.now() + timedelta(minutes=world.settings.wait_minutes)
    pause = FIRST_PAUSE
    while True:
        settling.settle(world, memory)
        found = answers.harvest(world, memory)
        if found.ended or not found.waiting or world.now() >= until:
            return found
        time.sleep(min(pause, max(0.0, (until - world.now()).total_seconds())))
        pause = min(LONGEST_PAUSE, pause * 2)
