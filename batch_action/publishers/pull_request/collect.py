"""Pull requests: how the answers about them get to them.

Each has its own view of their common ledger and its own desk. One that was merged hands what is
open on to the branch; what comes after its end is told to nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from batch_action.batches import lost_creates, results
from batch_action.batches.results import BatchResults
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import merge, pull_requests, view
from batch_action.ledger import store as sessions
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.trust import vouched
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    Dismissal,
    FindingState,
    PublishedState,
    TrackedFinding,
)
from batch_action.models.github import PullRequestInfo
from batch_action.models.ledger import Closed, Collected, Dismissed, Fact, Ledger
from batch_action.models.report import PublishResult
from batch_action.publishers import finding_block, pipeline
from batch_action.publishers.pipeline import PipelineResult, PublishedStates
from batch_action.publishers.pull_request import publisher as pull_request
from batch_action.publishers.pull_request.eligibility import REPORT
from batch_action.selection.commit_range import fork_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestLedger:
    """The ledger of pull requests in a branch's run, and the world in which they are told."""

    ctx: RunContext
    session: LedgerSession


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestResults:
    """What became of the pull requests."""

    published: tuple[PublishResult, ...] = ()
    inherited: tuple[PublishedState, ...] = ()
    """What merged ones leave open: publishing joins it with what the branch's destinations know."""
    ended: tuple[Fact, ...] = ()
    """That merged ones have ended: to be saved once the branch was told what they leave."""
    beside: PullRequestLedger | None = None
    """Where that is saved."""
    problem: BatchActionError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What became of one pull request."""

    published: PublishResult | None = None
    facts: tuple[Fact, ...] = ()
    """To be saved now."""
    inherited: PublishedState | None = None
    ended: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One pull request with what has ended for it."""

    pull: PullRequestInfo
    view: Ledger
    """Its own facts, as far as GitHub vouches for them."""
    found: BatchResults
    dismissed: tuple[Fact, ...]
    """What people dismissed on the branch."""
    spent: Ledger
    """All that counts for the month."""


def beside(ctx: RunContext) -> PullRequestLedger | None:
    """The ledger of pull requests, if this run of a branch tells them too.

    Only one on the default branch may: elsewhere its facts would not be believed.
    """
    context = ctx.context
    own = ctx.settings.state_branch or context.default_branch
    at_home = context.event == "local" or context.branch == own
    if REPORT not in ctx.settings.report or ctx.github is None or not at_home:
        return None
    rules = ctx.git.resolve(context.sha or "HEAD")
    other = replace(sessions.other(ctx), rules=rules)
    return PullRequestLedger(ctx=other, session=sessions.load(other))


def holds(ctx: RunContext, batch: str | None) -> bool:
    """Whether a batch is a pull request's, though this is a branch's run."""
    there = beside(ctx) if batch else None
    return there is not None and batch in view.known_batches(there.session.ledger)


def collect(
    ctx: RunContext,
    session: LedgerSession,
    branches: Ledger,
    *,
    only: int | None = None,
    given: BatchResults | None = None,
) -> PullRequestResults:
    """Tell each pull request what has ended for it; one that fails keeps none of the others back.

    *branches*: the other ledger, read only: what was dismissed there is not told here. *only*: the
    one pull request whose run this is; *given*: answers for it that are here already. Nothing is
    saved that has not been delivered.
    """
    if view.open_intents(session.ledger):
        lost_creates.settle(ctx, session)
    numbers = pull_requests.to_look_at(session.ledger)
    told: list[_Told] = []
    problem: BatchActionError | None = None
    for number in numbers if only is None else [only]:
        try:
            one = _collect(ctx, branches, session, number, given, alone=only is not None)
        except BatchActionError as error:
            if problem is not None:
                ctx.warn(f"Pull request #{number}: {error}")
            problem = problem or error
            continue
        told.append(one)
        if not ctx.settings.dry_run:
            session.add(*one.facts)
    try:
        if not ctx.settings.dry_run:
            sessions.save(ctx, session)
    except BatchActionError as error:
        problem = problem or error
    return PullRequestResults(
        published=tuple(one.published for one in told if one.published),
        inherited=tuple(one.inherited for one in told if one.inherited),
        ended=tuple(fact for one in told for fact in one.ended),
        beside=PullRequestLedger(ctx=ctx, session=session),
        problem=problem,
    )


def end(pulled: PullRequestResults) -> None:
    """Remember that merged pull requests have ended: the branch was told what they leave open."""
    beside = pulled.beside
    if beside is not None and pulled.ended and not beside.ctx.settings.dry_run:
        beside.session.add(*pulled.ended)
        sessions.save(beside.ctx, beside.session)


def spent(ledger: Ledger, pulled: PullRequestResults) -> Ledger:
    """A branch's ledger with what was spent on pull requests."""
    return merge.merge(ledger, pulled.beside.session.ledger)[0] if pulled.beside else ledger


def _collect(
    ctx: RunContext,
    branches: Ledger,
    session: LedgerSession,
    number: int,
    given: BatchResults | None,
    *,
    alone: bool,
) -> _Told:
    pull = ctx.require_github().pulls.get(number)
    if alone and not pull.open:
        return _Told()
    view = vouched(ctx, pull_requests.of(session.ledger, number), pull)
    found = given or results.fetch_results(ctx, LedgerSession(ledger=view, saved=view))
    case = _Case(
        pull=pull,
        view=view,
        found=found,
        dismissed=tuple(fact for fact in branches.facts if isinstance(fact, Dismissed)),
        spent=merge.add(merge.merge(branches, session.ledger)[0], *found.facts),
    )
    if pull.open:
        return _tell(ctx, case)
    if pull.merged and pull.base_ref == ctx.context.default_branch:
        return _hand_over(ctx, case)
    return _Told(facts=(*_closed(ctx, case), *_unheard(found)))


