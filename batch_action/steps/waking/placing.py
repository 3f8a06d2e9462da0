"""Whose batch has ended: the ledgers know, some of them only after another look."""

from datetime import timedelta

from batch_action.models.waking import Awaited, Ended, Fate
from batch_action.steps.waking.shelves import Shelf, Shelves
from batch_action.steps.waking.station import Station
from batch_action.waking import pacing

MOST_OFTEN = timedelta(minutes=1)
"""Between two looks at the ledgers for batches that none of them names."""
NOBODYS_AFTER = timedelta(minutes=30)
"""A run saves what it has sent within minutes; later only an older ledger could name the batch."""


def place(station: Station, shelves: Shelves, one: Ended) -> None:
    """Plan the dispatches for an ended batch, or look for its repository again later."""
    store, now = station.store, station.clock()
    if not store.waiting.owners(one.batch):
        shelves.refresh(MOST_OFTEN)
    owners = store.waiting.owners(one.batch)
    done = shelves.collected(one.batch)
    if owners:
        for owner in owners:
            store.errands.plan(owner, now)
        store.arrivals.placed(one.batch)
    elif done is not None:
        store.errands.plan(_remembered(done, one), now, Fate.COLLECTED)
        store.arrivals.placed(one.batch)
        station.journal.info("dispatch", batch=one.batch, said="collected before: not dispatched")
    elif now - one.at > NOBODYS_AFTER and shelves.read_since(one.at):
        store.arrivals.give_up(one.batch)
        station.journal.warning(
            "dispatch",
            batch=one.batch,
            problem="No ledger of the listed repositories names this batch.",
            fix="Is its repository, task and state key in the file? A ledger that names it later "
            "brings it back.",
        )
    else:
        pause = pacing.retry(one.tries + 1, station.chance())
        store.arrivals.look_again(one.batch, now + timedelta(seconds=pause))


def _remembered(shelf: Shelf, one: Ended) -> Awaited:
    return Awaited(
        shelf=shelf.name,
        repository=shelf.post.place.repository,
        batch=one.batch,
        requests=0,
        created_at=one.at,
        expires_at=one.at,
    )
