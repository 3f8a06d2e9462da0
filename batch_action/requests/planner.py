"""Build the plan of a run: select files, count tokens, apply the budget, pack batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.context import RunContext
from batch_action.errors import AnthropicError, BudgetError, ConfigError
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.files import FileChange, SelectedFile, Selection
from batch_action.models.ledger import Usage
from batch_action.models.requests import ModelCapabilities, Plan, Prices, Request, SubmissionMode
from batch_action.requests import builder, packing, pricing, send_strategy
from batch_action.requests.builder import RequestSet
from batch_action.requests.send_strategy import SendStrategy
from batch_action.selection import commit_range, reader
from batch_action.selection.commit_range import CommitRange
from batch_action.selection.patterns import PathRules
from batch_action.selection.reader import SelectionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class _InputTokens:
    """The input tokens of all requests, and how they were determined."""

    by_id: Mapping[str, int]
    bytes_per_token: float = pricing.BYTES_PER_TOKEN
    method: str = "offline-estimate"
    """As in `TokenEstimate`, like the next field."""
    error: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimator:
    """The worst case of what requests can cost in one submission mode."""

    prices: Prices
    mode: SubmissionMode
    input_tokens: Mapping[str, int]
    """Custom id to the tokens of the prompt."""
    shared_tokens: int
    """Tokens of the prefix that all requests share."""

    def worst_usages(self, requests: Iterable[Request]) -> dict[str, list[Usage]]:
        """Return the largest possible usage of each request, by model."""
        return pricing.group_by_model(
            (request.model, self._worst_usage(request)) for request in requests
        )

    def worst_usd(self, requests: Iterable[Request]) -> float | None:
        """Return the worst case in US dollars; None when a model has no known price."""
        interactive = self.mode is SubmissionMode.INTERACTIVE
        price = pricing.interactive_usd if interactive else pricing.batch_usd
        costs = [
            price(self.prices, model, usages)
            for model, usages in self.worst_usages(requests).items()
        ]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def _worst_usage(self, request: Request) -> Usage:
        """In the worst case every request writes the cache, and none reads it."""
        cached = self.mode.has_cache_breakpoint and request.request_key.model is None
        tokens = self.input_tokens[request.request_key.id]
        written = min(self.shared_tokens, tokens) if cached else 0
        return Usage(
            input_tokens=tokens - written,
            cache_write_1h_tokens=written,
            output_tokens=request.max_tokens,
        )


def build_plan(
    ctx: RunContext,
    request_set: RequestSet,
    view: LedgerView,
    strategy: SendStrategy = SendStrategy(SubmissionMode.BATCH),  # noqa: B008 - frozen
    *,
    exact: bool,
) -> Plan:
    """Pack the files that fit the budget into batches; the others go to the backlog, whole.

    Args:
        ctx: the run.
        request_set: the open requests.
        view: the facts whose spending counts against the budget.
        strategy: how the requests are sent.
        exact: count the tokens of every request instead of a sample.
    """
    tokens = _count_tokens(ctx, request_set.all_requests, exact=exact)
    shared = pricing.estimate_tokens(request_set.shared_bytes, tokens.bytes_per_token)
    estimator = CostEstimator(
        prices=ctx.prices, mode=strategy.mode, input_tokens=tokens.by_id, shared_tokens=shared
    )
    files, backlog = _fill_budget(request_set, estimator, _remaining_usd(ctx, view))
    requests = [request for file in files for request in request_set.requests[file.path]]
    if strategy.mode is SubmissionMode.WARM_UP and not send_strategy.is_caching_cheaper(
        ctx, requests, shared
    ):
        strategy = SendStrategy(
            SubmissionMode.BATCH, "No prompt cache: too few requests fit the budget."
        )
        estimator = replace(estimator, mode=strategy.mode)
    batches = packing.pack_by_model(
        requests, strategy.mode, max_requests=ctx.settings.max_requests_per_batch
    )
    due = batches[0] if strategy.mode is SubmissionMode.WARM_UP else requests
    return Plan(
        batches=batches,
        mode=strategy.mode,
        note=strategy.note,
        worst_case_usd=estimator.worst_usd(due),
        backlog=tuple(backlog),
        shared_tokens=shared,
        tokens=pricing.sum_tokens(
            (tokens.by_id[request.request_key.id] for request in requests),
            sum(request.max_tokens for request in requests),
            tokens.method,
            tokens.error,
        ),
        cost=pricing.add_costs(
            pricing.estimate_cost(ctx.prices, model, usages, shared)
            for model, usages in estimator.worst_usages(requests).items()
        ),
    )


def check_budget(ctx: RunContext, plan: Plan) -> None:
    """Check the plan against the budget, and add a warning when another task has used it up.

    Raises BudgetError: when no file fits, or not every file and `on-over-budget` is `fail`.
    Raises ConfigError: when the model has no known price, so no budget can be enforced.
    """
    settings = ctx.settings
    if plan.requests and not plan.cost.is_priced:
        raise ConfigError(
            f"`model` {settings.model!r} has no known price, so `max-cost-usd` cannot be enforced.",
            fix="Add its price to `prices` in the config file; the README shows how.",
        )
    if not plan.backlog:
        return
    names = ", ".join(file.path for file in plan.backlog[:3])
    if not plan.requests and ctx.budget.sent_usd:
        # All tasks of a run share one budget: this one's files go out with a later run.
        ctx.warn(
            f"{ctx.title}: the budget is used up, {len(plan.backlog)} files are in the backlog."
        )
        return
    if not plan.requests:
        raise BudgetError(
            f"Not even one file fits the budget ({len(plan.backlog)} in the backlog: {names} …).",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or narrow `paths`.",
        )
    if settings.on_over_budget == "fail":
        raise BudgetError(
            f"{len(plan.backlog)} files do not fit the budget ({names} …) and "
            "`on-over-budget` is `fail`: nothing was sent.",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or use `on-over-budget: fill`.",
        )


def month_start(now: datetime) -> datetime:
    """Return the start of the calendar month, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _remaining_usd(ctx: RunContext, view: LedgerView) -> float:
    settings, now = ctx.settings, ctx.now()
    left = settings.max_cost_usd - ctx.budget.sent_usd
    if settings.monthly_budget_usd is not None:
        spent = view.known_spend_usd(month_start(now)) + ctx.budget.other_ledgers_usd(ctx.title)
        left = min(left, settings.monthly_budget_usd - spent - view.committed_usd)
    return left