def _tell(ctx: RunContext, case: _Case) -> _Told:
    """An open one: what has ended, what people ask for, and where the code has moved to."""
    pull, ended = case.pull, case.found.ended
    if not ended and not any(isinstance(fact, Collected) for fact in case.view.facts):
        return _Told()
    if not ctx.git.has_commit(pull.head):
        if ended:
            ctx.warn(
                f"The head of pull request #{pull.number}, {pull.head[:12]}, is not in this clone: "
                "its answers wait for the next run. `fetch-depth: 0` at actions/checkout helps."
            )
        return _Told()
    outcome, facts = _publish(ctx, case, head=pull.head)
    if outcome is None:
        return _Told()
    if outcome.problem is not None:
        raise outcome.problem
    return _Told(published=outcome.published, facts=facts)


def _publish(
    ctx: RunContext, case: _Case, *, head: str, deliver: bool = True
) -> tuple[PipelineResult | None, tuple[Fact, ...]]:
    """What its desk and tonight's answers make of its findings, told if there is anything."""
    found, number = case.found, case.pull.number
    after = merge.add(case.view, *found.facts)
    batch_answers = replace(results.batch_answers(ctx, after, found), commit=head)
    publisher = pull_request.create_publisher(ctx, batch_answers, case.pull)
    recalled = pipeline.read_states(ctx, batch_answers, {REPORT: publisher})
    wishes = recalled.wishes(after, ctx)
    if not (found.ended or wishes or recalled.pending or not deliver):
        return None, ()
    batch_answers = _with_reverted(ctx, batch_answers, recalled, case.pull)
    ledger = merge.add(after, *case.dismissed, *wishes)
    requested = recalled if deliver else replace(recalled, publishers={})
    outcome = pipeline.publish(
        ctx, ledger, found, batch_answers, requested, pull=number, spent=case.spent
    )
    return outcome, (*wishes, *found.facts)


def _with_reverted(
    ctx: RunContext, batch_answers: BatchAnswers, recalled: PublishedStates, pull: PullRequestInfo
) -> BatchAnswers:
    """Files that read as where the pull request began: what was found in them has gone with it."""
    fork = fork_of(ctx.git, batch_answers.commit, into=pull.base_ref, base=pull.base)
    if fork is None or not pull.open:
        return batch_answers
    paths = {k.anchor.path for r in recalled.recollections for k in r.tracked}
    before, now = (ctx.git.tree_blobs(commit, paths) for commit in (fork, batch_answers.commit))
    same = frozenset((path, blob) for path, blob in now.items() if before.get(path) == blob)
    return replace(batch_answers, verdicts=batch_answers.verdicts | same)


def _hand_over(ctx: RunContext, case: _Case) -> _Told:
    """A merged one: nothing is posted there any more, and what is open is the branch's."""
    pull, done = case.pull, _closed(ctx, case)
    if not (done or case.found.ended):
        return _Told()
    if not ctx.git.has_commit(pull.merge_commit):
        ctx.warn(
            f"The merge of pull request #{pull.number} is not in this clone: the branch takes over "
            "its findings with the next run. `fetch-depth: 0` at actions/checkout helps."
        )
        return _Told()
    outcome, facts = _publish(ctx, case, head=pull.merge_commit, deliver=False)
    assert outcome is not None  # noqa: S101 - for the type checker: only deliveries may be none
    published = outcome.published
    kept = [
        s for s in published.statuses if s.tracked.state in (*OPEN_STATES, FindingState.DISMISSED)
    ]
    words = {
        s.tracked.fingerprint: finding_block.write(s.tracked, s.finding, published.report)
        for s in kept
        if s.finding is not None
    }
    dismissed = {s.tracked.fingerprint for s in kept if s.tracked.state is FindingState.DISMISSED}
    inherited = PublishedState(
        destination=f"#{pull.number}",
        head=pull.merge_commit,
        tracked=tuple(_passed_on(s.tracked) for s in kept),
        dismissals=tuple(
            Dismissal(fingerprint=fact.fingerprint, by=fact.by, where=fact.where)
            for fact in (*case.view.facts, *facts)
            if isinstance(fact, Dismissed) and fact.fingerprint in dismissed
        ),
        blocks=words | published.reconciled.blocks,
        pending=True,
    )
    return _Told(inherited=inherited if kept else None, ended=(*facts, *done))


def _passed_on(known: TrackedFinding) -> TrackedFinding:
    """A finding as the branch takes it over: no news, it was told on the pull request."""
    news = known.state in (FindingState.NEW, FindingState.BACK)
    return replace(known, state=FindingState.OPEN) if news else known


def _unheard(found: BatchResults) -> Iterable[Fact]:
    """What was billed for answers that nobody gets: reopened, they are asked for again."""
    asked = {p.sent.batch: [q.id for q in p.request_keys] for p in found.ended}
    for fact in found.facts:
        if isinstance(fact, Collected):
            failed = dict.fromkeys(asked.get(fact.batch, ()), pull_requests.CLOSED)
            yield fact.model_copy(update={"failed": failed})
        else:
            yield fact


def _closed(ctx: RunContext, case: _Case) -> tuple[Closed, ...]:
    """That it has ended, unless that is known."""
    pull = case.pull
    if pull_requests.is_closed(case.view, pull.number):
        return ()
    return (Closed(pull=pull.number, merged=pull.merged, at=ctx.now()),)
