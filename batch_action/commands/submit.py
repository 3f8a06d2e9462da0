"""`submit`: select changed files and send their requests as message batches."""

from functools import partial
from typing import TYPE_CHECKING

from batch_action.batches import about_findings, lost_creates
from batch_action.batches import submit as batch_submit
from batch_action.context import RunContext
from batch_action.errors import BatchActionError
from batch_action.ledger import spend, store, trust
from batch_action.ledger.store import LedgerSession
from batch_action.models.requests import SubmissionMode
from batch_action.publishers import submit_report
from batch_action.publishers.last_report import read_last_reported_head
from batch_action.requests import planner
from batch_action.requests.planner import Plan

if TYPE_CHECKING:
    from batch_action.batches.results import BatchResults


def submit(ctx: RunContext, session: LedgerSession | None = None) -> int:
    """Send requests for changed files and the backlog; return the exit code.

    A small workload may be postponed, or sent synchronously: its results are published here.
    Raises BatchActionError.
    """
    if (reason := trust.refusal_of_this_run(ctx)) is not None:
        ctx.runner.annotate("notice", f"Nothing was sent. {reason}")
        ctx.runner.set_output("status", "nothing-to-do")
        return 0
    ctx.require_anthropic_opener()
    session = session or store.load(ctx)
    if session.view.open_intents:
        lost_creates.resolve_open_intents(ctx.require_anthropic(), session, ctx.warn)
    batch_submit.check_destinations(ctx)
    head = read_last_reported_head(ctx, session.view)
    view = session.view_of(ctx.run)
    to_ask = about_findings.gather(ctx, view, session.claims)
    plan = planner.prepare(
        ctx,
        session,
        partial(batch_submit.check_models, ctx),
        last_reported_head=head,
        claims=to_ask.claims,
    )
    if not ctx.settings.dry_run:
        undecided = about_findings.undecided_by_size(view, ctx.settings.verify, plan.too_large)
        session.add(*to_ask.facts, *undecided)
    if plan.spend and not (ctx.settings.dry_run or plan.due):
        # What another task must know: of a budget that is used up nothing is reserved.
        spend.settle(ctx, plan.spend, session.view_of(ctx.run))
    planner.check_budget(ctx, plan)
    before = len(session.sent)
    batch_results = None if ctx.settings.dry_run else send(ctx, session, plan)
    answered = batch_results is not None
    submit_report.report_submitted(ctx, session, plan, session.sent[before:], answered=answered)
    return 0 if batch_results is None else _publish(ctx, session, batch_results)


def send(ctx: RunContext, session: LedgerSession, plan: Plan) -> "BatchResults | None":
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
        # Only here, as in `_publish`: what reads results, which few submits do.
        from batch_action.batches import synchronous  # noqa: PLC0415

        batch_results = synchronous.send_requests(ctx, session, plan, selected)
    elif plan.due:
        batch_submit.send_batches(ctx, session, plan, selected)
    elif batch_submit.adds_selection(session.view_of(ctx.run), selected):
        # There is nothing to send, but the next run starts from this commit.
        session.add(selected)
    store.save(ctx, session)
    return batch_results


def _publish(ctx: RunContext, session: LedgerSession, batch_results: "BatchResults") -> int:
    from batch_action.batches import synchronous  # noqa: PLC0415
    from batch_action.commands.collect import publish_results  # noqa: PLC0415

    try:
        return publish_results(ctx, session, batch_results)
    except BatchActionError:
        synchronous.record_undelivered(ctx, session, batch_results)
        raise
