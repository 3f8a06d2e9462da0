"""Collection of answers about pull requests: each gets its own review.

All pull requests of a task share one ledger, of which each uses its own facts. The open findings of
a merged one are transferred to the branch; answers for one that was closed are not published.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.batches import lost_creates, results
from batch_action.batches.answers import build_answers
from batch_action.batches.results import BatchResults
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, full_history
from batch_action.ledger import pull_requests, store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import (
    OPEN_STATES,
    CommandName,
    Dismissal,
    FindingCommand,
    FindingState,
    PublishedState,
    TrackedFinding,
)
from batch_action.models.github import PullRequest
from batch_action.models.ledger import (
    Closed,
    Collected,
    Confirmed,
    Dismissed,
    Fact,
    Ledger,
    PersonsVerdict,
    merge,
)
from batch_action.models.report import PublishResult
from batch_action.publishers import finding_block, finding_policy, pipeline, positions, run_report
from batch_action.publishers.pipeline import PipelineResult
from batch_action.publishers.pull_request import publisher as pull_request
from batch_action.publishers.pull_request.eligibility import DESTINATION, account_for, run_of
from batch_action.publishers.pull_request.render import render_unreviewed


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestResults:
    """The result of collecting for one pull request, or for all of them."""

    published: tuple[PublishResult, ...] = ()
    facts: tuple[Fact, ...] = ()
    """Facts whose results are published."""
    inherited: tuple[PublishedState, ...] = ()
    """The open findings of merged pull requests, which the branch takes over."""
    closed: tuple[Fact, ...] = ()
    """Facts of merged pull requests, to be saved once the branch has published `inherited`."""
    ledger: LedgerSession | None = None
    """The ledger of pull requests, where these facts are saved."""
    problem: BatchActionError | None = None

    def with_one(self, one: "PullRequestResults") -> "PullRequestResults":
        """Return these results with those of one more pull request."""
        return replace(
            self,
            published=self.published + one.published,
            facts=self.facts + one.facts,
            inherited=self.inherited + one.inherited,
            closed=self.closed + one.closed,
            problem=self.problem or one.problem,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """One pull request and the answers about it."""

    pull: PullRequest
    view: LedgerView
    """Its own facts, as far as they can be verified with GitHub."""
    batch_results: BatchResults
    decided: tuple[PersonsVerdict, ...]
    """What people decided about findings of the branch."""
    spend_view: LedgerView
    """All facts that count for the month's spending."""


def has_batch(ctx: RunContext, batch: str | None) -> bool:
    """Return whether a batch is in the ledger of pull requests, in the run of a branch."""
    ledger = store.load_pull_requests(ctx) if batch else None
    return ledger is not None and batch in ledger.view.known_batch_ids


def collect(
    ctx: RunContext,
    session: LedgerSession,
    branches: Ledger,
    batch_results: BatchResults | None = None,
) -> PullRequestResults:
    """Publish the results of each pull request; one that fails does not stop the others.

    Save only facts whose results are published.

    Args:
        ctx: the run: of a branch for all pull requests, or of the only one to collect for.
        session: the ledger of pull requests.
        branches: the ledger of branches, for its dismissals and its spending.
        batch_results: the results of the only one, if they are fetched already.
    """
    if session.view.open_intents:
        lost_creates.resolve_open_intents(ctx.require_anthropic(), session, ctx.warn)
    own, combined = ctx.run.pull_number, PullRequestResults(ledger=session)
    for number in (
        [own]
        if own
        else sorted({*pull_requests.unfinished_pull_requests(session.view), *session.contested})
    ):
        try:
            result = _collect_one(ctx, branches, session, number, batch_results)
        except BatchActionError as error:
            if combined.problem is not None:
                ctx.warn(f"Pull request #{number}: {error}")
            combined = replace(combined, problem=combined.problem or error)
            continue
        combined = combined.with_one(result)
        if not ctx.settings.dry_run:
            session.add(*result.facts)
    try:
        if not ctx.settings.dry_run:
            store.save(ctx, session)
            results.delete_batches(ctx, session, combined.facts)
    except BatchActionError as error:
        return replace(combined, problem=combined.problem or error)
    return combined


