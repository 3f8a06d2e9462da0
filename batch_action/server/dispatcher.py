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
from batch_action.models.dispatch import (
    Dispatch,
    DispatchStatus,
    EndedBatch,
    PendingBatchRecord,
    StartedRun,
)
from batch_action.server import backoff
from batch_action.server.context import ServerContext
from batch_action.server.ledgers import RemoteLedger, RemoteLedgers
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


def place(ctx: ServerContext, ledgers: RemoteLedgers, one: EndedBatch) -> None:
    """Plan the dispatches for an ended batch, or look for its repository again later."""
    store, now = ctx.store, ctx.clock()
    if not store.waiting.owners(one.batch):
        ledgers.refresh(MOST_OFTEN)
    owners = store.waiting.owners(one.batch)
    done = ledgers.collected(one.batch)
    if owners:
        for owner in owners:
            store.dispatches.plan(owner, now)
        store.deliveries.placed(one.batch)
    elif done is not None:
        store.dispatches.plan(_remembered(done, one), now, DispatchStatus.COLLECTED)
        store.deliveries.placed(one.batch)
        ctx.log.info("dispatch", batch=one.batch, said="collected before: not dispatched")
    elif now - one.at > NOBODYS_AFTER and ledgers.read_since(one.at):
        store.deliveries.give_up(one.batch)
        ctx.log.warning(
            "dispatch",
            batch=one.batch,
            problem="No ledger of the listed repositories names this batch.",
            fix="Is its repository, task and state key in the file? A ledger that names it later "
            "brings it back.",
        )
    else:
        pause = backoff.retry(one.tries + 1, ctx.chance())
        store.deliveries.look_again(one.batch, now + timedelta(seconds=pause))


