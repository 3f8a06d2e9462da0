"""Pull requests: how the answers about them get to them.

Each has its own view of their common ledger and its own desk. One that was merged hands what is
open on to the branch; what comes after its end is told to nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from batch_action.batches import lost_creates, results
from batch_action.batches.results import Harvest
from batch_action.context import World
from batch_action.errors import BatchActionError
from batch_action.ledger import merge, pull_requests, view
from batch_action.ledger import store as memories
from batch_action.ledger.store import Memory
from batch_action.ledger.trust import vouched
from batch_action.models.findings import LIVE, Dismissal, Known, Recollection, State, Tonight
from batch_action.models.github import PullFacts
from batch_action.models.ledger import Closed, Collected, Dismissed, Fact, Ledger
from batch_action.models.report import Published
from batch_action.publishers import finding_block, pipeline
from batch_action.publishers.pipeline import Outcome, Recalled
from batch_action.publishers.pull_request import publisher as pull_request
from batch_action.publishers.pull_request.eligibility import REPORT
from batch_action.selection.commit_range import fork_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The ledger of pull requests in a branch's run, and the world in which they are told."""

    world: World
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What became of the pull requests."""

    published: tuple[Published, ...] = ()
    inherited: tuple[Recollection, ...] = ()
    """What merged ones leave open: publishing joins it with what the branch's destinations know."""
    ended: tuple[Fact, ...] = ()
    """That merged ones have ended: to be saved once the branch was told what they leave."""
    beside: Beside | None = None
    """Where that is saved."""
    problem: BatchActionError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What became of one pull request."""

    published: Published | None = None
    facts: tuple[Fact, ...] = ()
    """To be saved now."""
    inherited: Recollection | None = None
    ended: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One pull request with what has ended for it."""

    pull: PullFacts
    view: Ledger
    """Its own facts, as far as GitHub vouches for them."""
    found: Harvest
    dismissed: tuple[Fact, ...]
    """What people dismissed on the branch."""
    spent: Ledger
    """All that counts for the month."""


def beside(world: World) -> Beside | None:
    """The ledger of pull requests, if this run of a branch tells them too.

    Only one on the default branch may: elsewhere its facts would not be believed.
    """
    context = world.context
    own = world.settings.state_branch or context.default_branch
    at_home = context.event == "local" or context.branch == own
    if REPORT not in world.settings.report or world.github is None or not at_home:
        return None
    rules = world.git.resolve(context.sha or "HEAD")
    other = replace(memories.other(world), rules=rules)
    return Beside(world=other, memory=memories.load(other))


def holds(world: World, batch: str | None) -> bool:
    """Whether a batch is a pull request's, though this is a branch's run."""
    there = beside(world) if batch else None
    return there is not None and batch in view.known_batches(there.memory.ledger)


def collect(
    world: World,
    memory: Memory,
    branches: Ledger,
    *,
    only: int | None = None,
    given: Harvest | None = None,
) -> Pulled:
    """Tell each pull request what has ended for it; one that fails keeps none of the others back.

    *branches*: the other ledger, read only: what was dismissed there is not told here. *only*: the
    one pull request whose run this is; *given*: answers for it that are here already. Nothing is
    saved that has not been delivered.
    """
    if view.open_intents(memory.ledger):
        lost_creates.settle(world, memory)
    numbers = pull_requests.to_look_at(memory.ledger)
    told: list[_Told] = []
    problem: BatchActionError | None = None
    for number in numbers if only is None else [only]:
        try:
            one = _collect(world, branches, memory, number, given, alone=only is not None)
        except BatchActionError as error:
            if problem is not None:
                world.warn(f"Pull request #{number}: {error}")
            problem = problem or error
            continue
        told.append(one)
        if not world.settings.dry_run:
            memory.add(*one.facts)
    try:
        if not world.settings.dry_run:
            memories.save(world, memory)
    except BatchActionError as error:
        problem = problem or error
    return Pulled(
        published=tuple(one.published for one in told if one.published),
        inherited=tuple(one.inherited for one in told if one.inherited),
        ended=tuple(fact for one in told for fact in one.ended),
        beside=Beside(world=world, memory=memory),
        problem=problem,
    )


def end(pulled: Pulled) -> None:
    """Remember that merged pull requests have ended: the branch was told what they leave open."""
    beside = pulled.beside
    if beside is not None and pulled.ended and not beside.world.settings.dry_run:
        beside.memory.add(*pulled.ended)
        memories.save(beside.world, beside.memory)


def spent(ledger: Ledger, pulled: Pulled) -> Ledger:
    """A branch's ledger with what was spent on pull requests."""
    return merge.merge(ledger, pulled.beside.memory.ledger)[0] if pulled.beside else ledger


def _collect(
    world: World,
    branches: Ledger,
    memory: Memory,
    number: int,
    given: Harvest | None,
    *,
    alone: bool,
) -> _Told:
    pull = world.need_github().pulls.get(number)
    if alone and not pull.open:
        return _Told()
    view = vouched(world, pull_requests.of(memory.ledger, number), pull)
    found = given or results.harvest(world, Memory(ledger=view, saved=view))
    case = _Case(
        pull=pull,
        view=view,
        found=found,
        dismissed=tuple(fact for fact in branches.facts if isinstance(fact, Dismissed)),
        spent=merge.add(merge.merge(branches, memory.ledger)[0], *found.facts),
    )
    if pull.open:
        return _tell(world, case)
    if pull.merged and pull.base_ref == world.context.default_branch:
        return _hand_over(world, case)
    return _Told(facts=(*_closed(world, case), *_unheard(found)))


