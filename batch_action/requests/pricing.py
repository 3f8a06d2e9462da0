"""Token estimates, and costs before and after a batch; the price table is `prices.yaml`."""

from collections.abc import Iterable, Mapping
from importlib import resources
from statistics import fmean
from typing import Any

import yaml

from batch_action.models.ledger import Usage
from batch_action.models.requests import Cost, Prices, TokenEstimate

BYTES_PER_TOKEN = 2.5
"""The offline estimate, low on purpose: source code measures 3 to 4 bytes per token, and the
tokenizer of the current models yields about 30 % more tokens than the older one."""


def load(overrides: Mapping[str, Any] | None = None) -> Prices:
    """Load the packaged price table and apply *overrides* (model id to rates).

    Raises pydantic's ValidationError: when an override is invalid.
    """
    text = resources.files("batch_action.requests").joinpath("prices.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    data["models"].update(overrides or {})
    return Prices.model_validate(data)


def batch_usd(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """Return the cost of requests in a batch; None when the model has no known price."""
    rates = prices.models.get(model)
    if rates is None:
        return None
    return prices.batch_discount * sum(rates.rates_for(usage).usd(usage) for usage in usages)


def interactive_usd(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """Return the cost of requests through the Messages API; None without a known price."""
    usd = batch_usd(prices, model, usages)
    return None if usd is None else usd / prices.batch_discount


def estimate_cost(prices: Prices, model: str, usages: Iterable[Usage], shared: int) -> Cost:
    """Estimate the cost of the same requests interactively, in a batch, and in a cached batch.

    The first two assume that nothing is cached, the third that the first request writes the prefix
    (1 h) and every other one reads it.

    Args:
        prices: the price table.
        model: the model's id.
        usages: one per request.
        shared: tokens of the prefix that all requests share.
    """
    plain = [without_cache(usage) for usage in usages]
    batch = batch_usd(prices, model, plain)
    if batch is None:
        return Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
    cached = batch_usd(
        prices, model, [_with_cache(u, shared, first=not i) for i, u in enumerate(plain)]
    )
    return Cost(
        interactive_usd=batch / prices.batch_discount, batch_usd=batch, batch_cached_usd=cached
    )


def actual_cost(prices: Prices, model: str, usages: Iterable[Usage], shared: int | None) -> Cost:
    """Compute the cost of a collected batch from the usage that the API returned.

    `batch_usd` is the billed amount, cache tokens at their own prices; `interactive_usd` is the
    estimate without batch and cache; `batch_cached_usd` is the billed amount if the cache was read,
    else the estimate of `estimate_cost`; None when *shared*, its tokens, is not known.
    """
    usages = list(usages)
    estimate = estimate_cost(prices, model, usages, shared or 0)
    billed = batch_usd(prices, model, usages)
    cached = None if shared is None else estimate.batch_cached_usd
    if any(usage.cache_read_tokens for usage in usages):
        cached = billed
    return Cost(
        interactive_usd=estimate.interactive_usd,
        batch_usd=billed,
        batch_cached_usd=cached,
    )


def without_cache(usage: Usage) -> Usage:
    """Return the same tokens as if there were no prompt cache."""
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)


def cache_saving(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """Return what the prompt cache saved a batch in US dollars; negative when it cost more."""
    usages = list(usages)
    plain = batch_usd(prices, model, [without_cache(usage) for usage in usages])
    billed = batch_usd(prices, model, usages)
    return None if plain is None or billed is None else plain - billed


def add_costs(costs: Iterable[Cost]) -> Cost:
    """Add costs; an amount that is None in one of them is None in the sum."""
    costs = list(costs)

    def column(name: str) -> float | None:
        amounts = [getattr(cost, name) for cost in costs]
        return None if None in amounts else float(sum(amounts))

    return Cost(
        interactive_usd=column("interactive_usd"),
        batch_usd=column("batch_usd"),
        batch_cached_usd=column("batch_cached_usd"),
    )


def group_by_model(usages: Iterable[tuple[str, Usage]]) -> dict[str, list[Usage]]:
    """Group (model, usage) pairs by model: each model has its own prices and cache."""
    groups: dict[str, list[Usage]] = {}
    for model, usage in usages:
        groups.setdefault(model, []).append(usage)
    return groups


def _with_cache(usage: Usage, shared: int, *, first: bool) -> Usage:
    prefix = min(shared, usage.input_tokens)
    return Usage(
        input_tokens=usage.input_tokens - prefix,
        output_tokens=usage.output_tokens,
        cache_write_1h_tokens=prefix if first else 0,
        cache_read_tokens=0 if first else prefix,
    )


def estimate_tokens(size: int, ratio: float = BYTES_PER_TOKEN) -> int:
    """Estimate the tokens of *size* bytes of prompt at *ratio* bytes per token, rounded up."""
    return int(-(-size // ratio))


def sample_indexes(sizes: list[int], limit: int = 8) -> list[int]:
    """Choose the requests to count: spread evenly over the sizes, with the largest one."""
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], index))
    if len(order) <= limit:
        return order
    step = (len(order) - 1) / (limit - 1)
    return sorted({order[round(n * step)] for n in range(limit)})


def bytes_per_token(counted: list[tuple[int, int]]) -> tuple[float, float]:
    """Return the bytes per token and their relative spread, from (bytes, tokens) pairs.

    Raises ValueError: when there are no pairs.
    """
    if not counted:
        raise ValueError("an empty sample has no ratio")
    ratio = sum(size for size, _ in counted) / max(1, sum(tokens for _, tokens in counted))
    spread = fmean(abs(tokens - size / ratio) / max(1, tokens) for size, tokens in counted)
    return ratio, spread


def sum_tokens(
    inputs: Iterable[int], output_max: int, method: str, error: float = 0.0
) -> TokenEstimate:
    """Return the token estimate of requests with these input tokens."""
    return TokenEstimate(input=sum(inputs), output_max=output_max, method=method, error=error)
