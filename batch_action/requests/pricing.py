"""Token estimates, costs before and after a batch, forecasts; the price table is `prices.yaml`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import resources
from statistics import fmean
from typing import Any

import yaml

from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Usage, reviews_in
from batch_action.models.requests import Cost, Prices, Request, SubmissionMode, Usages
from batch_action.text import plural

BYTES_PER_TOKEN = 2.5
"""The offline estimate, low on purpose: source code measures 3 to 4 bytes per token, and the
tokenizer of the current models yields about 30 % more tokens than the older one."""

ASSUMED_SHARE = 0.25
"""The share of `max_tokens` that an answer is assumed to use while there are none to learn from."""
MONTH = timedelta(days=30)
MIN_HISTORY = timedelta(days=7)
"""After how long the collected batches say what a month costs."""


def load(overrides: Mapping[str, Any] | None = None) -> Prices:
    """Load the packaged price table and apply *overrides* (model id to rates).

    Raises pydantic's ValidationError: when an override is invalid.
    """
    text = resources.files("batch_action.requests").joinpath("prices.yaml").read_text("utf-8")
    # The loader in Python, where there is no other, takes five times as long.
    data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
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
    plain = cached = 0.0
    written: set[str] = set()
    for model, usage in ((model, without_cache(usage)) for model, usage in usages):
        if (known := prices.models.get(model)) is None:
            return Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
        rates, prefix = known.rates_for(usage), min(shared, usage.input_tokens)
        plain += rates.usd(usage)
        cache = "cache_read_tokens" if model in written else "cache_write_1h_tokens"
        written.add(model)
        rest = usage.input_tokens - prefix
        cached += rates.usd(Usage(rest, usage.output_tokens, **{cache: prefix}))
    batch = plain * prices.batch_discount
    return Cost(
        interactive_usd=batch / prices.batch_discount,
        batch_usd=batch,
        batch_cached_usd=cached * prices.batch_discount,
    )


def estimate_requests(
    prices: Prices, requests: Sequence[Request], usage_of: Callable[[Request], Usage], shared: int
) -> Cost:
    """Estimate the cost of requests of which the reviews share a prefix of *shared* tokens."""
    reviews = [(r.model, usage_of(r)) for r in requests if r.request_key.purpose == "review"]
    others = [(r.model, usage_of(r)) for r in requests if r.request_key.purpose != "review"]
    return estimate_cost(prices, reviews, shared) + estimate_cost(prices, others, 0)


def actual_cost(prices: Prices, usages: Usages, shared: int | None) -> Cost:
    """Compute the cost of collected batches from the usage that the API returned.

    `batch_usd` is the billed amount, cache tokens at their own prices; `interactive_usd` is the
    estimate without batch and cache; `batch_cached_usd` is the billed amount if the cache was read,
    else the estimate of `estimate_cost`; None when *shared*, its tokens, is not known.
    """
    estimate = estimate_cost(prices, usages, shared or 0)
    billed = total_usd(prices, usages)
    cached = None if shared is None else estimate.batch_cached_usd
    if any(usage.cache_read_tokens for _, usage in usages):
        cached = billed
    return replace(estimate, batch_usd=billed, batch_cached_usd=cached)


def without_cache(usage: Usage) -> Usage:
    """Return the same tokens as if there were no prompt cache."""
    if usage.prompt_tokens == usage.input_tokens:
        return usage
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)


def cache_saving(prices: Prices, usages: Usages) -> float | None:
    """Return what the prompt cache saved in US dollars; negative when it cost more."""
    plain = total_usd(prices, ((model, without_cache(usage)) for model, usage in usages))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a ledger says about past answers to requests of one model and effort, and about cost."""

    answers: int = 0
    output_tokens: float = 0.0
    """Of one answer, on average."""
    month_usd: float = 0.0
    """The cost of 30 days like the last ones, with any model."""
    days: int = 0
    """How many days it was computed from; 0: there are too few."""

    def usage_of(self, request: Request) -> Usage:
        """Return the usage to expect of a request, without the prompt cache."""
        is_known = self.answers and request.request_key.purpose == "review"
        tokens = self.output_tokens if is_known else request.max_tokens * ASSUMED_SHARE
        output = min(request.max_tokens, round(tokens))
        return Usage(input_tokens=request.input_tokens, output_tokens=output)


