"""Requests become a plan: tokens, dollars, what fits under the cap, and batches."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action import pricing
from batch_action.errors import AnthropicError, BudgetError, ConfigError
from batch_action.history import money
from batch_action.models.files import SelectedFile
from batch_action.models.ledger import Ledger
from batch_action.models.requests import Plan, Way
from batch_action.steps import packing, warming
from batch_action.steps.asking import Asked, all_requests
from batch_action.steps.packing import Pricing
from batch_action.steps.warming import Choice
from batch_action.steps.world import World


@dataclass(frozen=True, slots=True)
class _Scale:
    """How bytes become tokens tonight."""

    ratio: float
    method: str
    error: float


def plan(
    world: World,
    asked: Asked,
    ledger: Ledger,
    choice: Choice = Choice(Way.BATCH),  # noqa: B008 - frozen
    *,
    exact: bool,
) -> Plan:
    """Pack what fits under the caps into batches; what does not fit is owed, whole files only.

    *ledger*: whose spending counts for the caps. *choice*: which way the requests go.
    """
    asked, scale = _counted(world, asked, exact=exact)
    shared = pricing.estimate(asked.shared_bytes, scale.ratio)
    price = Pricing(world=world, way=choice.way, shared=shared)
    chosen, owed = _fill(asked, price, _budget(world, ledger))
    requests = [request for file in chosen for request in asked.requests[file.path]]
    if choice.way is Way.WARM_UP and not warming.pays(world, price.marked(requests), shared):
        choice = Choice(Way.BATCH, "No prompt cache: under the cap there are too few requests.")
        price = replace(price, way=choice.way)
    made = packing.packed(world, requests, choice.way)
    due = made[0] if choice.way is Way.WARM_UP else requests
    groups = price.groups(requests)
    return Plan(
        batches=made,
        way=choice.way,
        note=choice.note,
        worst_usd=price.worst(due),
        owed=tuple(owed),
        tokens=pricing.total(
            (request.input_tokens for request in requests),
            sum(request.max_tokens for request in requests),
            scale.method,
            scale.error,
        ),
        cost=pricing.together(
            pricing.columns(world.prices, model, usages, shared) for model, usages in groups.items()
        ),
    )


def refuse_over_budget(world: World, plan: Plan) -> None:
    """Raise BudgetError when nothing fits, or not all of it and `on-over-budget: fail`.

    Raise ConfigError when the model has no known price: no cap could be kept.
    """
    settings = world.settings
    if plan.requests and not plan.cost.priced:
        raise ConfigError(
            f"`model` {settings.model!r} has no known price, so `max-cost-usd` cannot be kept.",
            fix="Add its price to `prices` in the config file; the README shows how.",
        )
    if not plan.owed:
        return
    names = ", ".join(file.path for file in plan.owed[:3])
    if not plan.requests and world.purse.sent_usd:
        # The cap is one for all tasks of a run: this one stands in line again tomorrow.
        world.warn(f"{world.title}: the budget is used up, {len(plan.owed)} files are owed.")
        return
    if not plan.requests:
        raise BudgetError(
            f"Not even one file fits under the budget ({len(plan.owed)} wait: {names} …).",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or narrow `paths`.",
        )
    if settings.on_over_budget == "fail":
        raise BudgetError(
            f"{len(plan.owed)} files do not fit under the budget ({names} …) and "
            "`on-over-budget` is `fail`: nothing was sent.",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or use `on-over-budget: fill`.",
        )


def month_start(now: datetime) -> datetime:
    """The first moment of the calendar month, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _budget(world: World, ledger: Ledger) -> float:
    settings, now = world.settings, world.now()
    left = settings.max_cost_usd - world.purse.sent_usd
    if settings.monthly_budget_usd is not None:
        spent = money.known_spend(ledger, month_start(now)) + world.purse.elsewhere(world.title)
        left = min(left, settings.monthly_budget_usd - spent - money.committed(ledger))
    return left


def _fill(
    asked: Asked, price: Pricing, budget: float
) -> tuple[list[SelectedFile], list[SelectedFile]]:
    """Files by risk until the worst case reaches the budget; a smaller one may still fit."""
    chosen, owed, used = [], [], 0.0
    for file in asked.selection.files:
        cost = price.worst(asked.requests[file.path])
        if cost is not None and used + cost > budget:
            owed.append(file)
            continue
        used += cost or 0.0
        chosen.append(file)
    return chosen, owed


def _counted(world: World, asked: Asked, *, exact: bool) -> tuple[Asked, _Scale]:
    """The requests with their tokens: counted, scaled from a sample, or estimated offline."""
    requests = list(all_requests(asked))
    api = world.anthropic
    if api is None or not requests:
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    sizes = [request.size for request in requests]
    indexes = range(len(requests)) if exact else pricing.sample_indexes(sizes)
    counted: dict[int, int] = {}
    try:
        with world.screen.progress("Counting tokens", len(indexes)) as tick:
            for done, index in enumerate(indexes, 1):
                counted[index] = api.count_tokens(requests[index].params)
                tick(done, len(indexes))
    except AnthropicError as failure:
        if exact:
            raise
        world.warn(f"Tokens are estimated offline, because they could not be counted: {failure}")
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    ratio, error = pricing.ratio_from([(sizes[i], tokens) for i, tokens in counted.items()])
    # A sample is scaled to its dear side, so that the cap holds.
    careful = ratio / (1 + error)
    tokens = [counted.get(i, pricing.estimate(size, careful)) for i, size in enumerate(sizes)]
    complete = len(counted) == len(requests)
    scale = _Scale(ratio, "counted" if complete else "sampled", 0.0 if complete else error)
    return _with_tokens(asked, tokens), scale


def _with_tokens(asked: Asked, tokens: Iterable[int]) -> Asked:
    fresh = iter(tokens)
    requests = {
        file.path: tuple(
            replace(request, input_tokens=next(fresh)) for request in asked.requests[file.path]
        )
        for file in asked.selection.files
    }
    return replace(asked, requests=requests)
