"""`collect`: fetch what has ended, put the findings where people read. Never spends money."""

import time

from batch_action.batches import lost_creates, recover, results
from batch_action.batches.results import Harvest
from batch_action.context import World
from batch_action.errors import BatchActionError, GitHubError, TransientError
from batch_action.ledger import merge, view
from batch_action.ledger import store as memories
from batch_action.ledger.store import Memory
from batch_action.models.ledger import Ledger
from batch_action.models.report import Published
from batch_action.publishers import job_summary, notifiers, pipeline
from batch_action.publishers.pipeline import Outcome
from batch_action.publishers.pull_request import collect as pull_request_collect
from batch_action.publishers.pull_request.collect import Beside, Pulled

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


def collect(world: World, memory: Memory | None = None) -> int:
    """Deliver every ended batch, answer what people asked for. Never spends money.

    Returns 1 for a new finding at `fail-on-severity` or a ruling at `fail-on-verdict`, else 0.
    Raises GitHubError when something could not be delivered: then nothing counts as collected, and
    the next run delivers again.
    """
    memory = memory or memories.load(world)
    if world.pull is not None:
        return _to_pull(world, memory, None)
    beside = pull_request_collect.beside(world)
    found = _found(world, memory, beside)
    pulled = (
        pull_request_collect.collect(beside.world, beside.memory, memory.ledger)
        if beside
        else Pulled()
    )
    try:
        return deliver(world, memory, found, pulled)
    finally:
        if beside is not None:
            job_summary.pulls(beside.world, beside.memory, pulled.published)


def deliver(world: World, memory: Memory, found: Harvest, pulled: Pulled | None = None) -> int:
    """Bring answers and wishes to every destination, and only then remember the answers.

    *pulled*: what became of pull requests besides.
    """
    if world.pull is not None:
        return _to_pull(world, memory, found)
    pulled = pulled or Pulled()
    # The facts count only once the answers are delivered: until then nothing was collected.
    after = merge.add(memory.ledger, *found.facts)
    outcome = _publish(world, memory, after, found, pulled)
    done = outcome is None or outcome.problem is None
    if not world.settings.dry_run:
        if done:
            memory.ledger = merge.add(memory.ledger, *found.facts)
        memories.save(world, memory)
    published = outcome.published if outcome else None
    if done and (published or not pulled.inherited):
        pull_request_collect.end(pulled)
    if published is not None and done:
        published = notifiers.told(world, published)
    job_summary.collected(world, memory, published)
    return _code(world, published, (outcome.problem if outcome else None) or pulled.problem)


def _to_pull(world: World, memory: Memory, found: Harvest | None) -> int:
    """A pull request's own run: what has ended for it, or was *found* already, and for no other."""
    pulled = Pulled()
    if found or memories.scope(world, memory.ledger).facts:
        branches = memories.load(memories.other(world))
        pulled = pull_request_collect.collect(
            world, memory, branches.ledger, only=world.pull, given=found
        )
    published = next(iter(pulled.published), None)
    if published is not None:
        published = notifiers.told(world, published)
    job_summary.collected(world, memory, published)
    return _code(world, published, pulled.problem)


def _code(world: World, published: Published | None, problem: BatchActionError | None) -> int:
    if problem is not None:
        raise problem
    if published is None:
        return 0
    severe = pipeline.too_severe(world, published)
    return 1 if severe or pipeline.too_doubtful(world, published) else 0


def _found(world: World, memory: Memory, beside: Beside | None) -> Harvest:
    """What has ended on the branch; with `batch-id` of a pull request's batch, nothing."""
    if beside is not None and world.settings.batch_id in view.known_batches(beside.memory.ledger):
        return Harvest()
    recover.recover(world, memory)
    return _harvest(world, memory)


def _publish(
    world: World, memory: Memory, after: Ledger, found: Harvest, pulled: Pulled
) -> Outcome | None:
    """What became of the answers and wishes; None when there were neither."""
    if not found.ended and world.github is None:
        return None
    tonight = results.tonight(world, after, found)
    try:
        recalled = pipeline.recall(world, tonight, inherited=pulled.inherited)
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
    ledger = merge.add(after, *wishes)
    spent = pull_request_collect.spent(ledger, pulled)
    return pipeline.publish(world, ledger, found, tonight, recalled, spent=spent)


def _harvest(world: World, memory: Memory) -> Harvest:
    """What has ended, waiting up to `wait-minutes` for it with a growing pause.

    A network that is away for a moment ends no wait.
    """
    if not (view.pending(memory.ledger) or view.open_intents(memory.ledger)):
        return Harvest()
    until = world.deadline
    pause = FIRST_PAUSE
    while True:
        try:
            lost_creates.settle(world, memory)
            found = results.harvest(world, memory)
        except TransientError:
            if world.now() >= until:
                raise
        else:
            if found.ended or not found.waiting or world.now() >= until:
                return found
        time.sleep(min(pause, max(0.0, (until - world.now()).total_seconds())))
        pause = min(LONGEST_PAUSE, pause * 2)
