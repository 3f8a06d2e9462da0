"""Requests become a plan: tokens, dollars, what fits under the cap, and batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import AnthropicError, BudgetError, ConfigError
from batch_action.ledger import store as sessions
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import BacklogFile
from batch_action.models.files import FileChange, SelectedFile, Selection, SkippedFile, SkipReason
from batch_action.models.ledger import Ledger
from batch_action.models.requests import ModelCapabilities, Plan, SubmissionMode
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding import state
from batch_action.publishers.sarif import publisher as sarif
from batch_action.requests import builder, context_files, packing, pricing, send_strategy
from batch_action.requests.builder import RequestSet, all_requests
from batch_action.requests.packing import CostEstimator
from batch_action.requests.send_strategy import SendStrategy
from batch_action.selection import commit_range, reader
from batch_action.selection.commit_range import CommitRange
from batch_action.selection.patterns import PathRules


@dataclass(frozen=True, slots=True)
class _Scale:
    """How bytes become tokens tonight."""

    ratio: float
    method: str
    error: float


def plan(
    ctx: RunContext,
    asked: RequestSet,
    ledger: Ledger,
    choice: SendStrategy = SendStrategy(SubmissionMode.BATCH),  # noqa: B008 - frozen
    *,
    exact: bool,
) -> Plan:
    """Pack what fits under the caps into batches; what does not fit is owed, whole files only.

    *ledger*: whose spending counts for the caps. *choice*: which way the requests go.
    """
    asked, scale = _counted(ctx, asked, exact=exact)
    shared = pricing.estimate(asked.shared_bytes, scale.ratio)
    price = CostEstimator(ctx=ctx, mode=choice.mode, shared=shared)
    chosen, backlog = _fill(asked, price, _budget(ctx, ledger))
    requests = [request for file in chosen for request in asked.requests[file.path]]
    if choice.mode is SubmissionMode.WARM_UP and not send_strategy.pays(
        ctx, price.marked(requests), shared
    ):
        choice = SendStrategy(
            SubmissionMode.BATCH, "No prompt cache: under the cap there are too few requests."
        )
        price = replace(price, mode=choice.mode)
    made = packing.packed(ctx, requests, choice.mode)
    due = made[0] if choice.mode is SubmissionMode.WARM_UP else requests
    groups = price.groups(requests)
    return Plan(
        batches=made,
        mode=choice.mode,
        note=choice.note,
        worst_usd=price.worst(due),
        backlog=tuple(backlog),
        tokens=pricing.total(
            (request.input_tokens for request in requests),
            sum(request.max_tokens for request in requests),
            scale.method,
            scale.error,
        ),
        cost=pricing.together(
            pricing.columns(ctx.prices, model, usages, shared) for model, usages in groups.items()
        ),
    )


def refuse_over_budget(ctx: RunContext, plan: Plan) -> None:
    """Raise BudgetError when nothing fits, or not all of it and `on-over-budget: fail`.

    Raise ConfigError when the model has no known price: no cap could be kept.
    """
    settings = ctx.settings
    if plan.requests and not plan.cost.priced:
        raise ConfigError(
            f"`model` {settings.model!r} has no known price, so `max-cost-usd` cannot be kept.",
            fix="Add its price to `prices` in the config file; the README shows how.",
        )
    if not plan.backlog:
        return
    names = ", ".join(file.path for file in plan.backlog[:3])
    if not plan.requests and ctx.budget.sent_usd:
        # The cap is one for all tasks of a run: this one stands in line again tomorrow.
        ctx.warn(f"{ctx.title}: the budget is used up, {len(plan.backlog)} files are owed.")
        return
    if not plan.requests:
        raise BudgetError(
            f"Not even one file fits under the budget ({len(plan.backlog)} wait: {names} …).",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or narrow `paths`.",
        )
    if settings.on_over_budget == "fail":
        raise BudgetError(
            f"{len(plan.backlog)} files do not fit under the budget ({names} …) and "
            "`on-over-budget` is `fail`: nothing was sent.",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or use `on-over-budget: fill`.",
        )


def month_start(now: datetime) -> datetime:
    """The first moment of the calendar month, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _budget(ctx: RunContext, ledger: Ledger) -> float:
    settings, now = ctx.settings, ctx.now()
    left = settings.max_cost_usd - ctx.budget.sent_usd
    if settings.monthly_budget_usd is not None:
        spent = view.known_spend(ledger, month_start(now)) + ctx.budget.other_tasks_patterns(
            ctx.title
        )
        left = min(left, settings.monthly_budget_usd - spent - view.committed(ledger))
    return left


def _fill(
    asked: RequestSet, price: CostEstimator, budget: float
) -> tuple[list[SelectedFile], list[SelectedFile]]:
    """Files by risk until the worst case reaches the budget; a smaller one may still fit."""
    chosen, backlog, used = [], [], 0.0
    for file in asked.selection.files:
        cost = price.worst(asked.requests[file.path])
        if cost is not None and used + cost > budget:
            backlog.append(file)
            continue
        used += cost or 0.0
        chosen.append(file)
    return chosen, backlog


