"""`collect`: fetch ended batches and publish their findings; sends no requests."""

from collections.abc import Iterable
from datetime import datetime

from batch_action.batches import claims, recover, results
from batch_action.batches.answers import build_answers
from batch_action.batches.results import BatchResults
from batch_action.context import RunContext
from batch_action.errors import GitHubError
from batch_action.ledger import savings, spend, store, verification
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Ledger, Reported
from batch_action.publishers import (
    finding_policy,
    job_summary,
    notifiers,
    pipeline,
    positions,
    run_report,
)
from batch_action.publishers.exit_code import exit_code
from batch_action.publishers.pipeline import PipelineResult, Reconciled
from batch_action.publishers.pull_request import collect as pull_request_collect
from batch_action.publishers.pull_request.collect import PullRequestResults


def collect(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Publish the results of every ended batch, and apply what users requested in comments.

    Returns 1 for a new finding at `fail-on-severity` or a verdict at `fail-on-verdict`, else 0.
    Raises GitHubError when a destination failed: no batch counts as collected then, and the next
    run publishes them again.
    """
    session = session or store.load(ctx)
    if ctx.run.pull_number is not None:
        return _collect_pull_request(ctx, session, None)
    pull_requests = store.load_pull_requests(ctx)
    batch_results = _branch_results(ctx, session, pull_requests)
    pull_request_results = (
        pull_request_collect.collect(ctx, pull_requests, session.ledger)
        if pull_requests
        else PullRequestResults()
    )
    try:
        return publish_results(ctx, session, batch_results, pull_request_results)
    finally:
        if pull_requests is not None:
            published = pull_request_results.published
            if published and not ctx.settings.dry_run:
                spend.record(ctx, session.view, pull_requests.view)
            job_summary.report_pull_requests(ctx, pull_requests, published)


def publish_results(
    ctx: RunContext,
    session: LedgerSession,
    batch_results: BatchResults,
    pull_request_results: PullRequestResults | None = None,
) -> int:
    """Publish results and users' requests to every destination, then record the batches.

    *pull_request_results*: what the same run collected for pull requests. Returns the exit code.
    """
    if ctx.run.pull_number is not None:
        return _collect_pull_request(ctx, session, batch_results)
    pull_request_results = pull_request_results or PullRequestResults()
    batch_results = claims.with_given_up(batch_results, session.view, ctx.settings.max_attempts)
    # These facts are saved only after everything is published: see `collect`.
    after = session.ledger.add(*batch_results.facts)
    result = _publish(ctx, session, after, batch_results, pull_request_results)
    done = result is None or result.problem is None
    if not ctx.settings.dry_run:
        session.add(*_reported_issue(result, session.view, ctx.now()))
        if done:
            run = ctx.github_context.run
            changes = result.changes(session.view, at=ctx.now(), run=run) if result else ()
            session.add(*batch_results.facts, *changes)
            statuses = result.published.statuses if result else ()
            answers = batch_results.answers
            _record_claims(session, claims.reported_claims(statuses, answers, ctx.task))
        store.save(ctx, session)
        if batch_results.facts:
            spend.record(ctx, session.view)
    if not ctx.is_only_task:
        spent = pull_request_collect.with_pull_request_spending(
            LedgerView(after), pull_request_results
        )
        facts = (*batch_results.facts, *pull_request_results.facts)
        ctx.add_savings(savings.by_period(spent, facts, ctx.now()))
    published = result.published if result else None
    if done and (published or not pull_request_results.inherited):
        pull_request_collect.save_closed(ctx, pull_request_results)
    if published is not None and done and not (result and result.notified):
        published = notifiers.notify(ctx, published)
    job_summary.report_collected(ctx, session, published, batch_results)
    if done and not ctx.settings.dry_run:
        results.delete_batches(ctx, session, batch_results.facts)
    problem = (result.problem if result else None) or pull_request_results.problem
    return exit_code(ctx.runner, ctx.settings, published, problem or batch_results.failure)


def _record_claims(session: LedgerSession, reported: Iterable[claims.Due]) -> None:
    """Record which findings are to be verified; hand what they say to a submit of this run."""
    due = list(reported)
    session.add(*(fact for fact, _ in due))
    session.claims += tuple(claim for _, claim in due)


def _reported_issue(
    result: PipelineResult | None, view: LedgerView, now: datetime
) -> tuple[Reported, ...]:
    """Return the fact that names the rolling issue, if the ledger does not name it yet."""
    written = result.published.results if result else ()
    numbers = {r.number for r in written if r.destination == "issue" and r.number}
    return tuple(Reported(issue=n, at=now) for n in numbers - {view.last_issue})


def _collect_pull_request(
    ctx: RunContext, session: LedgerSession, batch_results: BatchResults | None
) -> int:
    """Collect in a pull request's own run: its ended batches, or *batch_results* if given."""
    pull_request_results = PullRequestResults()
    if batch_results or session.view_of(ctx.run).ledger.facts:
        branches = store.load(ctx, pull_requests=False)
        pull_request_results = pull_request_collect.collect(
            ctx, session, branches.ledger, batch_results
        )
    published = next(iter(pull_request_results.published), None)
    if published is not None:
        if published.report.spending:
            ctx.add_savings(published.report.spending.savings)
        published = notifiers.notify(ctx, published)
        if not ctx.settings.dry_run:
            spend.record(ctx, session.view_of(ctx.run))
    job_summary.report_collected(ctx, session, published)
    return exit_code(ctx.runner, ctx.settings, published, pull_request_results.problem)


def _branch_results(
    ctx: RunContext, session: LedgerSession, pull_requests: LedgerSession | None
) -> BatchResults:
    """Return the results of the branch; none when `batch-id` is a pull request's batch."""
    if pull_requests and ctx.settings.batch_id in pull_requests.view.known_batch_ids:
        return BatchResults()
    recover.recover_batch(ctx, session)
    return results.wait_for_results(ctx, session)


def _publish(
    ctx: RunContext,
    session: LedgerSession,
    after: Ledger,
    batch_results: BatchResults,
    pull_request_results: PullRequestResults,
) -> PipelineResult | None:
    """Publish results, users' requests, and what moved or is gone; None when there is nothing."""
    reconciled = _reconcile(ctx, session, after, batch_results, pull_request_results)
    if reconciled is None:
        return None
    # Not with the answers and views, which may be large and are not needed any more.
    ctx.console.activity = "publishing the findings"
    result = pipeline.publish(*reconciled, ctx.settings)
    return notifiers.notify_first(ctx, result)


def _reconcile(
    ctx: RunContext,
    session: LedgerSession,
    after: Ledger,
    batch_results: BatchResults,
    pull_request_results: PullRequestResults,
) -> Reconciled | None:
    """Return what to publish; None when there is nothing."""
    if not batch_results.ended and ctx.github is None:
        return None
    view = LedgerView(after)
    head = None if batch_results.ended else positions.newest_head(ctx, view)
    answers = build_answers(ctx, view, batch_results, head=head)
    try:
        states = pipeline.read_states(
            ctx,
            view.dismissed_fingerprints,
            inherited=pull_request_results.inherited,
            last_issue=view.last_issue,
        )
    except GitHubError as error:
        if batch_results.ended:
            raise
        # There are no results to publish; the next run reads the users' requests.
        ctx.warn(str(error))
        return None
    requested = states.requested_facts(view, ctx.now(), hides_security=ctx.hides_security_findings)
    before = view
    if requested:
        view = view.add(*requested)
    spent = pull_request_collect.with_pull_request_spending(view, pull_request_results)
    report = run_report.build(ctx, view, batch_results, answers, spend_view=spent)
    is_told = requested or report.explanations
    has_news = bool(batch_results.ended or is_told or states.has_pending_work)
    if not (has_news or states.is_behind(answers.commit, verification.results(before))):
        return None
    # Users' requests are saved even if publishing fails.
    session.add(*requested)
    policy = finding_policy.build(
        ctx,
        view,
        states,
        report,
        reviewed_before=before.reviewed_files,
        before_run=session.view,
        verified={each.fingerprint: each for each in batch_results.verifications},
    )
    reconciliation = pipeline.reconcile_states(ctx.git, report, answers, states, policy)
    if not (has_news or states.is_outdated_by(reconciliation)):
        return None
    return report, reconciliation, states