def _tell(world: World, case: _Case) -> _Told:
    """An open one: what has ended, what people ask for, and where the code has moved to."""
    pull, ended = case.pull, case.found.ended
    if not ended and not any(isinstance(fact, Collected) for fact in case.view.facts):
        return _Told()
    if not world.git.has_commit(pull.head):
        if ended:
            world.warn(
                f"The head of pull request #{pull.number}, {pull.head[:12]}, is not in this clone: "
                "its answers wait for the next run. `fetch-depth: 0` at actions/checkout helps."
            )
        return _Told()
    outcome, facts = _publish(world, case, head=pull.head)
    if outcome is None:
        return _Told()
    if outcome.problem is not None:
        raise outcome.problem
    return _Told(published=outcome.published, facts=facts)


def _publish(
    world: World, case: _Case, *, head: str, deliver: bool = True
) -> tuple[Outcome | None, tuple[Fact, ...]]:
    """What its desk and tonight's answers make of its findings, told if there is anything."""
    found, number = case.found, case.pull.number
    after = merge.add(case.view, *found.facts)
    tonight = replace(results.tonight(world, after, found), commit=head)
    desk = pull_request.desk(world, tonight, case.pull)
    recalled = pipeline.recall(world, tonight, {REPORT: desk})
    wishes = recalled.wishes(after, world)
    if not (found.ended or wishes or recalled.pending or not deliver):
        return None, ()
    tonight = _with_reverted(world, tonight, recalled, case.pull)
    ledger = merge.add(after, *case.dismissed, *wishes)
    heard = recalled if deliver else replace(recalled, desks={})
    outcome = pipeline.publish(world, ledger, found, tonight, heard, pull=number, spent=case.spent)
    return outcome, (*wishes, *found.facts)


def _with_reverted(world: World, tonight: Tonight, recalled: Recalled, pull: PullFacts) -> Tonight:
    """Files that read as where the pull request began: what was found in them has gone with it."""
    fork = fork_of(world.git, tonight.commit, into=pull.base_ref, base=pull.base)
    if fork is None or not pull.open:
        return tonight
    paths = {k.anchor.path for r in recalled.recollections for k in r.known}
    before, now = (world.git.tree_blobs(commit, paths) for commit in (fork, tonight.commit))
    same = frozenset((path, blob) for path, blob in now.items() if before.get(path) == blob)
    return replace(tonight, verdicts=tonight.verdicts | same)


def _hand_over(world: World, case: _Case) -> _Told:
    """A merged one: nothing is posted there any more, and what is open is the branch's."""
    pull, done = case.pull, _closed(world, case)
    if not (done or case.found.ended):
        return _Told()
    if not world.git.has_commit(pull.merge_commit):
        world.warn(
            f"The merge of pull request #{pull.number} is not in this clone: the branch takes over "
            "its findings with the next run. `fetch-depth: 0` at actions/checkout helps."
        )
        return _Told()
    outcome, facts = _publish(world, case, head=pull.merge_commit, deliver=False)
    assert outcome is not None  # noqa: S101 - for the type checker: only deliveries may be none
    published = outcome.published
    kept = [s for s in published.standings if s.known.state in (*LIVE, State.DISMISSED)]
    words = {
        s.known.fingerprint: finding_block.write(s.known, s.finding, published.night)
        for s in kept
        if s.finding is not None
    }
    dismissed = {s.known.fingerprint for s in kept if s.known.state is State.DISMISSED}
    inherited = Recollection(
        destination=f"#{pull.number}",
        head=pull.merge_commit,
        known=tuple(_passed_on(s.known) for s in kept),
        dismissals=tuple(
            Dismissal(fingerprint=fact.fingerprint, by=fact.by, where=fact.where)
            for fact in (*case.view.facts, *facts)
            if isinstance(fact, Dismissed) and fact.fingerprint in dismissed
        ),
        words=words | published.reconciled.words,
        pending=True,
    )
    return _Told(inherited=inherited if kept else None, ended=(*facts, *done))


def _passed_on(known: Known) -> Known:
    """A finding as the branch takes it over: no news, it was told on the pull request."""
    news = known.state in (State.NEW, State.BACK)
    return replace(known, state=State.OPEN) if news else known


def _unheard(found: Harvest) -> Iterable[Fact]:
    """What was billed for answers that nobody gets: reopened, they are asked for again."""
    asked = {p.sent.batch: [q.id for q in p.questions] for p in found.ended}
    for fact in found.facts:
        if isinstance(fact, Collected):
            failed = dict.fromkeys(asked.get(fact.batch, ()), pull_requests.CLOSED)
            yield fact.model_copy(update={"failed": failed})
        else:
            yield fact


def _closed(world: World, case: _Case) -> tuple[Closed, ...]:
    """That it has ended, unless that is known."""
    pull = case.pull
    if pull_requests.is_closed(case.view, pull.number):
        return ()
    return (Closed(pull=pull.number, merged=pull.merged, at=world.now()),)
