"""`submit`: choose what changed, ask about it in a batch, let the runner go."""

from batch_action.batches import lost_creates, synchronous
from batch_action.batches import submit as batch_submit
from batch_action.batches.results import Harvest
from batch_action.batches.submit import Preflight
from batch_action.commands.collect import deliver
from batch_action.context import World
from batch_action.errors import BatchActionError
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.models.requests import Way
from batch_action.publishers import job_summary
from batch_action.requests import planner
from batch_action.requests.planner import Prepared


def submit(world: World, memory: Memory | None = None) -> int:
    """Send what is new and what is owed. Returns the exit code; raises BatchActionError.

    A small workload may wait for more, or be asked at once: then its answers are delivered here.
    """
    world.need_anthropic()
    memory = memory or memories.load(world)
    ready = batch_submit.preflight(world)
    if view.open_intents(memory.ledger):
        lost_creates.settle(world, memory)
    batch_submit.check_destinations(world)
    prepared = planner.prepare(world, memory, model=ready.model, clock=ready.clock)
    planner.refuse_over_budget(world, prepared.plan)
    before = len(memory.sent)
    found = None if world.settings.dry_run else _send(world, memory, prepared, ready)
    job_summary.submitted(world, memory, prepared, memory.sent[before:], found)
    return 0 if found is None else _deliver(world, memory, found)


def _send(world: World, memory: Memory, prepared: Prepared, ready: Preflight) -> Harvest | None:
    """Send or ask what is due, and remember what was selected; answers only of what was asked."""
    plan, found = prepared.plan, None
    chosen = batch_submit.selected(
        world, prepared.selection, partial=prepared.partial, behind=prepared.behind
    )
    if plan.due and plan.way is Way.INTERACTIVE:
        found = synchronous.ask(world, memory, plan, chosen, ready)
    elif plan.due:
        batch_submit.send(world, memory, plan, chosen, ready)
    elif batch_submit.is_news(memories.scope(world, memory.ledger), chosen):
        # Nothing to ask now, but the next night counts from here.
        memory.add(chosen)
    memories.save(world, memory)
    return found


def _deliver(world: World, memory: Memory, found: Harvest) -> int:
    try:
        return deliver(world, memory, found)
    except BatchActionError:
        synchronous.lose(world, memory, found)
        raise
