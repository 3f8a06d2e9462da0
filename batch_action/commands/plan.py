"""`plan`: show what `submit` would send and what it would cost; needs no API key."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import click

from batch_action.batches import submit as batch_submit
from batch_action.clients.console import Console
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, BatchActionError, BudgetError, ConfigError
from batch_action.ledger import explanations, store, trust, verification
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Purpose
from batch_action.models.files import SkipKind, SkippedFile
from batch_action.models.findings import FindingClaim
from batch_action.models.requests import ModelCheck, SubmissionMode
from batch_action.publishers import submit_report
from batch_action.publishers.last_report import read_last_reported_head
from batch_action.requests import planner
from batch_action.requests.planner import Plan
from batch_action.tasks.task import Task
from batch_action.text import format_dollars, normalize_line_ends, plural

MAX_NAMED = 3
"""How many skipped files are named for one reason; `--json` lists all."""


def plan(
    ctx: RunContext,
    session: LedgerSession | None = None,
    *,
    exact: bool = False,
    data: list[dict[str, object]] | None = None,
    show_request: str | None = None,
    plans: list[Plan] | None = None,
) -> int:
    """Show the plan as tables, or add it to *data*; with *show_request* one file's requests.

    The plan is added to *plans*.
    Raises what `submit` would raise, after the plan is shown, but for a missing key; AnthropicError
    when *exact* is set.
    """
    unstored: ConfigError | None = None
    try:
        reason = trust.refusal_of_this_run(ctx)
    except ConfigError as error:
        unstored, reason = error, None
    if reason:
        ctx.warn(f"`submit` would send nothing here. {reason}")
    session = session or store.load(ctx)
    ctx, check = _check_models(ctx, exact=exact)
    head = read_last_reported_head(ctx, session.view)
    plan = planner.prepare(
        ctx,
        session,
        lambda: check,
        exact=exact,
        last_reported_head=head,
        claims=_find_claims(ctx, session.view_of(ctx.run)),
    )
    if show_request is not None:
        print_requests(plan, show_request)
        return 0
    if not ctx.runner.actions:
        for warning in uncommitted(ctx, plan.selection.head):
            ctx.warn(warning)
    problem = unstored or _find_problem(ctx, plan)
    if data is not None:
        text = str(problem) if problem else None
        data.append({**plan_data(ctx.settings, ctx.task, plan), "problem": text})
    else:
        print_plan(ctx, plan)
        submit_report.report_plan(ctx, plan)
    if plans is not None:
        plans.append(plan)
    # What the tasks of a run send together is under one cap.
    ctx.budget.sent_usd += plan.worst_case_usd or 0.0
    if problem is not None:
        raise problem
    return 0


def _find_claims(ctx: RunContext, view: LedgerView) -> Mapping[Purpose, Sequence[FindingClaim]]:
    """Return what a submit would ask about findings that are reported; without a key nothing."""
    if ctx.anthropic is None:
        if waiting := len(verification.waiting(view, ctx.settings.verify)):
            ctx.warn(f"Without the API key this plan lacks {plural(waiting, 'finding')} to verify.")
        if waiting := len(explanations.waiting(view, ctx.settings.max_attempts)):
            ctx.warn(
                f"Without the API key this plan lacks {plural(waiting, 'finding')} to explain."
            )
        return {}
    # Only here: a plan without a key reads no results.
    from batch_action.batches import about_findings  # noqa: PLC0415

    return about_findings.gather(ctx, view).claims


def _check_models(ctx: RunContext, *, exact: bool) -> tuple[RunContext, ModelCheck]:
    """Return the context, without Anthropic where it cannot be asked, and the check of models."""
    try:
        return ctx, batch_submit.check_models(ctx)
    except AnthropicError as error:
        if exact:
            raise
        ctx.warn(f"The plan is made without Anthropic: {error}")
        ctx = replace(ctx, anthropic=None)
        return ctx, batch_submit.check_models(ctx)


def _find_problem(ctx: RunContext, plan: Plan) -> BatchActionError | None:
    """Return why `submit` would refuse this plan."""
    try:
        batch_submit.check_destinations(ctx)
        planner.check_budget(ctx, plan)
    except (ConfigError, BudgetError) as problem:
        return problem
    return None


def uncommitted(ctx: RunContext, head: str, *more: str) -> Iterator[str]:
    """Yield a warning for each file in the working tree that a run reads from the commit."""
    names = [ctx.task.source_path, ctx.settings.baseline_file, *ctx.settings.guidelines]
    for name in filter(None, (*more, *names, ".gitattributes")):
        path = ctx.github_context.workspace / name
        # Without the file it may be a sparse checkout; of a link git stores the target's name.
        if not path.is_file() or path.is_symlink():
            continue
        committed, edited = ctx.git.file_at(head, name) or b"", path.read_bytes()
        if normalize_line_ends(edited) != normalize_line_ends(committed):
            yield f"{name} in the working tree is not committed: a run reads it from the commit."


def print_requests(plan: Plan, name: str) -> None:
    """Print the requests of a file, one a line, byte for byte as a batch contains them.

    Raises ConfigError when nothing of the file would be sent, with the reason.
    """
    path = posixpath.normpath(name)
    requests = [r for batch in plan.batches for r in batch if r.request_key.path == path]
    for request in requests:
        cached = plan.mode.has_cache_breakpoint
        click.echo(plan.request_file.encode(request, cached=cached).decode())
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
        fix="`plan` lists what is sent; `select: all` or `base` selects more.",
    )


def plan_data(settings: Settings, task: Task, plan: Plan) -> dict[str, object]:
    """Return the plan as JSON data, with paths as git names them."""
    selection, forecast = plan.selection, plan.forecast
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
                "expected_usd": forecast.files[file.path].expected_usd,
                "at_most_usd": forecast.files[file.path].at_most_usd,
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
        "about_findings": _about_findings_data(plan),
        "excerpts": _count_excerpts(plan),
        "batches": len(plan.batches),
        "tokens": {
            "input": plan.tokens.input,
            "output_max": plan.tokens.output_max,
            "method": plan.tokens.method,
            "error": round(plan.tokens.error, 4),
        },
        "cost": {
            "expected_usd": forecast.expected_usd,
            "expected_from": forecast.basis,
            "due_usd": plan.worst_case_usd,
            "cap_usd": settings.max_cost_usd,
            "month_usd": forecast.month_usd,
            "month_from": forecast.month_basis,
            "interactive_usd": plan.cost.interactive_usd,
            "batch_usd": plan.cost.batch_usd,
            "batch_cached_usd": plan.cost.batch_cached_usd,
            "saved_by_cache_usd": plan.saved_by_cache_usd,
            "priced": plan.cost.is_priced,
            "worst_case": True,
        },
    }


def _about_findings_data(plan: Plan) -> dict[str, object]:
    """Return how many findings are asked about, and the maximum cost of that."""
    return {
        "requests": len(plan.about_findings),
        "findings": sum(len(request.request_key.findings) for request in plan.about_findings),
        "over_budget": sum(len(request.request_key.findings) for request in plan.unasked),
        "at_most_usd": plan.forecast.about_findings_usd,
    }


def print_plan(ctx: RunContext, plan: Plan) -> None:
    """Print the plan: its cost first and last, the files with theirs, what is skipped and why."""
    selection, console = plan.selection, ctx.console
    title = "" if ctx.is_only_task else f"{ctx.title}: "
    settings = ctx.settings
    cost = title + submit_report.cost_line(settings.model, settings.max_cost_usd, [plan])
    console.print(cost)
    base = selection.base[:12] if selection.base else "empty tree"
    if ctx.task.source_path:
        kind = "verdict" if ctx.task.needs_whole_file else "findings"
        console.print(
            f"{ctx.task.name} is a custom task ({kind}), from {ctx.task.source_path}: "
            f"{ctx.task.description}"
        )
    console.print(f"{ctx.title}: {base}..{selection.head[:12]} ({plan.commits.explanation})")
    _print_files(console, plan)
    if selection.skipped:
        count, rows = len(selection.skipped), _fold(selection.skipped)
        console.table(["Skipped because", "Files", ""], rows, title=f"{count} skipped", right=[1])
    if line := submit_report.about_findings_line(plan):
        console.print(line)
    if plan.note:
        console.print(plan.note)
    if plan.spend:
        console.print(plan.spend.describe(ctx.settings, ctx.now()))
    if plan.requests:
        console.print(_explain_cost(plan, settings.warm_minutes))
    console.print(cost)


def print_total(contexts: Sequence[RunContext], plans: Sequence[Plan]) -> None:
    """Print what the plans of several tasks cost together."""
    first = contexts[0]
    models = ", ".join(dict.fromkeys(ctx.settings.model for ctx in contexts))
    line = submit_report.cost_line(models, first.settings.max_cost_usd, plans)
    first.console.print(f"All tasks: {line[:1].lower()}{line[1:]}")


def _print_files(console: Console, plan: Plan) -> None:
    files, costs = plan.selection.files, plan.forecast.files
    backlog = {file.path for file in plan.backlog}
    console.table(
        ["File", "Change", "Parts", "About", "At most", ""],
        [
            (
                f.path,
                f.status.value,
                str(len(f.parts)) if len(f.parts) > 1 else "",
                format_dollars(costs[f.path].expected_usd),
                format_dollars(costs[f.path].at_most_usd),
                "backlog: over the cost limit" if f.path in backlog else "",
            )
            for f in files
        ],
        title=plural(len(files), "file"),
        paths=[0],
        right=[2, 3, 4],
    )


def _fold(skipped: Iterable[SkippedFile]) -> list[tuple[str, str, str]]:
    """Return a row for each reason: the reason, how many files, and some of them."""
    by_reason: dict[str, list[SkippedFile]] = {}
    for file in skipped:
        by_reason.setdefault(file.reason.value, []).append(file)
    rows = []
    for reason, files in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        named = [
            f"{f.path} ({f.detail})" if f.detail and f.kind is not SkipKind.NAME else f.path
            for f in files[:MAX_NAMED]
        ]
        more = ["…"] if len(files) > MAX_NAMED else []
        rows.append((reason, str(len(files)), ", ".join([*named, *more])))
    return rows


def _count_excerpts(plan: Plan) -> int:
    """Count the requests that leave out lines of their file."""
    return sum(request.is_excerpt for request in plan.requests)


def _explain_cost(plan: Plan, warm_minutes: float) -> str:
    forecast, tokens, costs = plan.forecast, plan.tokens, plan.cost
    counted = {"offline-estimate": "estimated from the bytes", "sampled": "from a sample"}
    other = [
        f"{format_dollars(usd)} {how}"
        for usd, how in (
            (costs.interactive_usd, "interactively"),
            (costs.batch_usd, "in a batch"),
            (costs.batch_cached_usd, "in a batch with the prompt cache"),
        )
    ]
    warm = ""
    if plan.saved_by_cache_usd:
        verb = "saves" if plan.mode is SubmissionMode.WARM_UP else "would save"
        warm = (
            f"\n`prompt-cache: warm` {verb} about {format_dollars(plan.saved_by_cache_usd)} and "
            f"holds the run for at most {warm_minutes:g} minutes."
        )
    excerpts = _count_excerpts(plan)
    shown = f" ({plural(excerpts, 'excerpt')})" if excerpts else ""
    return (
        f"{plural(len(plan.requests), 'request')}{shown}, {tokens.input:,} tokens in "
        f"({counted.get(tokens.method, tokens.method)}), at most {tokens.output_max:,} out: "
        f"{', '.join(other)} at most.\n"
        f"Expected: {forecast.basis}. A month: {forecast.month_basis}.{warm}"
    )
