"""Decide how the open requests are sent: batch, prompt-cache warm-up, small workload.

A batch with a cold prompt cache writes the cache with every request and reads nothing, which costs
more than no cache. So one request, the warm-up, is sent first; the others follow in the same run,
with the cache if the warm-up has filled it by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.ledger import explanations, verification
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Usage
from batch_action.models.requests import Prices, Request, SubmissionMode
from batch_action.requests import pricing
from batch_action.requests.builder import RequestSet

MAX_BYTES_PER_TOKEN = 4
"""Of plain English: a low estimate of the shared prefix, which must not fall below the minimum."""
MIN_CACHED_REQUESTS = 3
"""With the warm-up: one write at double price pays off after two reads."""


@dataclass(frozen=True, slots=True)
class SendStrategy:
    """How the open requests are sent."""

    mode: SubmissionMode
    note: str = ""
    """The reason, in sentences for people; empty for an ordinary batch."""


def choose(ctx: RunContext, request_set: RequestSet, view: LedgerView) -> SendStrategy:
    """Choose how the open requests are sent."""
    if not request_set.all_requests:
        return SendStrategy(SubmissionMode.BATCH)
    strategy = _handle_small_workload(ctx, request_set, view)
    # The author of a pull request waits for the review: no warm-up first.
    if not strategy and ctx.settings.prompt_cache == "warm" and ctx.run.pull_number is None:
        strategy = _start_warm_up(ctx.prices, ctx.settings, request_set)
    return strategy or SendStrategy(SubmissionMode.BATCH)


def saved_by_cache(prices: Prices, model: str, requests: Sequence[Request], shared: int) -> float:
    """Return the US dollars saved when one request writes a prefix of *shared* tokens for all.

    0 when it would cost more or no price is known. Only the requests for the configured *model*
    count: another model has a cache of its own.
    """
    cached = [request for request in requests if request.may_be_cached]
    rates = prices.models.get(model)
    is_cached = rates and rates.cache_minimum and shared >= rates.cache_minimum
    if not is_cached or len(cached) < MIN_CACHED_REQUESTS:
        return 0.0
    usages = ((model, Usage(request.input_tokens, request.max_tokens)) for request in cached)
    cost = pricing.estimate_cost(prices, usages, shared)
    return max(0.0, (cost.batch_usd or 0.0) - (cost.batch_cached_usd or 0.0))


def low_prefix_tokens(request_set: RequestSet) -> int:
    """Return a low estimate of the tokens that all requests share."""
    return len(request_set.shared_instructions.encode()) // MAX_BYTES_PER_TOKEN


def _start_warm_up(prices: Prices, settings: Settings, request_set: RequestSet) -> SendStrategy:
    """Return a warm-up if it pays off, else a batch with the reason."""
    model = settings.model
    rates = prices.models.get(model)
    minimum = rates.cache_minimum if rates else None
    shared = low_prefix_tokens(request_set)
    saved = saved_by_cache(prices, model, request_set.all_requests, shared)
    if minimum is None:
        note = f"No prompt cache: the smallest prefix that {model} caches is not known."
    elif shared < minimum:
        note = (
            f"No prompt cache: the shared instructions have about {shared:,} tokens; {model} "
            f"caches a prefix of {minimum:,} or more."
        )
    elif not saved:
        note = "No prompt cache: with so few requests it does not pay off."
    else:
        return SendStrategy(
            SubmissionMode.WARM_UP,
            "One request is sent first and fills the prompt cache. The others follow in this run "
            f"when it has ended, or without the cache after `warm-minutes: "
            f"{settings.warm_minutes:g}`.",
        )
    return SendStrategy(SubmissionMode.BATCH, note)


def _handle_small_workload(
    ctx: RunContext, request_set: RequestSet, view: LedgerView
) -> SendStrategy | None:
    """Apply `small-workload`; None when the workload is not small or is sent like any other."""
    settings = ctx.settings
    requests = request_set.all_requests
    if len(requests) >= settings.min_requests or settings.small_workload == "submit":
        return None
    summary = f"Requests: {len(requests)} open, fewer than `min-requests: {settings.min_requests}`"
    if settings.small_workload == "accumulate":
        return (
            None
            if ctx.run.pull_number is not None
            else _accumulate(ctx, request_set, view, summary)
        )
    if any(view.last_failures.get(r.request_key.id) == "undelivered" for r in requests):
        note = "The last answers could not be delivered: the results of a batch can be read again."
        return SendStrategy(SubmissionMode.BATCH, note)
    return SendStrategy(
        SubmissionMode.INTERACTIVE,
        f"{summary}. They are sent now through the Messages API, at full price. If the run dies "
        "before it has published the answers, the next run sends and pays for them again.",
    )


def _accumulate(
    ctx: RunContext, request_set: RequestSet, view: LedgerView, summary: str
) -> SendStrategy:
    """Wait for more requests, but at most `max-wait-days` for the oldest one."""
    now = ctx.now()
    waiting = view.unreviewed_files(ctx.scope)
    since = [waiting[path].since for path in request_set.requests if path in waiting]
    asked = {name for r in request_set.about_findings for name in r.request_key.findings}
    due = verification.waiting(view, ctx.settings.verify)
    reported = {fact.batch for fact in due if fact.fingerprint in asked}
    since += [fact.at for fact in view.facts(Collected) if fact.batch in reported]
    to_explain = explanations.waiting(view, ctx.settings.max_attempts)
    since += [fact.at for fact in to_explain if fact.fingerprint in asked]
    oldest = min(since, default=now)
    until = oldest + timedelta(days=ctx.settings.max_wait_days)
    if now >= until:
        note = f"{summary}, but the oldest has waited since {oldest:%Y-%m-%d %H:%M} UTC."
        return SendStrategy(SubmissionMode.BATCH, note)
    note = f"{summary}. They wait for more, until {until:%Y-%m-%d %H:%M} UTC at the latest."
    return SendStrategy(SubmissionMode.ACCUMULATE, note)
