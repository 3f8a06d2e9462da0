"""`plan`: show what `submit` would send and what it would cost; needs no API key."""

import posixpath
from dataclasses import replace

import click

from batch_action.batches import submit as batch_submit
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, BatchActionError, BudgetError, ConfigError
from batch_action.ledger import store, trust
from batch_action.ledger.store import LedgerSession
from batch_action.publishers import job_summary, pipeline
from batch_action.requests import packing, planner
from batch_action.requests.planner import Plan
from batch_action.tasks.task import Task
from batch_action.text import format_dollars, plural


def plan(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    exact: bool = False,
    data: list[dict[str, object]] | None = None,
    show_request: str | None = None,
) -> int:
    """Show the plan as a table, or add it to *data*; with *show_request* one file's requests.

    Returns 0, also when `submit` would exit with 3: that is said. Raises ConfigError where `submit`
    would; AnthropicError when *exact* is set.
    """
    try:
        reason = trust.refusal_of_this_run(ctx)
    except ConfigError as error:
        reason = str(error)
    if reason:
        ctx.warn(f"`submit` would send nothing here. {reason}")
    session = session or store.load(ctx)
    try:
        check = batch_submit.check_models(ctx)
    except AnthropicError as error:
        if exact:
            raise
        ctx.warn(f"The plan is made without Anthropic: {error}")
        ctx = replace(ctx, anthropic=None)
        check = batch_submit.check_models(ctx)
    head = pipeline.read_last_reported_head(ctx, session.view)
    prepared = planner.prepare(
        ctx, session, model=check.model, now=check.clock, exact=exact, last_reported_head=head
    )
    if show_request is not None:
        print_requests(prepared, show_request)
        return 0
    problem = _find_problem(ctx, prepared)
    if data is not None:
        data.append(
            {
                **plan_data(ctx.settings, ctx.task, prepared),
                "problem": str(problem) if problem else None,
            }
        )
    else:
        print_plan(ctx, prepared)
        job_summary.report_plan(ctx, prepared)
    if isinstance(problem, ConfigError):
        raise problem
    if problem is not None:
        ctx.warn(f"`submit` would exit with {problem.exit_code}: {problem}")
    return 0


def _find_problem(ctx: RunContext, plan: Plan) -> BatchActionError | None:
    """Return why `submit` would refuse this plan."""
    try:
        batch_submit.check_destinations(ctx)
        planner.check_budget(ctx, plan)
    except (ConfigError, BudgetError) as problem:
        return problem
    return None


def print_requests(plan: Plan, name: str) -> None:
    """Print the requests of a file, one a line, byte for byte as a batch contains them.

    Raises ConfigError when nothing of the file would be sent, with the reason.
    """
    path = posixpath.normpath(name)
    requests = [r for batch in plan.batches for r in batch if r.request_key.path == path]
    for request in requests:
        click.echo(packing.encode(request.request_key.id, request.params).decode())
    if requests:
        return
    selection = plan.selection
    reason = "it has not changed since the base, or does not exist"
    for skipped in selection.skipped:
        if skipped.path == path:
            reason = f"it is skipped: {skipped.reason.value} {skipped.detail}".strip()
    if any(file.path == path for file in plan.backlog):
        reason = "it is over the cost limit, so it stays in the backlog"
    raise ConfigError(
        f"Nothing of {path} would be sent: {reason}.",
        fix="`plan` lists what is sent; `--select all` or `--base` selects more.",
    )


def plan_data(settings: Settings, task: Task, plan: Plan) -> dict[str, object]:
    """Return the plan as JSON data, with paths as git names them."""
    selection = plan.selection
    backlog = {file.path for file in plan.backlog}
    return {
        "task": task.name,
        "task_from": task.source_path or None,
        "state_key": settings.state_key,
        "model": settings.model,
        "head": selection.head,
        "base": selection.base,
        "base_from": plan.commits.explanation,
        "files": [
            {
                "path": file.path,
                "status": file.status.value,
                "old_path": file.old_path,
                "parts": len(file.parts),
                "masked_secrets": file.masked_secrets,
                "backlog": file.path in backlog,
            }
            for file in selection.files
        ],
        "skipped": [
            {"path": s.path, "reason": s.reason.value, "detail": s.detail}
            for s in selection.skipped
        ],
        "backlog": sorted(backlog),
        "mode": plan.mode.value,
        "note": plan.note,
        "requests": len(plan.requests),
        "batches": len(plan.batches),
        "tokens": {
            "input": plan.tokens.input,
            "output_max": plan.tokens.output_max,
            "method": plan.tokens.method,
            "error": round(plan.tokens.error, 4),
        },
        "cost": {
            "interactive_usd": plan.cost.interactive_usd,
            "batch_usd": plan.cost.batch_usd,
            "batch_cached_usd": plan.cost.batch_cached_usd,
            "due_usd": plan.worst_case_usd,
            "priced": plan.cost.is_priced,
            "worst_case": True,
        },
    }


def print_plan(ctx: RunContext, plan: Plan) -> None:
    """Print the plan as tables."""
    selection, console = plan.selection, ctx.console
    backlog = {file.path for file in plan.backlog}
    base = selection.base[:12] if selection.base else "empty tree"
    if ctx.task.source_path:
        kind = "verdict" if ctx.task.needs_whole_file else "findings"
        console.print(
            f"{ctx.task.name} is a custom task ({kind}), from {ctx.task.source_path}: "
            f"{ctx.task.description}"
        )
    console.print(f"{ctx.title}: {base}..{selection.head[:12]} ({plan.commits.explanation})")
    console.table(
        ["File", "Status", "Parts", ""],
        [
            (
                f.path,
                f.status.value,
                str(len(f.parts)),
                "backlog: over the cost limit" if f.path in backlog else "",
            )
            for f in selection.files
        ],
        title=plural(len(selection.files), "file"),
        paths=[0],
        right=[2],
    )
    if selection.skipped:
        rows = [(s.path, s.reason.value, s.detail) for s in selection.skipped]
        console.table(["Skipped", "Reason", ""], rows, title=f"{len(rows)} skipped", paths=[0])
    if plan.note:
        console.print(plan.note)
    tokens = (
        f"{plan.tokens.input:,} tokens in ({plan.tokens.method}), {plan.tokens.output_max:,} out"
    )
    costs = (plan.cost.interactive_usd, plan.cost.batch_usd, plan.cost.batch_cached_usd)
    console.table(
        ["At most", "interactive", "batch", "batch + cache"],
        [(f"{plural(len(plan.requests), 'request')}, {tokens}", *map(format_dollars, costs))],
        right=[1, 2, 3],
    )
