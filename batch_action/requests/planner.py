"""Build the plan of a run: select files, apply the budget, pack batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from batch_action.context import RunContext
from batch_action.errors import BudgetError, ConfigError, full_history
from batch_action.ledger import spend
from batch_action.ledger.spend import Spend
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Purpose
from batch_action.models.files import FileChange, SelectedFile, Selection
from batch_action.models.findings import FindingClaim
from batch_action.models.ledger import Recheck
from batch_action.models.requests import (
    Cost,
    ModelCheck,
    Prices,
    Request,
    SubmissionMode,
    TokenEstimate,
)
from batch_action.requests import builder, packing, pricing, send_strategy
from batch_action.requests.builder import RequestSet
from batch_action.requests.pricing import (
    NO_HISTORY,
    Forecast,
    History,
    make_forecast,
    read_history,
    worst_usage,
    worst_usd,
)
from batch_action.requests.request_file import RequestFile
from batch_action.requests.send_strategy import SendStrategy
from batch_action.selection import commit_range, reader
from batch_action.selection.commit_range import CommitRange
from batch_action.selection.patterns import path_rules, selection_warnings
from batch_action.selection.reader import Candidates, SelectionOptions

BUDGETS = "Raise `max-cost-usd`, `daily-budget-usd` or `monthly-budget-usd`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The requests of a run packed into batches, with tokens and dollars."""

    selection: Selection
    commits: CommitRange
    check: ModelCheck
    """Of the model, when the plan was made."""
    spend: Spend | None
    """What the repository has spent; None without a budget."""
    batches: tuple[tuple[Request, ...], ...]
    request_file: RequestFile
    """What the requests ask for."""
    backlog: tuple[SelectedFile, ...]
    """Selected files over the budget: they wait for a later submit."""
    unasked: tuple[Request, ...] = ()
    """Requests about findings over the budget: they wait for a later submit, too."""
    too_large: tuple[Request, ...] = ()
    """Requests about findings that the API would refuse: they are never sent."""
    tokens: TokenEstimate
    cost: Cost
    """The worst case: every answer has its maximum length."""
    shared_tokens: int
    """Tokens of the instructions that all requests share."""
    saved_by_cache_usd: float
    """What `prompt-cache: warm` saves, or would save; 0 when it does not pay off."""
    mode: SubmissionMode = SubmissionMode.BATCH
    note: str = ""
    """One sentence for people: why `mode` is not the usual one."""
    worst_case_usd: float | None = None
    """The maximum cost of the `due` batches in this mode."""
    forecast: Forecast
    """What it will probably cost."""

    @property
    def due(self) -> tuple[tuple[Request, ...], ...]:
        """The batches to send in this run."""
        match self.mode:
            case SubmissionMode.ACCUMULATE:
                return ()
            case SubmissionMode.BATCH | SubmissionMode.WARM_UP | SubmissionMode.INTERACTIVE:
                return self.batches

    @property
    def about_findings(self) -> tuple[Request, ...]:
        """The requests about findings that are reported."""
        return tuple(r for r in self.requests if r.request_key.purpose != "review")

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests in the order of sending."""
        return tuple(request for batch in self.batches for request in batch)


def build_plan(
    ctx: RunContext,
    request_set: RequestSet,
    commits: CommitRange,
    strategy: SendStrategy,
    check: ModelCheck,
    known_spend: Spend | None = None,
    history: History = NO_HISTORY,
) -> Plan:
    """Pack what fits the budget into batches; the other files go to the backlog, whole.

    Requests about findings come first: they are few, and what they need is deleted after 29 days.
    *history*: what the forecast is made from.
    """
    mode, shared = strategy.mode, request_set.shared_tokens
    left_usd = known_spend.left_usd(ctx.settings, check.clock) if known_spend else inf
    left_usd = min(left_usd, ctx.settings.max_cost_usd - ctx.budget.sent_usd)
    requests, backlog, unasked = _fill_budget(ctx.prices, request_set, mode, left_usd)
    prefix = send_strategy.low_prefix_tokens(request_set)
    saved_by_cache = send_strategy.saved_by_cache(ctx.prices, ctx.settings.model, requests, prefix)
    if mode is SubmissionMode.WARM_UP and not saved_by_cache:
        mode = SubmissionMode.BATCH
        strategy = SendStrategy(mode, "No prompt cache: too few requests fit the budget.")
    batches = packing.pack_by_model(
        requests, mode, max_requests=ctx.settings.max_requests_per_batch
    )
    return Plan(
        selection=request_set.selection,
        commits=commits,
        check=check,
        spend=known_spend,
        batches=batches,
        request_file=request_set.request_file,
        mode=mode,
        note=strategy.note,
        worst_case_usd=worst_usd(ctx.prices, requests, mode, shared),
        forecast=make_forecast(
            ctx.prices,
            request_set.requests,
            () if mode is SubmissionMode.ACCUMULATE else requests,
            mode,
            history,
            shared=shared,
            is_whole=request_set.selection.base is None,
        ),
        backlog=tuple(backlog),
        unasked=tuple(unasked),
        too_large=request_set.too_large,
        shared_tokens=shared,
        saved_by_cache_usd=saved_by_cache,
        tokens=TokenEstimate(
            input=sum(request.input_tokens for request in requests),
            output_max=sum(request.max_tokens for request in requests),
            method=request_set.counting_method,
            error=request_set.counting_error,
        ),
        cost=pricing.estimate_requests(
            ctx.prices, requests, lambda request: worst_usage(request, mode, shared), shared
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
            fix="Add its price to `prices` in the config file; docs/CONFIGURATION.md shows how.",
        )
    waiting = dict.fromkeys(file.path for file in plan.backlog)
    waiting |= dict.fromkeys(request.request_key.path for request in plan.unasked)
    if not waiting:
        return
    names = ", ".join([*waiting][:3])
    state = f" {plan.spend.describe(settings, ctx.now())}" if plan.spend else ""
    if not plan.requests and ctx.budget.sent_usd:
        # All tasks of a run share one budget: this one's files go out with a later run.
        ctx.warn(f"{ctx.title}: the budget is used up, {len(waiting)} files are in the backlog.")
        return
    if not plan.requests:
        raise BudgetError(
            f"Not even one file fits the budget ({len(waiting)} in the backlog: {names} …)."
            + state,
            fix=f"{BUDGETS}, or narrow `paths`.",
        )
    if settings.on_over_budget == "fail":
        raise BudgetError(
            f"{len(waiting)} files do not fit the budget ({names} …) and "
            f"`on-over-budget` is `fail`: nothing was sent.{state}",
            fix=f"{BUDGETS}, or use `on-over-budget: fill`.",
        )


def _fill_budget(
    prices: Prices, request_set: RequestSet, mode: SubmissionMode, budget_usd: float
) -> tuple[list[Request], list[SelectedFile], list[Request]]:
    """Return the requests that fit the budget, and the files and requests about findings left.

    Those about findings come first, then the files by risk; a smaller one may still fit.
    """
    used = 0.0

    def fits(requests: Sequence[Request]) -> bool:
        nonlocal used
        cost = worst_usd(prices, requests, mode, request_set.shared_tokens)
        is_fitting = cost is None or used + cost <= budget_usd
        used += cost or 0.0 if is_fitting else 0.0
        return is_fitting

    about: list[Request] = []
    unasked: list[Request] = []
    for request in request_set.about_findings:
        (about if fits((request,)) else unasked).append(request)
    reviews: list[Request] = []
    backlog: list[SelectedFile] = []
    for file in request_set.selection.files:
        if fits(request_set.requests[file.path]):
            reviews += request_set.requests[file.path]
        else:
            backlog.append(file)
    return [*reviews, *about], backlog, unasked


def prepare(
    ctx: RunContext,
    session: LedgerSession,
    check_model: Callable[[], ModelCheck],
    *,
    exact: bool = False,
    last_reported_head: str | None = None,
    verified: LedgerView | None = None,
    claims: Mapping[Purpose, Sequence[FindingClaim]] = MappingProxyType({}),
) -> Plan:
    """Select files, build their requests and plan the batches; nothing is sent or saved.

    Raises ConfigError: when no commit range can be determined.

    Args:
        ctx: the run.
        session: the loaded ledger.
        check_model: returns the model's capabilities, and the time; not called for nothing.
        exact: count the tokens of every request instead of a sample.
        last_reported_head: the commit of the latest report, for a ledger without one.
        verified: the facts of the run's subject, where not all of the session's are believed.
        claims: the findings to ask about, by what is asked.
    """
    view = verified or session.view_of(ctx.run)
    commits = commit_range.choose_range(ctx, view, last_reported_head)
    candidates = _find_candidates(ctx, view, commits)
    now = ctx.now()
    # A run that has nothing to send asks nothing of Anthropic.
    check = (
        check_model()
        if candidates.changes or any(claims.values())
        else ModelCheck(model=None, clock=now, local_clock=now)
    )
    limit = check.model.max_tokens if check.model else None
    request_set = builder.build_requests(
        ctx,
        view,
        candidates,
        limit,
        about_findings=lambda request_file: (
            _ask_about(ctx, view, claims, request_file, limit) if any(claims.values()) else []
        ),
        exact=exact,
    )
    for warning in selection_warnings(ctx, request_set.selection):
        ctx.warn(warning)
    if request_set.notice:
        task = "" if ctx.is_only_task else f"{ctx.title}: "
        ctx.runner.annotate("notice", f"{task}{request_set.notice}")
    strategy = send_strategy.choose(ctx, request_set, view)
    known_spend = spend.load(ctx, view) if ctx.has_budget else None
    history = read_history(view, ctx.settings.model, ctx.settings.effort, check.clock)
    return build_plan(ctx, request_set, commits, strategy, check, known_spend, history)


def _ask_about(
    ctx: RunContext,
    view: LedgerView,
    claims: Mapping[Purpose, Sequence[FindingClaim]],
    request_file: RequestFile,
    limit: int | None,
) -> list[Request]:
    """Write the requests about findings: first those that verify, then those that explain."""
    # Only here: most runs ask about none.
    from batch_action.requests import explanation, verification  # noqa: PLC0415

    return [
        *verification.build_requests(
            ctx, view, claims.get("verification", ()), request_file, limit
        ),
        *explanation.build_requests(ctx, view, claims.get("explanation", ()), request_file, limit),
    ]


def account_for(ctx: RunContext, view: LedgerView) -> Selection:
    """Return every file of a run's range: those with open requests, and why the others have none.

    A file that people want to have checked again counts as answered. Nothing is asked of Anthropic.
    Raises ConfigError, GitHubError: the range cannot be read.
    """
    settings = ctx.settings.model_copy(update={"recheck": False})
    offline = replace(ctx, settings=settings, anthropic=None)
    facts = tuple(fact for fact in view.ledger.facts if not isinstance(fact, Recheck))
    view = LedgerView(view.ledger.model_copy(update={"facts": facts}))
    candidates = _find_candidates(offline, view, commit_range.choose_range(offline, view))
    return builder.build_requests(offline, view, candidates, None).selection


def _find_candidates(ctx: RunContext, view: LedgerView, commits: CommitRange) -> Candidates:
    """Find the files of a range and of the backlog."""
    settings = ctx.settings
    # A pull request or a patch is selected as a whole in each run, its backlog included.
    complete = commits.behind or ctx.run.pull_number or settings.patch_file
    backlog = {} if complete else view.unreviewed_files(ctx.scope)
    options = SelectionOptions(
        rules=path_rules(ctx),
        max_file_bytes=settings.max_file_bytes,
        attributes_from=ctx.rules_commit_for(commits.head),
        all_files=commits.all_files,
        recheck=settings.recheck,
        asked=_asked_blobs(view) if ctx.run.pull_number else {},
        superseded=view.newest_files() if commits.behind else (),
    )
    return reader.find_candidates(
        ctx.git,
        commits.head,
        commits.base,
        options,
        backlog=backlog,
        changes=_changes_from_github(ctx, commits),
    )


def _asked_blobs(view: LedgerView) -> dict[str, str]:
    """Return by path the newest blob that has an answer or is in flight."""
    asked = view.reviewed_files | view.in_flight_files
    newest = view.newest_files().items()
    return {path: file.blob for path, file in newest if (path, file.blob) in asked}


def _changes_from_github(ctx: RunContext, commits: CommitRange) -> list[FileChange] | None:
    """Compare the commits through the API when a shallow clone does not contain the base.

    The API returns neither modes nor old blobs: modes are read from the tree of head, and the
    files are reviewed whole.

    Raises GitHubError: when its answer is incomplete.
    """
    git = ctx.git
    if commits.base is None or ctx.github is None or not git.is_shallow():
        return None
    if git.has_commit(commits.base) and not commits.fork_unknown:
        return None
    missing = f"{commits.base[:12]}, the commit of the last run"
    if commits.fork_unknown:
        missing = "the merge base of this pull request"
    ctx.warn(
        f"This shallow clone does not contain {missing}: the changed files come from GitHub's API "
        f"and are reviewed whole. {full_history()}"
    )
    changes = ctx.github.client.compare(commits.base, commits.head, forked=commits.fork_unknown)
    tree = {entry.path: entry for entry in git.tree(commits.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]
