"""The prompt cache of a night: whether a warm-up pays, and whether one has left it warm.

A cold batch writes the cache with every request and reads nothing, which is dearer than no cache.
So one request goes first; the others follow when it has ended, within the hour the cache lives.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from batch_action.context import RunContext
from batch_action.ledger import view
from batch_action.ledger.view import CacheWarmUp
from batch_action.models.ledger import Ledger, Usage
from batch_action.models.requests import Request, SubmissionMode
from batch_action.requests import pricing
from batch_action.requests.builder import RequestSet, all_requests, shared_text

LIFETIME = timedelta(minutes=50)
"""The entry lives an hour; the followers need some minutes of it until the first of them starts."""
PATIENCE = timedelta(hours=2)
"""How long the others wait for a warm-up that has not ended: most batches take under an hour."""
DEAREST_TOKEN = 4
"""Bytes a token of plain English at the most: an estimate of the prefix that is not too large."""
FEWEST = 3
"""Requests, the warm-up among them: a write at the double price needs two reads to pay."""


@dataclass(frozen=True, slots=True)
class SendStrategy:
    """How tonight's requests are asked, and why."""

    mode: SubmissionMode
    note: str = ""


def awaited(ledger: Ledger) -> bool:
    """Whether a warm-up is under way that others wait for."""
    found = view.outstanding(ledger)
    return found is not None and found.collected is None and not found.withdrawn


def follow(
    ctx: RunContext, ledger: Ledger, asked: RequestSet, now: datetime
) -> SendStrategy | None:
    """What the warm-up that went before means for the others; None when none went before these.

    *now*: by Anthropic's clock. Whatever has become of it, the others wait for one only once.
    """
    found = view.outstanding(ledger)
    if found is None or found.selected.isdisjoint(asked.requests):
        return None
    cold = _cold(ctx, found, asked.selection.head)
    if cold is not None:
        return SendStrategy(SubmissionMode.BATCH, f"Sent without the prompt cache: {cold}.")
    ended = _ended(ctx, found)
    if ended is None and now - found.intended.at > PATIENCE:
        return SendStrategy(
            SubmissionMode.BATCH, "Sent without the prompt cache: its warm-up takes too long."
        )
    if ended is None:
        where = f"batch {found.sent.batch}" if found.sent else "a batch"
        note = (
            f"The others wait for {where} to fill the prompt cache: they go out when it has ended."
        )
        return SendStrategy(SubmissionMode.AWAIT, note)
    if now - ended > LIFETIME:
        late = f"its warm-up ended at {ended:%H:%M} UTC, and no run looked within the hour"
        return SendStrategy(SubmissionMode.BATCH, f"Sent without the prompt cache: {late}.")
    return SendStrategy(
        SubmissionMode.WARMED, "The prompt cache is warm: the shared instructions are read from it."
    )


def _cold(ctx: RunContext, found: CacheWarmUp, head: str) -> str | None:
    """Why what the warm-up left would not be read."""
    intended, settings = found.intended, ctx.settings
    if settings.prompt_cache == "off":
        return "`prompt-cache` is off by now"
    if found.spoilt:
        return "its warm-up was not answered"
    if (intended.model, intended.effort or "none") != (settings.model, settings.effort):
        return "its warm-up asked another model, or with another effort"
    if shared_text(ctx, intended.head) != shared_text(ctx, head):
        return "the house rules have changed since its warm-up"
    return None


def _ended(ctx: RunContext, found: CacheWarmUp) -> datetime | None:
    """When the warm-up ended; None while it runs, or when nobody can tell."""
    if found.sent is None or ctx.anthropic is None:
        return None
    state = ctx.anthropic.retrieve(found.sent.batch)
    return state.ended_at if state is not None and state.status == "ended" else None


