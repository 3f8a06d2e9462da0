"""`collect`: fetch what has ended, put the findings where people read. Never spends money."""

import time

from batch_action.batches import lost_creates, recover, results
from batch_action.batches.results import BatchResults
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, GitHubError, TransientError
from batch_action.ledger import merge, view
from batch_action.ledger import store as sessions
from batch_action.ledger.store import LedgerSession
from batch_action.models.ledger import Ledger
from batch_action.models.report import PublishResult
from batch_action.publishers import job_summary, notifiers, pipeline
from batch_action.publishers.pipeline import PipelineResult
from batch_action.publishers.pull_request import collect as pull_request_collect
from batch_action.publishers.pull_request.collect import PullRequestLedger, PullRequestResults

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


def collect(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Deliver every ended batch, answer what people asked for. Never spends money.

    Returns 1 for a new finding at `fail-on-severity` or a ruling at `fail-on-verdict`, else 0.
    Raises GitHubError when something could not be delivered: then nothing counts as collected, and
    the next run delivers again.
    """
    session = session or sessions.load(ctx)
    if ctx.pull is not None:
        return _to_pull(ctx, session, None)
    beside = pull_request_collect.beside(ctx)
    found = _found(ctx, session, beside)
    pulled = (
        pull_request_collect.collect(beside.ctx, beside.session, session.ledger)
        if beside
        else PullRequestResults()
    )
    try:
        return deliver(ctx, session, found, pulled)
    finally:
        if beside is not None:
            job_summary.pulls(beside.ctx, beside.session, pulled.published)


def deliver(
    ctx: RunContext,
    session: LedgerSession,
    found: BatchResults,
    pulled: PullRequestResults | None = None,
) -> int:
    """Bring answers and wishes to every destination, and only then remember the answers.

    *pulled*: what became of pull requests besides.
    """
    if ctx.pull is not None:
        return _to_pull(ctx, session, found)
    pulled = pulled or PullRequestResults()
    # The facts count only once the answers are delivered: until then nothing was collected.
    after = merge.add(session.ledger, *found.facts)
    outcome = _publish(ctx, session, after, found, pulled)
    done = outcome is None or outcome.problem is None
    if not ctx.settings.dry_run:
        if done:
            session.ledger = merge.add(session.ledger, *found.facts)
        sessions.save(ctx, session)
    published = outcome.published if outcome else None
    if done and (published or not pulled.inherited):
        pull_request_collect.end(pulled)
    if published is not None and done:
        published = notifiers.notify(ctx, published)
    job_summary.collected(ctx, session, published)
    return _code(ctx, published, (outcome.problem if outcome else None) or pulled.problem)


def _to_pull(ctx: RunContext, session: LedgerSession, found: BatchResults | None) -> int:
    """A pull request's own run: what has ended for it, or was *found* already, and for no other."""
    pulled = PullRequestResults()
    if found or sessions.scope(ctx, session.ledger).facts:
        branches = sessions.load(sessions.other(ctx))
        pulled = pull_request_collect.collect(
            ctx, session, branches.ledger, only=ctx.pull, given=found
        )
    published = next(iter(pulled.published), None)
    if published is not None:
        published = notifiers.notify(ctx, published)
    job_summary.collected(ctx, session, published)
    return _code(ctx, published, pulled.problem)


def _code(
    ctx: RunContext, published: PublishResult | None, problem: BatchActionError | None
) -> int:
    if problem is not None:
        raise problem
    if published is None:
        return 0
    severe = pipeline.too_severe(ctx, published)
    return 1 if severe or pipeline.too_doubtful(ctx, published) else 0


def _found(
    ctx: RunContext, session: LedgerSession, beside: PullRequestLedger | None
) -> BatchResults:
    """What has ended on the branch; with `batch-id` of a pull request's batch, nothing."""
    if beside is not None and ctx.settings.batch_id in view.known_batches(beside.session.ledger):
        return BatchResults()
    recover.recover(ctx, session)
    return _harvest(ctx, session)


def _publish(
    ctx: RunContext,
    session: LedgerSession,
    after: Ledger,
    found: BatchResults,
    pulled: PullRequestResults,
) -> PipelineResult | None:
    """What became of the answers and wishes; None when there were neither."""
    if not found.ended and ctx.github is None:
        return None
    batch_answers = results.batch_answers(ctx, after, found)
    try:
        states = pipeline.read_states(ctx, batch_answers, inherited=pulled.inherited)
    except GitHubError as error:
        if found.ended:
            raise
        # Nothing was to be delivered: whether somebody asked for something can be seen tomorrow.
        ctx.warn(str(error))
        return None
    wishes = states.wishes(after, ctx)
    if not (found.ended or wishes or states.pending):
        return None
    # People's wishes are known for good, whatever becomes of the delivery.
    session.add(*wishes)
    ledger = merge.add(after, *wishes)
    spent = pull_request_collect.spent(ledger, pulled)
    return pipeline.publish(ctx, ledger, found, batch_answers, states, spent=spent)


def _harvest(ctx: RunContext, session: LedgerSession) -> BatchResults:
    """What has ended, waiting up to `wait-minutes` for it with a growing pause.

    A network that is away for a moment ends no wait.
    """
    if not (view.pending(session.ledger) or view.open_intents(session.ledger)):
        return BatchResults()
    until = ctx.deadline
    pause = FIRST_PAUSE
    while True:
        try:
            lost_creates.settle(ctx, session)
            found = results.fetch_results(ctx, session)
        except TransientError:
            if ctx.now() >= until:
                raise
        else:
            if found.ended or not found.waiting or ctx.now() >= until:
                return found
        time.sleep(min(pause, max(0.0, (until - ctx.now()).total_seconds())))
        pause = min(LONGEST_PAUSE, pause * 2)
