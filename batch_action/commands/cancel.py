"""`cancel`: ask Anthropic to cancel; the next collect reports what was already answered."""

from batch_action.context import World
from batch_action.errors import ConfigError
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.models.ledger import Withdrawn
from batch_action.models.requests import BatchState
from batch_action.publishers.pull_request import collect


def cancel(world: World, memory: Memory | None = None) -> int:
    """Cancel `batch-id`, or every pending batch of the task. Returns 0.

    A batch that Anthropic no longer knows is let go of when it is named. What a canceled batch
    held is withdrawn: it is not asked again until it changes. Answers that were finished are
    billed, and reported by the next collect.
    """
    memory = memory or memories.load(world)
    beside = collect.beside(world)
    count = _cancel(world, memory)
    count += _cancel(beside.world, beside.memory) if beside else 0
    wanted = world.settings.batch_id
    if wanted and not count:
        raise ConfigError(f"`batch-id` {wanted} is no pending batch of {world.title}.")
    if not count:
        world.screen.say(f"No batch of {world.title} is pending.")
    return 0


def _cancel(world: World, memory: Memory) -> int:
    """Cancel what is pending in one ledger; how many batches that were."""
    wanted = world.settings.batch_id
    pending = [p for p in view.pending(memory.ledger) if wanted in (None, p.sent.batch)]
    for item in pending:
        state = world.need_anthropic().cancel(item.sent.batch)
        world.screen.say(f"Batch {item.sent.batch} {_told(state)}.")
        lost = state is None and wanted is not None
        if lost or (state is not None and (state.canceled or state.status != "ended")):
            by = world.context.run
            memory.add(Withdrawn(batch=item.sent.batch, by=by, at=world.now()))
    memories.save(world, memory)
    return len(pending)


def _told(state: BatchState | None) -> str:
    if state is None:
        return "is unknown to Anthropic with this key"
    if state.status == "ended" and not state.canceled:
        return "has ended already: `collect` reports it"
    return f"is {state.status}"
