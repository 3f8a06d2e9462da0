"""Token estimates, and costs before and after a batch; the price table is `prices.yaml`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from statistics import fmean
from typing import Any

import yaml

from batch_action.models.ledger import Usage
from batch_action.models.requests import Cost, Prices

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


def total_usd(
    prices: Prices, usages: Iterable[tuple[str, Usage]], *, batched: bool = True
) -> float | None:
    """Return the cost of requests in a batch, or through the Messages API if not *batched*.

    *usages* are pairs of model and usage, one per request, here and below. None when a model has no
    known price.
    """
    total = 0.0
    for model, usage in usages:
        rates = prices.models.get(model)
        if rates is None:
            return None
        total += rates.rates_for(usage).usd(usage)
    return total * prices.batch_discount if batched else total


def estimate_cost(prices: Prices, usages: Iterable[tuple[str, Usage]], shared: int) -> Cost:
    """Estimate the cost of the same requests interactively, in a batch, and in a cached batch.

    The first two assume that nothing is cached, the third that the first request to each model
    writes the prefix of *shared* tokens (1 h) and every other one reads it.
    """
    plain = [(model, without_cache(usage)) for model, usage in usages]
    batch = total_usd(prices, plain)
    if batch is None:
        return Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
    cached: list[tuple[str, Usage]] = []
    written: set[str] = set()
    for model, usage in plain:
        prefix = min(shared, usage.input_tokens)
        cache = "cache_read_tokens" if model in written else "cache_write_1h_tokens"
        written.add(model)
        rest = {"input_tokens": usage.input_tokens - prefix, cache: prefix}
        cached.append((model, usage.model_copy(update=rest)))
    return Cost(
        interactive_usd=batch / prices.batch_discount,
        batch_usd=batch,
        batch_cached_usd=total_usd(prices, cached),
    )


def actual_cost(prices: Prices, usages: Iterable[tuple[str, Usage]], shared: int | None) -> Cost:
    """Compute the cost of collected batches from the usage that the API returned.

    `batch_usd` is the billed amount, cache tokens at their own prices; `interactive_usd` is the
    estimate without batch and cache; `batch_cached_usd` is the billed amount if the cache was read,
    else the estimate of `estimate_cost`; None when *shared*, its tokens, is not known.
    """
    usages = list(usages)
    estimate = estimate_cost(prices, usages, shared or 0)
    billed = total_usd(prices, usages)
    cached = None if shared is None else estimate.batch_cached_usd
    if any(usage.cache_read_tokens for _, usage in usages):
        cached = billed
    return replace(estimate, batch_usd=billed, batch_cached_usd=cached)


def without_cache(usage: Usage) -> Usage:
    """Return the same tokens as if there were no prompt cache."""
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)


def cache_saving(prices: Prices, usages: Iterable[tuple[str, Usage]]) -> float | None:
    """Return what the prompt cache saved in US dollars; negative when it cost more."""
    usages = list(usages)
    plain = total_usd(prices, [(model, without_cache(usage)) for model, usage in usages])
    billed = total_usd(prices, usages)
    return None if plain is None or billed is None else plain - billed


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