def save_closed(ctx: RunContext, pull_request_results: PullRequestResults) -> None:
    """Save that merged pull requests are closed, once the branch has published their findings."""
    ledger, closed = pull_request_results.ledger, pull_request_results.closed
    if ledger is not None and closed and not ctx.settings.dry_run:
        ledger.add(*closed)
        store.save(ctx, ledger)
        results.delete_batches(ctx, ledger, closed)


def with_pull_request_spending(view: LedgerView, results: PullRequestResults) -> LedgerView:
    """Return a branch's ledger with the facts about pull requests, which cost money too."""
    if results.ledger is None:
        return view
    return LedgerView(merge(view.ledger, results.ledger.ledger)[0])


def _collect_one(
    ctx: RunContext,
    branches: Ledger,
    session: LedgerSession,
    number: int,
    batch_results: BatchResults | None,
) -> PullRequestResults:
    pull = ctx.require_github().pulls.get(number)
    if ctx.run.pull_number is None:
        ctx = replace(ctx, run=run_of(ctx.git, ctx.github_context, pull))
    elif not pull.open:
        return PullRequestResults()
    view = pull_requests.verify_pull_request(ctx, session.view_of_pull(number), pull)
    if batch_results is None:
        batch_results = results.fetch_results(ctx, view.pending_batches)
    data = _Input(
        pull=pull,
        view=view,
        batch_results=batch_results,
        decided=tuple(fact for fact in branches.facts if isinstance(fact, PersonsVerdict)),
        spend_view=LedgerView(merge(branches, session.ledger)[0]).add(*batch_results.facts),
    )
    if pull.open:
        result = _publish_open(ctx, data)
    elif pull.merged and pull.base_ref == ctx.github_context.default_branch:
        result = _transfer_to_branch(ctx, data)
    else:
        result = PullRequestResults(facts=(*_closed(data, ctx.now()), *_unpublished(batch_results)))
    return replace(result, problem=batch_results.failure)


def _publish_open(ctx: RunContext, data: _Input) -> PullRequestResults:
    """Publish what has ended, what people request, and where the code has moved to."""
    pull, ended = data.pull, data.batch_results.ended
    if not ctx.git.has_commit(pull.head):
        if ended:
            ctx.warn(
                f"The head of pull request #{pull.number}, {pull.head[:12]}, is not in this clone: "
                f"its answers wait for the next run. {full_history()}"
            )
        return PullRequestResults()
    result, facts = _publish(ctx, data, head=pull.head)
    if result is None:
        return PullRequestResults()
    if result.problem is not None:
        raise result.problem
    return PullRequestResults(published=(result.published,), facts=facts)


def _publish(
    ctx: RunContext, data: _Input, *, head: str, deliver: bool = True
) -> tuple[PipelineResult | None, tuple[Fact, ...]]:
    """Reconcile and publish the findings if there is anything new; return the facts to save.

    Without `deliver`, publish nothing, and return a result in any case.
    """
    batch_results = data.batch_results
    collected = data.view.add(*batch_results.facts)
    answers = build_answers(ctx, collected, batch_results, head=head)
    account = account_for(ctx, data.view, batch_results.facts) if data.pull.open else None
    is_known = bool(batch_results.ended or data.view.facts(Collected) or not deliver)
    unreviewed = render_unreviewed(run_report.statuses_of(account)) if account else ""
    if not (is_known or unreviewed):
        return None, ()
    publisher = pull_request.create_publisher(ctx, data.pull)
    states = pipeline.read_states(ctx, publishers={DESTINATION: publisher})
    requested = states.requested_facts(
        collected, ctx.now(), hides_security=ctx.hides_security_findings
    )
    view = collected.add(*data.decided, *requested)
    report = run_report.build(
        ctx, view, batch_results, answers, spend_view=data.spend_view, account=account
    )
    # Its own run sends what is open right after this.
    is_stale = ctx.github_context.pull_request is None and publisher.is_stale(report.file_statuses)
    is_told = requested or report.explanations
    has_news = bool(batch_results.ended or is_told or states.has_pending_work)
    if not (has_news or (account and is_stale) or not deliver):
        return None, ()
    # The findings in files that are as before the pull request are fixed.
    reviewed = collected.reviewed_files | positions.find_reverted_files(
        ctx.git, states.tracked.values(), data.pull, head
    )
    policy = finding_policy.build(ctx, view, states, report, reviewed_before=reviewed)
    delivered_to = states if deliver else replace(states, publishers={})
    reconciliation = pipeline.reconcile_states(ctx.git, report, answers, states, policy)
    ctx.console.activity = "publishing the findings"
    result = pipeline.publish(report, reconciliation, delivered_to, ctx.settings)
    told = [reply.fact(ctx.now()) for reply in report.explanations if deliver]
    return result, (*requested, *batch_results.facts, *told)


