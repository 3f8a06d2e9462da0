"""Tokens and dollars: estimates before, accounts after. Prices are a dated data file."""

from collections.abc import Iterable, Mapping
from importlib import resources
from statistics import fmean
from typing import Any

import yaml

from batch_action.models.ledger import Usage
from batch_action.models.prices import Prices, prompt_tokens
from batch_action.models.requests import Cost, TokenEstimate

BYTES_PER_TOKEN = 2.5
"""Offline estimate, meant to err on the dear side: source code measures 3 to 4 bytes a token, and
the tokenizer of the current models yields about 30 % more tokens than the older one."""


def load(overrides: Mapping[str, Any] | None = None) -> Prices:
    """The shipped table with *overrides* (model id to rates); pydantic's ValidationError if bad."""
    text = resources.files("batch_action.requests").joinpath("prices.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    data["models"].update(overrides or {})
    return Prices.model_validate(data)


def batch_usd(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """What these requests cost in a batch; None when the model has no known price."""
    rates = prices.models.get(model)
    if rates is None:
        return None
    return prices.batch_discount * sum(rates.of(usage).usd(usage) for usage in usages)


def interactive_usd(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """What these requests cost through the Messages API; None without a known price."""
    usd = batch_usd(prices, model, usages)
    return None if usd is None else usd / prices.batch_discount


def columns(prices: Prices, model: str, usages: Iterable[Usage], shared: int) -> Cost:
    """Interactive, batch and batch+cache for the same requests.

    *usages* is one Usage a request; *shared* the tokens of the prefix all of them share. The three
    columns are counterfactuals of each other: the first two as if nothing had been cached, the
    third as if the prefix was written once (1 h) and read by every other request.
    """
    plain = [uncached(usage) for usage in usages]
    batch = batch_usd(prices, model, plain)
    if batch is None:
        return Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
    cached = batch_usd(
        prices, model, [_cached(u, shared, first=not i) for i, u in enumerate(plain)]
    )
    return Cost(
        interactive_usd=batch / prices.batch_discount, batch_usd=batch, batch_cached_usd=cached
    )


def actual_cost(prices: Prices, model: str, usages: Iterable[Usage], shared: int) -> Cost:
    """What a batch of these did cost, and would have cost: from the usage the API returned.

    Batch is what was billed, cache tokens at their own prices. Interactive is the same requests
    without batch and cache. Batch+cache is what was billed where the cache was really read, else
    the counterfactual of `columns`.
    """
    found = list(usages)
    told = columns(prices, model, found, shared)
    billed = batch_usd(prices, model, found)
    cached = any(usage.cache_read_tokens for usage in found)
    return Cost(
        interactive_usd=told.interactive_usd,
        batch_usd=billed,
        batch_cached_usd=billed if cached else told.batch_cached_usd,
    )


def uncached(usage: Usage) -> Usage:
    """The same tokens as if there were no prompt cache."""
    return Usage(input_tokens=prompt_tokens(usage), output_tokens=usage.output_tokens)


def cache_saving(prices: Prices, model: str, usages: Iterable[Usage]) -> float | None:
    """What the prompt cache saved these requests of a batch; negative when it cost more."""
    found = list(usages)
    plain = batch_usd(prices, model, [uncached(usage) for usage in found])
    billed = batch_usd(prices, model, found)
    return None if plain is None or billed is None else plain - billed


def together(costs: Iterable[Cost]) -> Cost:
    """The sum of several costs; a column that one of them does not know is not known."""

    def column(name: str) -> float | None:
        amounts = [getattr(cost, name) for cost in found]
        return None if None in amounts else float(sum(amounts))

    found = list(costs)
    return Cost(
        interactive_usd=column("interactive_usd"),
        batch_usd=column("batch_usd"),
        batch_cached_usd=column("batch_cached_usd"),
    )


def by_model(asked: Iterable[tuple[str, Usage]]) -> dict[str, list[Usage]]:
    """Usages grouped by model: prices and caches are a model's own."""
    groups: dict[str, list[Usage]] = {}
    for model, usage in asked:
        groups.setdefault(model, []).append(usage)
    return groups


def _cached(usage: Usage, shared: int, *, first: bool) -> Usage:
    prefix = min(shared, usage.input_tokens)
    return Usage(
        input_tokens=usage.input_tokens - prefix,
        output_tokens=usage.output_tokens,
        cache_write_1h_tokens=prefix if first else 0,
        cache_read_tokens=0 if first else prefix,
    )


def estimate(size: int, ratio: float = BYTES_PER_TOKEN) -> int:
    """Tokens of *size* bytes of prompt at *ratio* bytes a token, rounded up."""
    return int(-(-size // ratio))


def sample_indexes(sizes: list[int], most: int = 8) -> list[int]:
    """Which requests to count: spread evenly over the sizes, the largest always among them."""
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], index))
    if len(order) <= most:
        return order
    step = (len(order) - 1) / (most - 1)
    return sorted({order[round(n * step)] for n in range(most)})


def ratio_from(counted: list[tuple[int, int]]) -> tuple[float, float]:
    """Bytes a token and its relative spread, from counted (bytes, tokens) pairs.

    Raises ValueError on an empty sample.
    """
    if not counted:
        raise ValueError("an empty sample has no ratio")
    ratio = sum(size for size, _ in counted) / max(1, sum(tokens for _, tokens in counted))
    spread = fmean(abs(tokens - size / ratio) / max(1, tokens) for size, tokens in counted)
    return ratio, spread


def total(inputs: Iterable[int], output_max: int, method: str, error: float = 0.0) -> TokenEstimate:
    """The tokens of a plan."""
    return TokenEstimate(input=sum(inputs), output_max=output_max, method=method, error=error)
