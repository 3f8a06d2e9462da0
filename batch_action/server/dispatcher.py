"""Whether a workflow run that GitHub lists is the one that we have perhaps started.

Our examples put the batch's id into the run's name. Where a workflow does not, the run of a
`workflow_dispatch` counts that names no batch and that is no other dispatch's: whoever started
it, it collects what has ended.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from batch_action.clients.github.errors import RefusedError
from batch_action.errors import GitHubError
from batch_action.models.dispatch import Awaited, Dispatch, Ended, Fate, StartedRun
from batch_action.server import backoff
from batch_action.server.context import Station
from batch_action.server.ledgers import Shelf, Shelves
from batch_action.server.log import problem

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_A_BATCH = re.compile(r"msgbatch_[A-Za-z0-9]+")


def recognised(
    runs: Sequence[StartedRun], batch: str, *, claimed: Collection[str], nameless: int | None
) -> StartedRun | None:
    """The run that was started for this batch; None when there is none among these.

    *claimed*: ids of runs that belong to other dispatches. *nameless*: how many others were
    started meanwhile of which we were never told the id, so that as many unnamed runs are theirs;
    None where unnamed runs prove nothing.
    """
    oldest_first = sorted(runs, key=lambda run: (run.created_at, int(run.id)))
    for run in oldest_first:
        if batch in _WORD.findall(run.title):
            return run
    if nameless is None:
        return None
    unnamed = [r for r in oldest_first if r.id not in claimed and not _A_BATCH.search(r.title)]
    return unnamed[nameless] if len(unnamed) > nameless else None


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
        pause = backoff.retry(one.tries + 1, station.chance())
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


BATCH_INPUT = "batch-id"
EVENT_TYPE = "batch-ended"
FRESH = timedelta(seconds=20)
"""How old the ledger's word may be that the batch is still to be collected."""
MOST_REFUSALS = 8
"""Some ten minutes, in which a person may repair a token or a workflow."""
GIVE_UP = timedelta(hours=24)
"""By then the next night has collected it."""
SKEW = timedelta(minutes=1)
"""How far GitHub's clock may be behind ours."""
LOOK_EVERY = timedelta(seconds=5)
AFTER_A_BUG = timedelta(minutes=5)
KEEP = timedelta(days=40)
"""Results can be collected for 29 days; nobody asks about a batch that is older than this."""


