"""The results of a batch that has ended, or what is told of one that has not."""

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from batch_action.history.batches import Pending
from batch_action.models.requests import Outcome
from batch_action.report.text import plural
from batch_action.steps.world import World

LAG = timedelta(minutes=15)
"""How long after a create Anthropic may not know a batch (anthropic-sdk-python issue 1432)."""

RETENTION = timedelta(days=29)
"""Results are kept for 29 days after the batch was created (Anthropic's batch-processing page)."""

SOON = timedelta(hours=2)
LAST_DAYS = timedelta(days=3)
"""When to tell that a batch, or its results, will not be there much longer."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back by custom id, and whether somebody had canceled the batch."""

    outcomes: dict[str, Outcome]
    canceled: bool = False


def _is_here(world: World, pending: Pending) -> bool:
    """Whether what was asked about is here, where it was a patch's and no commit's."""
    if not pending.intended.patched or world.git.has_commit(pending.intended.head):
        return True
    world.warn(
        f"Batch {pending.sent.batch} is about a patch: give the same `patch-file`, on the same "
        "commit, to collect it."
    )
    return False


def fetch(world: World, pending: Pending) -> Fetched | None:
    """What came back; None while there is nothing to fetch; empty when it is lost for good."""
    if not _is_here(world, pending):
        return None
    api, sent = world.need_anthropic(), pending.sent
    state = api.retrieve(sent.batch)
    age = world.now() - sent.created_at
    if state is None or state.archived_at is not None:
        unknown = state is None and age < RETENTION and not pending.withdrawn
        return _lost(world, pending, unknown=unknown)
    if state.status != "ended":
        world.screen.say(f"Batch {sent.batch} is {state.status}, {_hours(age)} old.")
        if sent.expires_at - world.now() < SOON:
            world.warn(
                f"Batch {sent.batch} expires at {sent.expires_at:%H:%M} UTC: what is not answered "
                "by then costs nothing and is owed to the next submit."
            )
        return None
    if state.results_url is None:
        world.warn(f"Batch {sent.batch} has ended, but its results are not there yet.")
        return None
    if age > RETENTION - LAST_DAYS:
        until = sent.created_at + RETENTION
        world.warn(f"Anthropic deletes the results of {sent.batch} on {until:%Y-%m-%d}.")
    want = frozenset(question.id for question in pending.questions)
    world.screen.say(f"Batch {sent.batch} has ended: fetching {plural(len(want), 'answer')}.")
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-") as folder,
        world.screen.progress("Downloading answers", len(want)) as tick,
    ):
        return Fetched(api.outcomes(sent.batch, want, Path(folder), tick), state.canceled)


def _lost(world: World, pending: Pending, *, unknown: bool) -> Fetched | None:
    """Nothing, for good; None while a batch that is *unknown* may still turn up."""
    batch = pending.sent.batch
    if not unknown:
        if not pending.withdrawn:
            world.warn(f"The results of batch {batch} are gone (29 days): its files are owed.")
        return Fetched({})
    if world.now() - pending.sent.created_at > LAG:
        world.warn(
            f"Anthropic does not know batch {batch} with this key: is it for another workspace? "
            "It stays pending."
        )
    return None


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004
