"""Which way tonight's requests go: as a batch, warmed up before, at once, or not yet."""

from datetime import datetime, timedelta

from batch_action.history import batches, files
from batch_action.models.ledger import Ledger
from batch_action.models.requests import Way
from batch_action.steps import warming
from batch_action.steps.asking import Asked, all_requests
from batch_action.steps.warming import Choice
from batch_action.steps.world import World


def choose(world: World, asked: Asked, ledger: Ledger, now: datetime) -> Choice:
    """The way for everything that is open; *now*: by Anthropic's clock.

    What waits for a warm-up goes before all else: it was decided on before, when it was more.
    """
    if not asked.selection.files:
        return Choice(Way.BATCH)
    followed = warming.follow(world, ledger, asked, now)
    if followed is not None:
        return followed
    # Who opens a pull request waits for its review: it is not held back.
    warm = world.settings.prompt_cache == "warm" and world.pull is None
    return _small(world, asked, ledger) or (
        warming.begin(world, asked) if warm else Choice(Way.BATCH)
    )


def _small(world: World, asked: Asked, ledger: Ledger) -> Choice | None:
    """What becomes of a small workload; None when it is none, or is sent like any other."""
    settings = world.settings
    count = sum(1 for _ in all_requests(asked))
    if count >= settings.min_requests or settings.small_workload == "submit":
        return None
    few = f"{count} open, fewer than `min-requests: {settings.min_requests}`"
    if settings.small_workload == "accumulate":
        if world.pull is not None:
            return None
        return _accumulated(world, asked, ledger, few)
    lost = batches.last_failure(ledger)
    if any(lost.get(request.question.id) == "undelivered" for request in all_requests(asked)):
        note = "The last answers could not be delivered: these can be fetched again."
        return Choice(Way.BATCH, note)
    return Choice(
        Way.INTERACTIVE,
        f"Requests: {few}. They are asked at once, at full price, and outside of the promise that "
        "nothing is paid twice: should a run die before it has told the answers, it asks again.",
    )


def _accumulated(world: World, asked: Asked, ledger: Ledger, few: str) -> Choice:
    """More are waited for, but not longer than `max-wait-days`."""
    now = world.now()
    waiting = files.unsettled(ledger, world.scope)
    begun = (waiting[path].since for path in asked.requests if path in waiting)
    oldest = min(begun, default=now)
    until = oldest + timedelta(days=world.settings.max_wait_days)
    if now >= until:
        note = f"Requests: {few}, but the oldest has waited since {oldest:%Y-%m-%d %H:%M} UTC."
        return Choice(Way.BATCH, note)
    note = f"Requests: {few}. They wait for more, until {until:%Y-%m-%d %H:%M} UTC at the latest."
    return Choice(Way.ACCUMULATE, note)
