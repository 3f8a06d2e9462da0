"""`submit`: choose what changed, ask about it in a batch, let the runner go."""

from batch_action.errors import BatchActionError
from batch_action.history import batches
from batch_action.models.requests import Way
from batch_action.steps import (
    interactive,
    planning,
    preflight,
    preparing,
    sending,
    settling,
    telling,
)
from batch_action.steps import memory as memories
from batch_action.steps.answers import Harvest
from batch_action.steps.memory import Memory
from batch_action.steps.preparing import Prepared
from batch_action.steps.sending import Preflight
from batch_action.steps.world import World
from batch_action.verbs.collect import deliver


def submit(world: World, memory: Memory | None = None) -> int:
    """Send what is new and what is owed. Returns the exit code; raises BatchActionError.

    A small workload may wait for more, or be asked at once: then its answers are delivered here.
    """
    world.need_anthropic()
    memory = memory or memories.load(world)
    ready = sending.preflight(world)
    if batches.open_intents(memory.ledger):
        settling.settle(world, memory)
    preflight.check_destinations(world)
    prepared = preparing.prepare(world, memory, model=ready.model, clock=ready.clock)
    planning.refuse_over_budget(world, prepared.plan)
    before = len(memory.sent)
    found = None if world.settings.dry_run else _send(world, memory, prepared, ready)
    telling.submitted(world, memory, prepared, memory.sent[before:], found)
    return 0 if found is None else _deliver(world, memory, found)


def _send(world: World, memory: Memory, prepared: Prepared, ready: Preflight) -> Harvest | None:
    """Send or ask what is due, and remember what was selected; answers only of what was asked."""
    plan, found = prepared.plan, None
    chosen = sending.selected(
        world, prepared.selection, partial=prepared.partial, behind=prepared.behind
    )
    if plan.due and plan.way is Way.INTERACTIVE:
        found = interactive.ask(world, memory, plan, chosen, ready)
    elif plan.due:
        sending.send(world, memory, plan, chosen, ready)
    elif sending.is_news(memories.scope(world, memory.ledger), chosen):
        # Nothing to ask now, but the next night counts from here.
        memory.add(chosen)
    memories.save(world, memory)
    return found


def _deliver(world: World, memory: Memory, found: Harvest) -> int:
    try:
        return deliver(world, memory, found)
    except BatchActionError:
        interactive.lose(world, memory, found)
        raise