def _counted(ctx: RunContext, asked: RequestSet, *, exact: bool) -> tuple[RequestSet, _Scale]:
    """The requests with their tokens: counted, scaled from a sample, or estimated offline."""
    requests = list(all_requests(asked))
    api = ctx.anthropic
    if api is None or not requests:
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    sizes = [request.size for request in requests]
    indexes = range(len(requests)) if exact else pricing.sample_indexes(sizes)
    counted: dict[int, int] = {}
    try:
        with ctx.console.progress("Counting tokens", len(indexes)) as tick:
            for done, index in enumerate(indexes, 1):
                counted[index] = api.count_tokens(requests[index].params)
                tick(done, len(indexes))
    except AnthropicError as failure:
        if exact:
            raise
        ctx.warn(f"Tokens are estimated offline, because they could not be counted: {failure}")
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    ratio, error = pricing.ratio_from([(sizes[i], tokens) for i, tokens in counted.items()])
    # A sample is scaled to its dear side, so that the cap holds.
    careful = ratio / (1 + error)
    tokens = [counted.get(i, pricing.estimate(size, careful)) for i, size in enumerate(sizes)]
    complete = len(counted) == len(requests)
    scale = _Scale(ratio, "counted" if complete else "sampled", 0.0 if complete else error)
    return _with_tokens(asked, tokens), scale


def _with_tokens(asked: RequestSet, tokens: Iterable[int]) -> RequestSet:
    fresh = iter(tokens)
    requests = {
        file.path: tuple(
            replace(request, input_tokens=next(fresh)) for request in asked.requests[file.path]
        )
        for file in asked.selection.files
    }
    return replace(asked, requests=requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPlan:
    """A plan with the selection it came from."""

    selection: Selection
    explanation: str
    """How the base was found."""
    partial: bool
    """Whether the base leaves something out."""
    behind: bool
    """Whether a later commit was looked at before."""
    plan: Plan


def prepare(
    ctx: RunContext,
    session: LedgerSession,
    *,
    model: ModelCapabilities | None = None,
    clock: datetime | None = None,
    exact: bool = False,
) -> PreparedPlan:
    """Select, read, ask and price; nothing is sent or saved. Raises ConfigError.

    *model* and *clock*: what Anthropic says of the model, and its time, where they were asked.
    """
    settings = ctx.settings
    ledger = sessions.scope(ctx, session.ledger)
    chosen = commit_range.choose(ctx, ledger, _trace(ctx, session))
    # A pull request is looked at as a whole each time, as is a patch: what is owed is among what it
    # changes.
    alone = chosen.behind or ctx.pull or settings.patch_file
    backlog = {} if alone else view.unsettled(ledger, ctx.scope)
    with ctx.console.progress("Reading files", 1) as progress:
        selection = reader.read(
            ctx.git,
            head=chosen.head,
            base=chosen.base,
            everything=chosen.everything,
            backlog={path: item.old for path, item in backlog.items()},
            rules=PathRules(
                settings.paths, settings.paths_ignore, other_tasks_patterns=ctx.other_tasks_patterns
            ),
            max_file_bytes=settings.max_file_bytes,
            attributes_from=ctx.rules_at(chosen.head),
            mask=mask,
            progress=progress,
            changes=_compared(ctx, chosen),
        )
    if chosen.behind:
        selection = _without_newer(selection, view.newest(ledger))
    selection = context_files.suit(ctx, selection)
    asked = builder.ask(ctx, ledger, selection, model.max_tokens if model else None)
    choice = send_strategy.choose(ctx, asked, ledger, clock or ctx.now())
    return PreparedPlan(
        selection=asked.selection,
        explanation=chosen.explanation,
        partial=chosen.partial or chosen.behind,
        behind=chosen.behind,
        plan=plan(ctx, asked, sessions.spending(ctx, session), choice, exact=exact),
    )


def _without_newer(selection: Selection, newest: Mapping[str, BacklogFile]) -> Selection:
    """An older commit's selection without the files of which a later version is known."""
    late = [file for file in selection.files if file.path in newest]
    skipped = [
        SkippedFile(
            path=file.path, reason=SkipReason.SAME_AS_BEFORE, detail="a later version is known"
        )
        for file in late
    ]
    return replace(
        selection,
        files=tuple(file for file in selection.files if file.path not in newest),
        skipped=(*selection.skipped, *skipped),
    )


def _compared(ctx: RunContext, chosen: CommitRange) -> list[FileChange] | None:
    """What changed, asked of GitHub where a shallow clone does not reach back to the base.

    The API tells no modes and no old blobs: modes come from head's tree, and the files are
    reviewed whole. Raises GitHubError naming `fetch-depth: 0` where its answer is not complete.
    """
    git = ctx.git
    if chosen.base is None or (git.has_commit(chosen.base) and not chosen.forked):
        return None
    if ctx.github is None or not git.is_shallow():
        return None
    lacking = f"This shallow clone does not hold {chosen.base[:12]}, the commit of the last run: "
    if chosen.forked:
        lacking = "This shallow clone does not hold the place where this pull request begins: "
    ctx.warn(
        f"{lacking}GitHub tells what changed, and those files are reviewed whole. "
        "`fetch-depth: 0` is better."
    )
    changes = ctx.github.client.compare(chosen.base, chosen.head, forked=chosen.forked)
    tree = {entry.path: entry for entry in git.tree(chosen.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]


def _trace(ctx: RunContext, session: LedgerSession) -> str | None:
    """The head our issues or alerts name, asked for only when there is no ledger to ask."""
    if ctx.pull or ctx.github is None or view.heads(session.ledger):
        return None
    edge, key = ctx.github.issues, ctx.settings.state_key
    name, repository = ctx.task.name, ctx.context.repository_id
    head = ""
    if "issue" in ctx.settings.report:
        rolling = issue.remember(edge, name, repository, key)
        head = rolling.session.head if rolling else ""
    if not head and "issue-per-finding" in ctx.settings.report:
        told = state.remember(edge, name, key, repository)
        head = state.newest_head(told, ctx.git)
    if not head and "sarif" in ctx.settings.report:
        head = sarif.analysed_head(ctx)
    return head or None