def _remembered(shelf: RemoteLedger, one: EndedBatch) -> PendingBatchRecord:
    return PendingBatchRecord(
        ledger_name=shelf.name,
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

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self.ledgers = RemoteLedgers(ctx)
        self._pruned_at: datetime | None = None

    def round(self) -> float:
        """Do all that is due. Seconds until something is due again."""
        ctx = self._ctx
        self._prune()
        next_look = self.ledgers.refresh()
        for ended in ctx.store.deliveries.ended(ctx.clock()):
            try:
                place(ctx, self.ledgers, ended)
            except Exception as bug:  # noqa: BLE001 - one batch must not hold up all others
                ctx.log.bug("dispatch", bug)
                ctx.store.deliveries.look_again(ended.batch, ctx.clock() + AFTER_A_BUG)
        for one in ctx.store.dispatches.due(ctx.clock()):
            try:
                self._pursue(one)
            except Exception as bug:  # noqa: BLE001 - as above
                ctx.log.bug("dispatch", bug)
                ctx.store.dispatches.postpone(one, ctx.clock() + AFTER_A_BUG)
        ctx.dispatching.looked_at = ctx.clock()
        due = ctx.store.dispatches.next_due()
        wake_at = min(next_look, due) if due else next_look
        return (wake_at - ctx.clock()).total_seconds()

    def _pursue(self, one: Dispatch) -> None:
        shelf = self.ledgers.named(one.ledger_name)
        if shelf is None:
            self._fail(one, f"{one.ledger_name} is not in the file any more.")
        elif one.status is DispatchStatus.SENDING:
            self._look_for(one, shelf)
        else:
            self._send(one, shelf)

    def _send(self, one: Dispatch, shelf: RemoteLedger) -> None:
        """Start the workflow, unless the ledger says that somebody was faster."""
        ctx = self._ctx
        try:
            self.ledgers.look(shelf, FRESH)
        except GitHubError as error:
            self._again(one, DispatchStatus.DUE, error)
            return
        if shelf.collected(one.batch):
            ctx.store.dispatches.end(one, DispatchStatus.COLLECTED, "", ctx.clock())
            self._tell(one, said="collected meanwhile: not dispatched")
            return
        if not ctx.store.dispatches.claim(one, ctx.clock()):
            return
        try:
            run = self._wake(one, shelf)
        except RefusedError as error:
            self._again(one, DispatchStatus.DUE, error)
        except GitHubError as error:
            # Lost on the way there, or on the way back.
            self._tell(one, warning=True, **problem(error))
            self._put_off(one, DispatchStatus.SENDING, LOOK_EVERY.total_seconds(), str(error))
        else:
            self._started(one, run)

    def _wake(self, one: Dispatch, shelf: RemoteLedger) -> StartedRun | None:
        place, dispatches = shelf.post.place, shelf.post.dispatches
        if place.event == "repository_dispatch":
            dispatches.repository(EVENT_TYPE, {BATCH_INPUT: one.batch})
            return None
        return dispatches.workflow(
            place.workflow, place.ref or shelf.branch, {BATCH_INPUT: one.batch}
        )

    def _look_for(self, one: Dispatch, shelf: RemoteLedger) -> None:
        """Find the run that was perhaps started; send again only when there is none for sure."""
        ctx = self._ctx
        claimed = one.claimed_at or one.born_at
        try:
            run = self._found(one, shelf, claimed - SKEW)
        except GitHubError as error:
            self._again(one, DispatchStatus.SENDING, error)
            return
        if run is not None:
            self._started(one, run, "found: it had been started before")
        elif ctx.clock() < claimed + ctx.settle:
            self._put_off(one, DispatchStatus.SENDING, LOOK_EVERY.total_seconds(), one.note)
        else:
            self._tell(one, said="no run was started: sending again")
            self._put_off(one, DispatchStatus.DUE, 0, "")
            self._send(one, shelf)

    def _found(self, one: Dispatch, shelf: RemoteLedger, since: datetime) -> StartedRun | None:
        place, dispatches = shelf.post.place, self._ctx.store.dispatches
        by_file = place.event == "workflow_dispatch"
        runs = shelf.post.dispatches.runs(place.event, since, place.workflow if by_file else None)
        return recognised(
            runs,
            one.batch,
            claimed=dispatches.known_runs(one.repository),
            nameless=dispatches.nameless(one.repository, since) if by_file else None,
        )

    def _started(self, one: Dispatch, run: StartedRun | None, said: str = "started") -> None:
        self._ctx.store.dispatches.started(one, run, self._ctx.clock())
        self._tell(one, said=said, run=run.id if run else "", url=run.url if run else "")

    def _again(self, one: Dispatch, fate: DispatchStatus, error: GitHubError) -> None:
        """Try later, or give up where that has no hope."""
        ctx, tries = self._ctx, one.tries + 1
        refused = isinstance(error, RefusedError) and error.wait is None
        if ctx.clock() - one.born_at > GIVE_UP or (refused and tries >= MOST_REFUSALS):
            self._fail(replace(one, tries=tries), str(error))
            return
        self._tell(one, warning=True, **problem(error))
        limit = error.wait or 0.0 if isinstance(error, RefusedError) else 0.0
        pause = max(limit, backoff.retry(tries, ctx.chance()))
        self._put_off(one, fate, pause, str(error), failed=True)

    def _fail(self, one: Dispatch, note: str) -> None:
        self._ctx.store.dispatches.end(one, DispatchStatus.FAILED, note, self._ctx.clock())
        self._ctx.log.error(
            "dispatch", batch=one.batch, repository=one.repository, problem=f"Given up. {note}"
        )

    def _put_off(
        self,
        one: Dispatch,
        fate: DispatchStatus,
        seconds: float,
        note: str,
        *,
        failed: bool = False,
    ) -> None:
        now = self._ctx.clock()
        later = replace(
            one,
            status=fate,
            due_at=now + timedelta(seconds=seconds),
            note=note,
            tries=one.tries + failed,
        )
        self._ctx.store.dispatches.put_off(later, now)

    def _tell(self, one: Dispatch, *, warning: bool = False, **fields: str) -> None:
        log = self._ctx.log
        tell = log.warning if warning else log.info
        tell("dispatch", batch=one.batch, repository=one.repository, **fields)

    def _prune(self) -> None:
        now = self._ctx.clock()
        if self._pruned_at is None or now - self._pruned_at > timedelta(days=1):
            self._ctx.store.prune(now - KEEP)
            self._pruned_at = now
