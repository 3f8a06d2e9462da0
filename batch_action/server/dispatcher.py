"""The dispatcher: starts the collecting workflow of each ended batch's repository.

At least once: the run is started first and recorded afterwards. `collect` is idempotent, so a
second run finds nothing to do.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from batch_action.clients.github.errors import RefusedError
from batch_action.errors import GitHubError
from batch_action.server import backoff
from batch_action.server.context import ServerContext
from batch_action.server.ledgers import RemoteLedger, RemoteLedgers
from batch_action.server.log import problem
from batch_action.server.store import BatchRecord, BatchStatus

BATCH_INPUT = "batch-id"
EVENT_TYPE = "batch-ended"
LEDGER_MAX_AGE = timedelta(seconds=20)
"""A ledger that was read earlier is read again before a dispatch."""
SEARCH_EVERY = timedelta(minutes=1)
"""Between two reads of all ledgers for batches that none of them names."""
UNKNOWN_AFTER = timedelta(minutes=30)
"""A run saves what it has sent within minutes; later no ledger will name the batch."""
MAX_REFUSALS = 8
"""Some ten minutes, in which a person may repair a token or a workflow."""
GIVE_UP_AFTER = timedelta(hours=24)
"""By then the next scheduled run has collected it."""
AFTER_A_BUG = timedelta(minutes=5)
KEEP = timedelta(days=40)
"""Results can be collected for 29 days; nobody asks about a batch that is older than this."""


class Dispatcher:
    """Talks to GitHub; one thread calls `round` again and again."""

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self.ledgers = RemoteLedgers(ctx)
        self._pruned_at: datetime | None = None

    def round(self) -> float:
        """Read ledgers and dispatch what is due; return the seconds until the next round."""
        ctx = self._ctx
        self._prune()
        next_read = self.ledgers.refresh()
        for batch in ctx.store.due(ctx.clock()):
            try:
                self._dispatch(batch)
            except Exception as error:  # noqa: BLE001 - one batch must not hold up the others
                ctx.log.bug("dispatch", error)
                ctx.store.postpone(batch, ctx.clock() + AFTER_A_BUG, ctx.clock(), repr(error))
        ctx.dispatching.last_success_at, ctx.dispatching.problem = ctx.clock(), ""
        due = ctx.store.next_due()
        return (min(next_read, due or next_read) - ctx.clock()).total_seconds()

    def _dispatch(self, batch: BatchRecord) -> None:
        """Start the workflow that collects a batch, unless it was collected already."""
        ctx = self._ctx
        if not batch.ledger:
            self._find_ledger(batch)
            return
        ledger = self.ledgers.get(batch.ledger)
        if ledger is None:
            self._fail(batch, "Its ledger is not in the file any more.")
            return
        try:
            self.ledgers.read(ledger, max_age=LEDGER_MAX_AGE)
            current = ctx.store.batch(batch.id)
            if current is None or current.status is not BatchStatus.ENDED:
                self._log(batch, message="collected before: not dispatched")
                return
            self._start(batch, ledger)
        except GitHubError as error:
            self._retry(batch, error)

    def _start(self, batch: BatchRecord, ledger: RemoteLedger) -> None:
        """Start the workflow. Raises GitHubError."""
        repository, config = ledger.repository, ledger.repository.config
        payload = {BATCH_INPUT: batch.id}
        run = None
        if config.event == "workflow_dispatch":
            ref = config.ref or ledger.default_branch
            run = repository.dispatcher.start_workflow(config.workflow, ref, payload)
        else:
            repository.dispatcher.send_event(EVENT_TYPE, payload)
        run_id, url = (run.id, run.url) if run else ("", "")
        self._ctx.store.finish(batch, BatchStatus.STARTED, self._ctx.clock(), run=run_id, url=url)
        self._log(batch, message="started", run=run_id, url=url)

    def _find_ledger(self, batch: BatchRecord) -> None:
        """Look for the ledger that names an ended batch, now or again later."""
        ctx, now = self._ctx, self._ctx.clock()
        self.ledgers.refresh(SEARCH_EVERY)
        current = ctx.store.batch(batch.id)
        ended_at = batch.ended_at or now
        if current is not None and current.ledger:
            self._dispatch(current)
        elif self.ledgers.is_collected(batch.id):
            ctx.store.finish(batch, BatchStatus.COLLECTED, now)
            self._log(batch, message="collected before: not dispatched")
        elif now - ended_at > UNKNOWN_AFTER and self.ledgers.were_read_since(ended_at):
            self._fail(
                batch,
                "No ledger of the listed repositories names this batch. Is its repository, task "
                "and state key in the file? A ledger that names it later brings it back.",
            )
        else:
            pause = backoff.retry_seconds(batch.tries + 1, ctx.jitter())
            ctx.store.postpone(batch, now + timedelta(seconds=pause), now)

    def _retry(self, batch: BatchRecord, error: GitHubError) -> None:
        """Try again later, or give up where that has no hope."""
        ctx, now, tries = self._ctx, self._ctx.clock(), batch.tries + 1
        refused = isinstance(error, RefusedError) and error.wait is None
        overdue = batch.ended_at is not None and now - batch.ended_at > GIVE_UP_AFTER
        if overdue or (refused and tries >= MAX_REFUSALS):
            self._fail(replace(batch, tries=tries), str(error))
            return
        ctx.log.warning("dispatch", batch=batch.id, repository=batch.repository, **problem(error))
        wait = error.wait or 0.0 if isinstance(error, RefusedError) else 0.0
        pause = max(wait, backoff.retry_seconds(tries, ctx.jitter()))
        ctx.store.postpone(batch, now + timedelta(seconds=pause), now, str(error))

    def _fail(self, batch: BatchRecord, note: str) -> None:
        self._ctx.store.finish(batch, BatchStatus.FAILED, self._ctx.clock(), note=note)
        self._ctx.log.error(
            "dispatch", batch=batch.id, repository=batch.repository, problem=f"Given up. {note}"
        )

    def _log(self, batch: BatchRecord, **fields: str) -> None:
        self._ctx.log.info("dispatch", batch=batch.id, repository=batch.repository, **fields)

    def _prune(self) -> None:
        now = self._ctx.clock()
        if self._pruned_at is None or now - self._pruned_at > timedelta(days=1):
            self._ctx.store.prune(now - KEEP)
            self._pruned_at = now