NO_HISTORY = History()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCost:
    """The cost of one file in US dollars; None when its model has no known price."""

    expected_usd: float | None
    at_most_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan will probably cost in US dollars; None when the model has no known price."""

    expected_usd: float | None
    """Of what is sent in this run."""
    basis: str
    files: Mapping[str, FileCost]
    """By path, those over the cap included."""
    about_findings_usd: float | None
    """At most, of the requests about findings."""
    month_usd: float | None
    """A month at this pace; None while there is no pace."""
    month_basis: str


def read_history(view: LedgerView, model: str, effort: str, now: datetime) -> History:
    """Return what a ledger knows about a model's reviews at this effort, and about cost."""
    collected = {fact.batch: fact for fact in view.facts(Collected)}
    answers = tokens = 0
    for sent, intended in view.sent_batches:
        fact, keys = collected.get(sent.batch), intended.batches[sent.index]
        if keys and not reviews_in(keys):
            continue
        if fact is not None and (intended.model, intended.effort or "none") == (model, effort):
            answered = intended.request_counts[sent.index] - fact.failures
            answers += answered
            tokens += fact.usage.output_tokens if answered else 0
    past = min(now - min((fact.at for fact in collected.values()), default=now), MONTH)
    is_long = past >= MIN_HISTORY
    return History(
        answers=answers,
        output_tokens=tokens / answers if answers else 0.0,
        month_usd=view.known_spend_usd(now - past) * (MONTH / past) if is_long else 0.0,
        days=past.days if is_long else 0,
    )


def make_forecast(
    prices: Prices,
    requests: Mapping[str, Sequence[Request]],
    due: Sequence[Request],
    mode: SubmissionMode,
    history: History,
    *,
    shared: int,
    is_whole: bool,
) -> Forecast:
    """Estimate the cost of the *due* requests, of each file of *requests*, and of a month.

    *shared*: the tokens of the prefix that all requests share. *is_whole*: this is the first review
    of a whole repository, which says nothing about the next runs.
    """
    batched = mode is not SubmissionMode.INTERACTIVE
    cost = estimate_requests(prices, due, history.usage_of, shared)
    expected = cost.batch_usd if batched else cost.interactive_usd
    if mode.has_cache_breakpoint:
        expected = cost.batch_cached_usd
    files = {
        path: FileCost(
            expected_usd=total_usd(
                prices, ((r.model, history.usage_of(r)) for r in of_file), batched=batched
            ),
            at_most_usd=worst_usd(prices, of_file, mode, shared),
        )
        for path, of_file in requests.items()
    }
    month_usd: float | None = history.month_usd
    month_basis = f"as in the last {history.days} days"
    if not history.days:
        known = None if is_whole else expected
        month_usd = None if known is None else known * MONTH.days
        month_basis = f"{MONTH.days} runs like this one"
        if month_usd is None:
            month_basis = "not known before the first week is over"
    basis = f"assuming that an answer uses {ASSUMED_SHARE:.0%} of its limit"
    if history.answers:
        basis = f"from {plural(history.answers, 'answer')} to this repository"
    return Forecast(
        expected_usd=expected,
        basis=basis,
        files=files,
        about_findings_usd=worst_usd(
            prices, (r for r in due if r.request_key.purpose != "review"), mode, shared
        ),
        month_usd=month_usd,
        month_basis=month_basis,
    )


def worst_usages(
    requests: Iterable[Request], mode: SubmissionMode, shared: int
) -> Iterator[tuple[str, Usage]]:
    """Yield the model and the largest possible usage of each request.

    In the worst case every request writes the cache, and none reads it. *shared*: the tokens of the
    prefix that all requests share.
    """
    for request in requests:
        yield request.model, worst_usage(request, mode, shared)


def worst_usage(request: Request, mode: SubmissionMode, shared: int) -> Usage:
    """Return the largest possible usage of a request: see `worst_usages`."""
    if not (mode.has_cache_breakpoint and request.may_be_cached):
        return Usage(request.input_tokens, request.max_tokens)
    written = min(shared, request.input_tokens)
    return Usage(
        input_tokens=request.input_tokens - written,
        cache_write_1h_tokens=written,
        output_tokens=request.max_tokens,
    )


def worst_usd(
    prices: Prices, requests: Iterable[Request], mode: SubmissionMode, shared: int
) -> float | None:
    """Return the worst case in US dollars; None when a model has no known price."""
    batched = mode is not SubmissionMode.INTERACTIVE
    return total_usd(prices, worst_usages(requests, mode, shared), batched=batched)