def _fill_budget(
    request_set: RequestSet, estimator: CostEstimator, budget_usd: float
) -> tuple[list[SelectedFile], list[SelectedFile]]:
    """Return the files that fit the budget by risk, and the rest; a smaller file may still fit."""
    files, backlog, used = [], [], 0.0
    for file in request_set.selection.files:
        cost = estimator.worst_usd(request_set.requests[file.path])
        if cost is not None and used + cost > budget_usd:
            backlog.append(file)
            continue
        used += cost or 0.0
        files.append(file)
    return files, backlog


def _count_tokens(ctx: RunContext, requests: Sequence[Request], *, exact: bool) -> _InputTokens:
    """Return the requests' input tokens: counted, scaled from a sample, or estimated offline.

    Raises AnthropicError: when *exact* is set and counting fails.
    """
    offline = _InputTokens(by_id={r.request_key.id: r.estimated_tokens for r in requests})
    api = ctx.anthropic
    if api is None or not requests:
        return offline
    sizes = [request.size_bytes for request in requests]
    indexes = range(len(requests)) if exact else pricing.sample_indexes(sizes)
    counted: dict[int, int] = {}
    try:
        with ctx.console.progress("Counting tokens", len(indexes)) as tick:
            for done, index in enumerate(indexes, 1):
                counted[index] = api.count_tokens(requests[index].params)
                tick(done, len(indexes))
    except AnthropicError as error:
        if exact:
            raise
        ctx.warn(f"Tokens are estimated offline, because they could not be counted: {error}")
        return offline
    ratio, spread = pricing.bytes_per_token([(sizes[i], tokens) for i, tokens in counted.items()])
    # Fewer bytes a token than measured: an estimate that is too high cannot exceed the budget.
    low_ratio = ratio / (1 + spread)
    complete = len(counted) == len(requests)
    return _InputTokens(
        by_id={
            request.request_key.id: counted.get(i, pricing.estimate_tokens(sizes[i], low_ratio))
            for i, request in enumerate(requests)
        },
        bytes_per_token=ratio,
        method="counted" if complete else "sampled",
        error=0.0 if complete else spread,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPlan:
    """A plan with the selection it was built from."""

    selection: Selection
    explanation: str
    """Where the base commit comes from, in one sentence for people."""
    partial: bool
    """The selection leaves out commits or files."""
    behind: bool
    """An earlier run has reviewed a later commit."""
    plan: Plan


def prepare(
    ctx: RunContext,
    session: LedgerSession,
    *,
    model: ModelCapabilities | None = None,
    now: datetime | None = None,
    exact: bool = False,
    last_reported_head: str | None = None,
) -> PreparedPlan:
    """Select files, build their requests and plan the batches; nothing is sent or saved.

    Raises ConfigError: when no commit range can be determined.

    Args:
        ctx: the run.
        session: the loaded ledger.
        model: the model's capabilities, if the API was asked for them.
        now: Anthropic's time, if known; else the run's clock.
        exact: count the tokens of every request instead of a sample.
        last_reported_head: the commit of the latest report, when the ledger records none.
    """
    settings = ctx.settings
    view = store.view_of_run(ctx, session)
    commits = commit_range.choose_range(ctx, view, last_reported_head)
    # A pull request or a patch is selected as a whole in each run, its backlog included.
    complete = commits.behind or ctx.run.pull_number or settings.patch_file
    backlog = {} if complete else view.unreviewed_files(ctx.scope)
    options = SelectionOptions(
        rules=PathRules(
            settings.paths, settings.paths_ignore, other_tasks_patterns=ctx.other_tasks_patterns
        ),
        max_file_bytes=settings.max_file_bytes,
        attributes_from=ctx.rules_commit_for(commits.head),
        all_files=commits.all_files,
        superseded=view.newest_files() if commits.behind else (),
    )
    with ctx.console.progress("Reading files", 1) as progress:
        selection = reader.select_files(
            ctx.git,
            commits.head,
            commits.base,
            options,
            backlog={path: item.old_blob for path, item in backlog.items()},
            progress=progress,
            changes=_changes_from_github(ctx, commits),
        )
    request_set = builder.build_requests(ctx, view, selection, model.max_tokens if model else None)
    strategy = send_strategy.choose(ctx, request_set, view, now or ctx.now())
    budget_ledger = store.load_budget_view(ctx, session)
    return PreparedPlan(
        selection=request_set.selection,
        explanation=commits.explanation,
        partial=commits.partial or commits.behind,
        behind=commits.behind,
        plan=build_plan(ctx, request_set, budget_ledger, strategy, exact=exact),
    )


def _changes_from_github(ctx: RunContext, commits: CommitRange) -> list[FileChange] | None:
    """Compare the commits through the API when a shallow clone does not contain the base.

    The API returns neither modes nor old blobs: modes are read from the tree of head, and the
    files are reviewed whole.

    Raises GitHubError: when its answer is incomplete; the message names `fetch-depth: 0`.
    """
    git = ctx.git
    if commits.base is None or (git.has_commit(commits.base) and not commits.fork_unknown):
        return None
    if ctx.github is None or not git.is_shallow():
        return None
    missing = f"{commits.base[:12]}, the commit of the last run"
    if commits.fork_unknown:
        missing = "the merge base of this pull request"
    ctx.warn(
        f"This shallow clone does not contain {missing}: the changed files come from GitHub's API "
        "and are reviewed whole. Set `fetch-depth: 0`."
    )
    changes = ctx.github.client.compare(commits.base, commits.head, forked=commits.fork_unknown)
    tree = {entry.path: entry for entry in git.tree(commits.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]
