"""`submit`: select changed files and send their requests as message batches."""

from dataclasses import replace

from batch_action.batches import lost_creates, synchronous
from batch_action.batches import submit as batch_submit
from batch_action.batches.results import BatchResults
from batch_action.batches.submit import ModelCheck
from batch_action.clients.github.errors import RefusedError
from batch_action.commands.collect import publish_results
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import pull_requests, spend, store, trust
from batch_action.ledger.store import LedgerSession
from batch_action.models.github import PullRequest
from batch_action.models.requests import SubmissionMode
from batch_action.publishers import job_summary, pipeline
from batch_action.publishers.pull_request import collect as pull_request_collect
from batch_action.publishers.pull_request import eligibility
from batch_action.requests import planner
from batch_action.requests.planner import PreparedPlan


def submit(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Send requests for changed files and the backlog; return the exit code.

    A small workload may be postponed, or sent synchronously: its results are published here.
    Raises BatchActionError.
    """
    if (reason := trust.refusal_of_this_run(ctx)) is not None:
        ctx.runner.annotate("notice", f"Nothing was sent. {reason}")
        ctx.runner.set_output("status", "nothing-to-do")
        return 0
    ctx.require_anthropic()
    session = session or store.load(ctx)
    model_check = batch_submit.check_models(ctx)
    if session.view.open_intents:
        lost_creates.resolve_open_intents(ctx, session)
    batch_submit.check_destinations(ctx)
    prepared = planner.prepare(
        ctx,
        session,
        model=model_check.model,
        now=model_check.clock,
        last_reported_head=pipeline.read_last_reported_head(ctx, session.view),
    )
    if prepared.spend and not (ctx.settings.dry_run or prepared.plan.due):
        # What another task must know: of a budget that is used up nothing is reserved.
        spend.settle(ctx, prepared.spend, store.view_of_run(ctx, session))
    planner.check_budget(ctx, prepared.plan, prepared.spend)
    before = len(session.sent)
    batch_results = None if ctx.settings.dry_run else _send(ctx, session, prepared, model_check)
    job_summary.report_submitted(ctx, session, prepared, session.sent[before:], batch_results)
    return 0 if batch_results is None else _publish(ctx, session, batch_results)


def submit_pull_requests(ctx: RunContext, _: LedgerSession) -> int:
    """Send what open pull requests have unanswered, after the branch's own files.

    Each selection is read from git, and what counts as answered is verified with Anthropic. An
    error of one pull request is a warning.
    """
    github = ctx.github
    is_wanted = ctx.settings.pull_requests and ctx.run.pull_number is None
    if not is_wanted or github is None or trust.refusal_of_this_run(ctx) is not None:
        return 0
    session = pull_request_collect.load_ledger(ctx)
    if session is None or (ctx.task.security_only and ctx.hides_security_findings):
        return 0
    try:
        pulls = github.pulls.list_reviewable(ctx.github_context.repository_id)
    except RefusedError as refused:
        ctx.warn(f"`pull-requests: on` needs the permission `pull-requests: write`: {refused}")
        return 0
    for pull in pulls:
        own = replace(ctx, run=eligibility.run_of(ctx, pull))
        try:
            _submit_pull_request(own, session, pull)
        except BatchActionError as error:
            ctx.warn(f"Pull request #{pull.number}: {error}")
    return 0


def _submit_pull_request(ctx: RunContext, session: LedgerSession, pull: PullRequest) -> None:
    known = pull_requests.verify_pull_request(ctx, store.view_of_run(ctx, session), pull)
    verified = eligibility.verify_answers(ctx, known)
    model_check = batch_submit.check_models(ctx)
    prepared = planner.prepare(
        ctx, session, model=model_check.model, now=model_check.clock, verified=verified
    )
    before = len(session.sent)
    if not ctx.settings.dry_run and prepared.plan.due:
        planner.check_budget(ctx, prepared.plan)
        _send(ctx, session, prepared, model_check)
    if prepared.plan.requests:
        job_summary.report_pull_request_submitted(ctx, prepared, session.sent[before:])


def _send(
    ctx: RunContext, session: LedgerSession, prepared: PreparedPlan, model_check: ModelCheck
) -> BatchResults | None:
    """Send what is due and record the selection; return the results of synchronous requests."""
    plan, batch_results = prepared.plan, None
    selected = batch_submit.selected_fact(
        ctx, prepared.selection, partial=prepared.partial, behind=prepared.behind
    )
    if plan.due and plan.mode is SubmissionMode.INTERACTIVE:
        batch_results = synchronous.send_requests(
            ctx, session, plan, selected, model_check, prepared.spend
        )
    elif plan.due:
        batch_submit.send_batches(ctx, session, plan, selected, model_check, prepared.spend)
    elif batch_submit.adds_selection(store.view_of_run(ctx, session), selected):
        # There is nothing to send, but the next run starts from this commit.
        session.add(selected)
    store.save(ctx, session)
    return batch_results


def _publish(ctx: RunContext, session: LedgerSession, batch_results: BatchResults) -> int:
    try:
        return publish_results(ctx, session, batch_results)
    except BatchActionError:
        synchronous.record_undelivered(ctx, session, batch_results)
        raise
