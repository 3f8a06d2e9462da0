"""Decide how the open requests are sent: batch, prompt-cache warm-up, small workload.

A batch with a cold prompt cache writes the cache with every request and reads nothing, which costs
more than no cache. So one request, the warm-up, is sent first; the others follow after it has
ended, within the hour that a cache entry lives.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from batch_action.context import RunContext
from batch_action.ledger.view import CacheWarmUp, LedgerView
from batch_action.models.ledger import Usage
from batch_action.models.requests import Prices, Request, SubmissionMode
from batch_action.requests import pricing
from batch_action.requests.builder import RequestSet, shared_instructions

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.client import AnthropicClient

CACHE_LIFETIME = timedelta(minutes=50)
"""A cache entry lives an hour; the requests that read it need some minutes to start."""
MAX_WARM_UP_WAIT = timedelta(hours=2)
"""Most batches take less than an hour; after this time the others are sent without the cache."""
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


def is_warm_up_pending(view: LedgerView) -> bool:
    """Return whether a warm-up is in flight that other requests wait for."""
    warm_up = view.outstanding_warm_up
    return warm_up is not None and warm_up.collected is None and not warm_up.withdrawn


def choose(
    ctx: RunContext, request_set: RequestSet, view: LedgerView, now: datetime
) -> SendStrategy:
    """Choose how the open requests are sent; *now* is Anthropic's time.

    Requests that wait for a warm-up come first, even if few: they were counted when it was sent.
    """
    if not request_set.selection.files:
        return SendStrategy(SubmissionMode.BATCH)
    strategy = _follow_warm_up(ctx, view, request_set, now)
    strategy = strategy or _handle_small_workload(ctx, request_set, view)
    # The author of a pull request waits for the review: no warm-up first.
    if not strategy and ctx.settings.prompt_cache == "warm" and ctx.run.pull_number is None:
        strategy = _start_warm_up(ctx.prices, ctx.settings.model, request_set)
    return strategy or SendStrategy(SubmissionMode.BATCH)


def is_caching_cheaper(prices: Prices, model: str, requests: list[Request], shared: int) -> bool:
    """Return whether reading a prefix of *shared* tokens from the cache costs less than none.

    Only the requests for the configured *model* count: another model has a cache of its own.
    """
    usages = [
        (model, Usage(input_tokens=request.input_tokens, output_tokens=request.max_tokens))
        for request in requests
        if request.request_key.model is None
    ]
    cost = pricing.estimate_cost(prices, usages, shared)
    if len(usages) < MIN_CACHED_REQUESTS or None in (cost.batch_cached_usd, cost.batch_usd):
        return False
    return (cost.batch_cached_usd or 0.0) < (cost.batch_usd or 0.0)


def _follow_warm_up(
    ctx: RunContext, view: LedgerView, request_set: RequestSet, now: datetime
) -> SendStrategy | None:
    """Return how requests that wait for a warm-up are sent; None when none was sent for them.

    They wait for one warm-up only, whatever its outcome.
    """
    warm_up, settings = view.outstanding_warm_up, ctx.settings
    if warm_up is None or warm_up.selected.isdisjoint(request_set.requests):
        return None
    intended = warm_up.intended
    if settings.prompt_cache == "off":
        reason = "`prompt-cache` is off now"
    elif warm_up.is_lost:
        reason = "the warm-up was not answered"
    elif (intended.model, intended.effort or "none") != (settings.model, settings.effort):
        reason = "the warm-up used another model or effort"
    elif shared_instructions(ctx, intended.head) != request_set.shared_instructions:
        reason = "the guidelines have changed since the warm-up"
    elif ended_at := _ended_at(warm_up, ctx.anthropic):
        if now - ended_at <= CACHE_LIFETIME:
            note = "The prompt cache is warm: the shared instructions are read from it."
            return SendStrategy(SubmissionMode.WARMED, note)
        reason = f"the warm-up ended at {ended_at:%H:%M} UTC, more than 50 minutes ago"
    elif now - intended.at <= MAX_WARM_UP_WAIT:
        batch = f"batch {warm_up.sent.batch}" if warm_up.sent else "a batch"
        note = f"The other requests wait until {batch} has ended and filled the prompt cache."
        return SendStrategy(SubmissionMode.AWAIT, note)
    else:
        reason = "the warm-up takes too long"
    return SendStrategy(SubmissionMode.BATCH, f"Sent without the prompt cache: {reason}.")


def _ended_at(warm_up: CacheWarmUp, anthropic: "AnthropicClient | None") -> datetime | None:
    """Return when the warm-up ended; None while it runs, or when that is not known."""
    if warm_up.sent is None or anthropic is None:
        return None
    state = anthropic.retrieve(warm_up.sent.batch)
    return state.ended_at if state is not None and state.status == "ended" else None


def _start_warm_up(prices: Prices, model: str, request_set: RequestSet) -> SendStrategy:
    """Return a warm-up if it pays off, else a batch with the reason."""
    rates = prices.models.get(model)
    minimum = rates.cache_minimum if rates else None
    shared = len(request_set.shared_instructions.encode()) // MAX_BYTES_PER_TOKEN
    if minimum is None:
        note = f"No prompt cache: the smallest prefix that {model} caches is not known."
    elif shared < minimum:
        note = (
            f"No prompt cache: the shared instructions have about {shared:,} tokens; {model} "
            f"caches a prefix of {minimum:,} or more."
        )
    elif not is_caching_cheaper(prices, model, request_set.all_requests, shared):
        note = "No prompt cache: with so few requests it does not pay off."
    else:
        return SendStrategy(
            SubmissionMode.WARM_UP,
            "One request is sent first and fills the prompt cache. The others follow when it has "
            "ended: with the cache if a run collects it within the hour (set `wait-minutes` to "
            "wait in this run), else without.",
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
    since = (waiting[path].since for path in request_set.requests if path in waiting)
    oldest = min(since, default=now)
    until = oldest + timedelta(days=ctx.settings.max_wait_days)
    if now >= until:
        note = f"{summary}, but the oldest has waited since {oldest:%Y-%m-%d %H:%M} UTC."
        return SendStrategy(SubmissionMode.BATCH, note)
    note = f"{summary}. They wait for more, until {until:%Y-%m-%d %H:%M} UTC at the latest."
    return SendStrategy(SubmissionMode.ACCUMULATE, note)