def _transfer_to_branch(ctx: RunContext, data: _Input) -> PullRequestResults:
    """Return the open findings of a merged pull request for the branch; publish nothing.

    What people decided is read again where they said it: anybody who can push a branch can write
    something else to its ledger.
    """
    ledger = data.view.ledger.keep(lambda fact: not isinstance(fact, PersonsVerdict))
    data = replace(data, view=LedgerView(ledger))
    pull, closed = data.pull, _closed(data, ctx.now())
    if not (closed or data.batch_results.ended):
        return PullRequestResults()
    if not ctx.git.has_commit(pull.merge_commit):
        ctx.warn(
            f"The merge of pull request #{pull.number} is not in this clone: the branch takes over "
            f"its findings with the next run. {full_history()}"
        )
        return PullRequestResults()
    result, facts = _publish(ctx, data, head=pull.merge_commit, deliver=False)
    assert result is not None  # noqa: S101 - for the type checker: None only with `deliver`
    published = result.published
    inherited = [
        status
        for status in published.statuses
        if status.tracked.state in (*OPEN_STATES, FindingState.DISMISSED)
    ]
    blocks = {
        s.tracked.fingerprint: finding_block.render_block(s.tracked, s.finding, published.report)
        for s in inherited
        if s.finding is not None
    }
    dismissals = tuple(fact for fact in facts if isinstance(fact, Dismissed))
    decided = (*dismissals, *data.decided)
    dismissed = {fact.fingerprint for fact in decided if isinstance(fact, Dismissed)}
    state = PublishedState(
        destination=f"#{pull.number}",
        head=pull.merge_commit,
        tracked=tuple(_as_inherited(status.tracked, dismissed) for status in inherited),
        dismissals=tuple(
            Dismissal(fingerprint=fact.fingerprint, actor=fact.actor, source=fact.source)
            for fact in dismissals
        ),
        commands=tuple(
            FindingCommand(
                name=CommandName.CONFIRM,
                fingerprint=fact.fingerprint,
                actor=fact.actor,
                source=fact.source,
            )
            for fact in facts
            if isinstance(fact, Confirmed)
        ),
        blocks=blocks | published.reconciliation.blocks,
        has_pending_work=True,
    )
    return PullRequestResults(inherited=(state,) if inherited else (), closed=(*facts, *closed))


def _as_inherited(tracked: TrackedFinding, dismissed: Collection[str]) -> TrackedFinding:
    """Return a finding as open if it was new on the pull request, or nobody has dismissed it."""
    is_kept = tracked.state in (FindingState.OPEN, FindingState.RECHECKING)
    is_kept = is_kept or tracked.fingerprint in dismissed
    return tracked if is_kept else replace(tracked, state=FindingState.OPEN)


def _unpublished(batch_results: BatchResults) -> Iterable[Fact]:
    """Yield the facts of results that are not published: they cost money, but count as failed.

    So a reopened pull request sends its requests again.
    """
    request_ids = {p.sent.batch: [key.id for key in p.request_keys] for p in batch_results.ended}
    for fact in batch_results.facts:
        if isinstance(fact, Collected):
            failed = dict.fromkeys(request_ids.get(fact.batch, ()), pull_requests.CLOSED)
            yield fact.model_copy(update={"failed": failed})
        else:
            yield fact


def _closed(data: _Input, now: datetime) -> tuple[Closed, ...]:
    """Return the fact that the pull request is closed, unless the ledger has it."""
    pull = data.pull
    if pull_requests.is_closed(data.view, pull.number):
        return ()
    return (Closed(pull_request=pull.number, merged=pull.merged, at=now),)
