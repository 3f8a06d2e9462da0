"""`submit`: select changed files and send their requests as message batches."""

from dataclasses import replace
from functools import partial

from batch_action.batches import claims as batch_claims
from batch_action.batches import lost_creates, synchronous
from batch_action.batches import submit as batch_submit
from batch_action.batches.results import BatchResults
from batch_action.clients.github.errors import RefusedError
from batch_action.commands.collect import publish_results
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import pull_requests, spend, store, trust
from batch_action.ledger.store import LedgerSession
from batch_action.models.github import PullRequest
from batch_action.models.requests import SubmissionMode
from batch_action.publishers import submit_report
from batch_action.publishers.last_report import read_last_reported_head
from batch_action.publishers.pull_request import collect as pull_request_collect
from batch_action.publishers.pull_request import eligibility
from batch_action.requests import planner
from batch_action.requests.planner import Plan


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
    if session.view.open_intents:
        lost_creates.resolve_open_intents(ctx.require_anthropic(), session, ctx.warn)
    batch_submit.check_destinations(ctx)
    head = read_last_reported_head(ctx, session.view)
    claims, undecided = batch_claims.gather(ctx, session.view, session.claims)
    plan = planner.prepare(
        ctx,
        session,
        partial(batch_submit.check_models, ctx),
        last_reported_head=head,
        claims=claims,
    )
    if not ctx.settings.dry_run:
        session.add(*undecided)
    if plan.spend and not (ctx.settings.dry_run or plan.due):
        # What another task must know: of a budget that is used up nothing is reserved.
        spend.settle(ctx, plan.spend, session.view_of(ctx.run))
    planner.check_budget(ctx, plan)
    before = len(session.sent)
    batch_results = None if ctx.settings.dry_run else _send(ctx, session, plan)
    answered = batch_results is not None
    submit_report.report_submitted(ctx, session, plan, session.sent[before:], answered=answered)
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
        own = replace(ctx, run=eligibility.run_of(ctx.git, ctx.github_context, pull))
        try:
            _submit_pull_request(own, session, pull)
        except BatchActionError as error:
            ctx.warn(f"Pull request #{pull.number}: {error}")
    return 0


def _submit_pull_request(ctx: RunContext, session: LedgerSession, pull: PullRequest) -> None:
    known = pull_requests.verify_pull_request(ctx, session.view_of(ctx.run), pull)
    verified = eligibility.verify_answers(ctx.anthropic, ctx.settings, known)
    plan = planner.prepare(ctx, session, partial(batch_submit.check_models, ctx), verified=verified)
    before = len(session.sent)
    if not ctx.settings.dry_run and plan.due:
        planner.check_budget(ctx, plan)
        _send(ctx, session, plan)
    if plan.requests:
        submit_report.report_pull_request_submitted(ctx, plan, session.sent[before:])


def _send(ctx: RunContext, session: LedgerSession, plan: Plan) -> BatchResults | None:
    """Send what is due and record the selection; return the results of synchronous requests."""
    batch_results, behind = None, plan.commits.behind
    selected = batch_submit.selected_fact(
        ctx,
        plan.selection,
        partial=plan.commits.partial or behind,
        first=plan.commits.first,
        behind=behind,
    )
    if plan.due and plan.mode is SubmissionMode.INTERACTIVE:
        batch_results = synchronous.send_requests(ctx, session, plan, selected)
    elif plan.due:
        batch_submit.send_batches(ctx, session, plan, selected)
    elif batch_submit.adds_selection(session.view_of(ctx.run), selected):
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