class Dispatcher:
    """Who talks to GitHub; one thread calls `round` again and again."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.shelves = Shelves(station)
        self._pruned_at: datetime | None = None

    def round(self) -> float:
        """Do all that is due. Seconds until something is due again."""
        station = self._station
        self._prune()
        next_look = self.shelves.refresh()
        for ended in station.store.arrivals.ended(station.clock()):
            try:
                place(station, self.shelves, ended)
            except Exception as bug:  # noqa: BLE001 - one batch must not hold up all others
                station.journal.bug("dispatch", bug)
                station.store.arrivals.look_again(ended.batch, station.clock() + AFTER_A_BUG)
        for one in station.store.errands.due(station.clock()):
            try:
                self._pursue(one)
            except Exception as bug:  # noqa: BLE001 - as above
                station.journal.bug("dispatch", bug)
                station.store.errands.postpone(one, station.clock() + AFTER_A_BUG)
        station.dispatching.looked_at = station.clock()
        due = station.store.errands.next_due()
        wake_at = min(next_look, due) if due else next_look
        return (wake_at - station.clock()).total_seconds()

    def _pursue(self, one: Dispatch) -> None:
        shelf = self.shelves.named(one.shelf)
        if shelf is None:
            self._fail(one, f"{one.shelf} is not in the file any more.")
        elif one.fate is Fate.SENDING:
            self._look_for(one, shelf)
        else:
            self._send(one, shelf)

    def _send(self, one: Dispatch, shelf: Shelf) -> None:
        """Start the workflow, unless the ledger says that somebody was faster."""
        station = self._station
        try:
            self.shelves.look(shelf, FRESH)
        except GitHubError as error:
            self._again(one, Fate.DUE, error)
            return
        if shelf.collected(one.batch):
            station.store.errands.end(one, Fate.COLLECTED, "", station.clock())
            self._tell(one, said="collected meanwhile: not dispatched")
            return
        if not station.store.errands.claim(one, station.clock()):
            return
        try:
            run = self._wake(one, shelf)
        except RefusedError as error:
            self._again(one, Fate.DUE, error)
        except GitHubError as error:
            # Lost on the way there, or on the way back.
            self._tell(one, warning=True, **problem(error))
            self._put_off(one, Fate.SENDING, LOOK_EVERY.total_seconds(), str(error))
        else:
            self._started(one, run)

    def _wake(self, one: Dispatch, shelf: Shelf) -> StartedRun | None:
        place, dispatches = shelf.post.place, shelf.post.dispatches
        if place.event == "repository_dispatch":
            dispatches.repository(EVENT_TYPE, {BATCH_INPUT: one.batch})
            return None
        return dispatches.workflow(
            place.workflow, place.ref or shelf.branch, {BATCH_INPUT: one.batch}
        )

    def _look_for(self, one: Dispatch, shelf: Shelf) -> None:
        """Find the run that was perhaps started; send again only when there is none for sure."""
        station = self._station
        claimed = one.claimed_at or one.born_at
        try:
            run = self._found(one, shelf, claimed - SKEW)
        except GitHubError as error:
            self._again(one, Fate.SENDING, error)
            return
        if run is not None:
            self._started(one, run, "found: it had been started before")
        elif station.clock() < claimed + station.settle:
            self._put_off(one, Fate.SENDING, LOOK_EVERY.total_seconds(), one.note)
        else:
            self._tell(one, said="no run was started: sending again")
            self._put_off(one, Fate.DUE, 0, "")
            self._send(one, shelf)

    def _found(self, one: Dispatch, shelf: Shelf, since: datetime) -> StartedRun | None:
        place, errands = shelf.post.place, self._station.store.errands
        by_file = place.event == "workflow_dispatch"
        runs = shelf.post.dispatches.runs(place.event, since, place.workflow if by_file else None)
        return recognised(
            runs,
            one.batch,
            claimed=errands.known_runs(one.repository),
            nameless=errands.nameless(one.repository, since) if by_file else None,
        )

    def _started(self, one: Dispatch, run: StartedRun | None, said: str = "started") -> None:
        self._station.store.errands.started(one, run, self._station.clock())
        self._tell(one, said=said, run=run.id if run else "", url=run.url if run else "")

    def _again(self, one: Dispatch, fate: Fate, error: GitHubError) -> None:
        """Try later, or give up where that has no hope."""
        station, tries = self._station, one.tries + 1
        refused = isinstance(error, RefusedError) and error.wait is None
        if station.clock() - one.born_at > GIVE_UP or (refused and tries >= MOST_REFUSALS):
            self._fail(replace(one, tries=tries), str(error))
            return
        self._tell(one, warning=True, **problem(error))
        limit = error.wait or 0.0 if isinstance(error, RefusedError) else 0.0
        pause = max(limit, backoff.retry(tries, station.chance()))
        self._put_off(one, fate, pause, str(error), failed=True)

    def _fail(self, one: Dispatch, note: str) -> None:
        self._station.store.errands.end(one, Fate.FAILED, note, self._station.clock())
        self._station.journal.error(
            "dispatch", batch=one.batch, repository=one.repository, problem=f"Given up. {note}"
        )

    def _put_off(
        self, one: Dispatch, fate: Fate, seconds: float, note: str, *, failed: bool = False
    ) -> None:
        now = self._station.clock()
        later = replace(
            one,
            fate=fate,
            due_at=now + timedelta(seconds=seconds),
            note=note,
            tries=one.tries + failed,
        )
        self._station.store.errands.put_off(later, now)

    def _tell(self, one: Dispatch, *, warning: bool = False, **fields: str) -> None:
        journal = self._station.journal
        tell = journal.warning if warning else journal.info
        tell("dispatch", batch=one.batch, repository=one.repository, **fields)

    def _prune(self) -> None:
        now = self._station.clock()
        if self._pruned_at is None or now - self._pruned_at > timedelta(days=1):
            self._station.store.prune(now - KEEP)
            self._pruned_at = now