def begin(ctx: RunContext, asked: RequestSet) -> SendStrategy:
    """A warm-up, if it pays; else why not."""
    name = ctx.settings.model
    rates = ctx.prices.models.get(name)
    minimum = rates.cache_minimum if rates else None
    if minimum is None:
        note = f"No prompt cache: the smallest prefix that {name} caches is not known."
        return SendStrategy(SubmissionMode.BATCH, note)
    shared = asked.shared_bytes // DEAREST_TOKEN
    if shared < minimum:
        note = (
            f"No prompt cache: the shared instructions have some {shared:,} tokens, and {name} "
            f"caches none below {minimum:,}."
        )
        return SendStrategy(SubmissionMode.BATCH, note)
    if not pays(ctx, [r for r in all_requests(asked) if r.request_key.model is None], shared):
        return SendStrategy(
            SubmissionMode.BATCH, "No prompt cache: there are too few requests for it to pay."
        )
    return SendStrategy(
        SubmissionMode.WARM_UP,
        "One request goes first and fills the prompt cache. The others follow when it has ended: "
        "if a run looks within the hour (`wait-minutes` lets this one wait), else without the "
        "cache.",
    )


def pays(ctx: RunContext, requests: list[Request], shared: int) -> bool:
    """Whether reading the prefix from the cache is cheaper than not to cache it at all."""
    usages = [Usage(input_tokens=r.input_tokens, output_tokens=r.max_tokens) for r in requests]
    cost = pricing.columns(ctx.prices, ctx.settings.model, usages, shared)
    cached, plain = cost.batch_cached_usd, cost.batch_usd
    return len(requests) >= FEWEST and cached is not None and plain is not None and cached < plain


def prefix(ctx: RunContext, head: str) -> int:
    """Tokens of what all requests of a night share, on the dear side."""
    return pricing.estimate(len(shared_text(ctx, head).encode()))


def choose(ctx: RunContext, asked: RequestSet, ledger: Ledger, now: datetime) -> SendStrategy:
    """The way for everything that is open; *now*: by Anthropic's clock.

    What waits for a warm-up goes before all else: it was decided on before, when it was more.
    """
    if not asked.selection.files:
        return SendStrategy(SubmissionMode.BATCH)
    followed = follow(ctx, ledger, asked, now)
    if followed is not None:
        return followed
    # Who opens a pull request waits for its review: it is not held back.
    warm = ctx.settings.prompt_cache == "warm" and ctx.pull is None
    return _small(ctx, asked, ledger) or (
        begin(ctx, asked) if warm else SendStrategy(SubmissionMode.BATCH)
    )


def _small(ctx: RunContext, asked: RequestSet, ledger: Ledger) -> SendStrategy | None:
    """What becomes of a small workload; None when it is none, or is sent like any other."""
    settings = ctx.settings
    count = sum(1 for _ in all_requests(asked))
    if count >= settings.min_requests or settings.small_workload == "submit":
        return None
    few = f"{count} open, fewer than `min-requests: {settings.min_requests}`"
    if settings.small_workload == "accumulate":
        if ctx.pull is not None:
            return None
        return _accumulated(ctx, asked, ledger, few)
    lost = view.last_failure(ledger)
    if any(lost.get(request.request_key.id) == "undelivered" for request in all_requests(asked)):
        note = "The last answers could not be delivered: these can be fetched again."
        return SendStrategy(SubmissionMode.BATCH, note)
    return SendStrategy(
        SubmissionMode.INTERACTIVE,
        f"Requests: {few}. They are asked at once, at full price, and outside of the promise that "
        "nothing is paid twice: should a run die before it has told the answers, it asks again.",
    )


def _accumulated(ctx: RunContext, asked: RequestSet, ledger: Ledger, few: str) -> SendStrategy:
    """More are waited for, but not longer than `max-wait-days`."""
    now = ctx.now()
    waiting = view.unsettled(ledger, ctx.scope)
    begun = (waiting[path].since for path in asked.requests if path in waiting)
    oldest = min(begun, default=now)
    until = oldest + timedelta(days=ctx.settings.max_wait_days)
    if now >= until:
        note = f"Requests: {few}, but the oldest has waited since {oldest:%Y-%m-%d %H:%M} UTC."
        return SendStrategy(SubmissionMode.BATCH, note)
    note = f"Requests: {few}. They wait for more, until {until:%Y-%m-%d %H:%M} UTC at the latest."
    return SendStrategy(SubmissionMode.ACCUMULATE, note)
