"""The second half of a submit on a branch: what open pull requests have unanswered."""

from dataclasses import replace
from functools import partial

from batch_action.batches import about_findings
from batch_action.batches import submit as batch_submit
from batch_action.clients.github.errors import RefusedError
from batch_action.commands.submit import send
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import pull_requests, store, trust
from batch_action.ledger.store import LedgerSession
from batch_action.models.github import PullRequest
from batch_action.publishers import submit_report
from batch_action.publishers.pull_request import eligibility
from batch_action.requests import planner


def submit_pull_requests(ctx: RunContext, _: LedgerSession) -> int:
    """Send what open pull requests have unanswered, after the branch's own files.

    Each selection is read from git, and what counts as answered is verified with Anthropic. An
    error of one pull request is a warning.
    """
    github = ctx.github
    is_wanted = ctx.settings.pull_requests and ctx.run.pull_number is None
    if not is_wanted or github is None or trust.refusal_of_this_run(ctx) is not None:
        return 0
    session = store.load_pull_requests(ctx)
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
    to_ask = about_findings.gather(ctx, verified)
    plan = planner.prepare(
        ctx,
        session,
        partial(batch_submit.check_models, ctx),
        verified=verified,
        claims=to_ask.claims,
    )
    before = len(session.sent)
    if to_ask.facts and not ctx.settings.dry_run:
        session.add(*to_ask.facts)
        store.save(ctx, session)
    if not ctx.settings.dry_run and plan.due:
        planner.check_budget(ctx, plan)
        send(ctx, session, plan)
    if plan.requests:
        submit_report.report_pull_request_submitted(ctx, plan, session.sent[before:])
