"""The dispatcher: ended batches find their repository, and its workflow is started once.

Before GitHub is asked, the dispatch is claimed in the store; afterwards it is confirmed. Whoever
finds one claimed and not confirmed (a crash, a lost answer) looks for its run before sending again.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from batch_action.edges.github_api.refusals import RefusedError
from batch_action.edges.journal import problem
from batch_action.errors import GitHubError
from batch_action.models.waking import Dispatch, Fate, StartedRun
from batch_action.steps.waking.placing import place
from batch_action.steps.waking.shelves import Shelf, Shelves
from batch_action.steps.waking.station import Station
from batch_action.waking import pacing
from batch_action.waking.recognising import recognised

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
        pause = max(limit, pacing.retry(tries, station.chance()))
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
