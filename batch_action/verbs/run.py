"""`run`: collect what has ended, then submit what is new; one failing never stops the other."""

from collections.abc import Sequence

from batch_action.steps import warming
from batch_action.steps.memory import Memory
from batch_action.steps.world import World
from batch_action.verbs.collect import collect
from batch_action.verbs.every import Tell, every, recovered
from batch_action.verbs.submit import submit


def run(worlds: Sequence[World], tell: Tell) -> int:
    """Both halves for every task, on one memory. Returns the first failure's exit code.

    What waits for a warm-up of the prompt cache is sent once all tasks are through.
    """
    halves = (collect, submit)
    return every(worlds, halves, tell, then=(warmed,), whose=recovered, others=(submit,))


def warmed(world: World, memory: Memory) -> int:
    """Wait for a warm-up until `wait-minutes` are over, then send what waits for it."""
    until = world.deadline
    if world.settings.dry_run or world.settings.batch_id or not warming.awaited(memory.ledger):
        return 0
    code = 0
    while warming.awaited(memory.ledger) and world.now() < until:
        code = collect(world, memory) or code
    if not warming.awaited(memory.ledger):
        code = submit(world, memory) or code
    return code
