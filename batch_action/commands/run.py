"""`run`: collect what has ended, then submit what is new; one failing never stops the other."""

from collections.abc import Sequence

from batch_action.commands.collect import collect
from batch_action.commands.multi_task import Tell, every, recovered
from batch_action.commands.submit import submit
from batch_action.context import World
from batch_action.ledger.store import Memory
from batch_action.requests import send_strategy


def run(worlds: Sequence[World], tell: Tell) -> int:
    """Both halves for every task, on one memory. Returns the first failure's exit code.

    What waits for a warm-up of the prompt cache is sent once all tasks are through.
    """
    halves = (collect, submit)
    return every(worlds, halves, tell, then=(warmed,), whose=recovered, others=(submit,))


def warmed(world: World, memory: Memory) -> int:
    """Wait for a warm-up until `wait-minutes` are over, then send what waits for it."""
    until = world.deadline
    if (
        world.settings.dry_run
        or world.settings.batch_id
        or not send_strategy.awaited(memory.ledger)
    ):
        return 0
    code = 0
    while send_strategy.awaited(memory.ledger) and world.now() < until:
        code = collect(world, memory) or code
    if not send_strategy.awaited(memory.ledger):
        code = submit(world, memory) or code
    return code
