"""`submit`: choose what changed, ask about it in a batch, let the runner go."""

from batch_action.history import batches, files
from batch_action.steps import memory as memories
from batch_action.steps import planning, preflight, preparing, sending, settling, telling
from batch_action.steps.memory import Memory
from batch_action.steps.world import World


def submit(world: World, memory: Memory | None = None) -> int:
    """Send what is new and what is owed. Returns the exit code; raises BatchActionError."""
    world.need_anthropic()
    memory = memory or memories.load(world)
    ready = sending.preflight(world)
    if batches.open_intents(memory.ledger):
        settling.settle(world, memory)
    preflight.check_destinations(world)
    prepared = preparing.prepare(world, memory, model=ready.model)
    planning.refuse_over_budget(world, prepared.plan)
    sent = []
    if not world.settings.dry_run:
        chosen = sending.selected(
            world, prepared.selection, partial=prepared.partial, behind=prepared.behind
        )
        if prepared.plan.requests:
            sent = sending.send(world, memory, prepared.plan, chosen, ready)
        elif chosen.head not in files.heads(memories.scope(world, memory.ledger), world.scope):
            # Nothing to ask, but the next night counts from here.
            memory.add(chosen)
        memories.save(world, memory)
    telling.submitted(world, memory, prepared, sent)
    return 0
