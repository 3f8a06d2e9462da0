"""The dispatcher: starts the collecting workflow of each ended batch's repository.

At least once: the run is started first and recorded afterwards. Where its response is lost, it is
started again, unless the ledger says by then that the batch was collected. `collect` is idempotent,
so a second run finds nothing to do.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from batch_action.clients.github.errors import RefusedError
from batch_action.errors import GitHubError
from batch_action.server.context import ServerContext
from batch_action.server.ledgers import RemoteLedgers
from batch_action.server.log import problem
from batch_action.server.loop import retry_seconds
from batch_action.server.store import BatchRecord, BatchStatus

BATCH_INPUT = "batch-id"
EVENT_TYPE = "batch-ended"
LEDGER_MAX_AGE = timedelta(seconds=20)
"""Older ones are read again before a dispatch."""
SEARCH_EVERY = timedelta(minutes=1)
"""Between two reads of all ledgers for batches that none of them names."""
UNKNOWN_AFTER = timedelta(minutes=30)
"""A run saves what it has sent within minutes; later no ledger will name the batch."""
MAX_REFUSALS = 8
"""Some ten minutes, in which a person may repair a token or a workflow."""
GIVE_UP_AFTER = timedelta(hours=24)
"""By then the next scheduled run has collected it."""
RETRY_AFTER_BUG = timedelta(minutes=5)
RETENTION = timedelta(days=40)
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
                self._dispatch(batch.id)
            except Exception as error:  # noqa: BLE001 - one batch must not hold up the others
                ctx.log.bug("dispatch", error)
                due = ctx.clock() + RETRY_AFTER_BUG
                self._update(batch, due_at=due, tries=batch.tries + 1, note=f"A bug: {error!r}")
        ctx.dispatching.last_success_at, ctx.dispatching.problem = ctx.clock(), ""
        due = ctx.store.next_due() or next_read
        return (min(next_read, due) - ctx.clock()).total_seconds()

    def _dispatch(self, batch_id: str) -> None:
        """Start the workflow that collects an ended batch, unless it was collected already."""
        batch = self._ctx.store.batch(batch_id)
        if batch is None or batch.status is not BatchStatus.ENDED:
            return
        try:
            if batch.ledger:
                self.ledgers.read(self.ledgers.by_name[batch.ledger], LEDGER_MAX_AGE)
            else:
                self.ledgers.refresh(SEARCH_EVERY)
            batch = self._ctx.store.batch(batch_id) or batch
            if not batch.ledger and self.ledgers.is_collected(batch_id):
                self._update(batch, status=BatchStatus.COLLECTED, due_at=None)
                batch = replace(batch, status=BatchStatus.COLLECTED)
            if batch.status is not BatchStatus.ENDED:
                self._log(batch, message="collected before: not dispatched")
            elif batch.ledger:
                self._start(batch)
            else:
                self._search_later(batch)
        except GitHubError as error:
            self._retry(batch, error)

    def _start(self, batch: BatchRecord) -> None:
        """Start the workflow. Raises GitHubError."""
        ledger, payload = self.ledgers.by_name[batch.ledger], {BATCH_INPUT: batch.id}
        config, actions = ledger.repository.config, ledger.repository.actions
        run = None
        if config.event == "workflow_dispatch":
            ref = config.ref or ledger.default_branch
            run = actions.start_workflow(config.workflow, ref, payload)
        else:
            actions.send_event(EVENT_TYPE, payload)
        reported = {"run": run.id, "url": run.url} if run else {}
        self._update(batch, status=BatchStatus.STARTED, due_at=None, note="", **reported)
        self._log(batch, message="started", **reported)

    def _search_later(self, batch: BatchRecord) -> None:
        """Look again later for the ledger that names a batch, or give up."""
        ended_at = batch.ended_at or batch.changed_at
        is_overdue = self._ctx.clock() - ended_at > UNKNOWN_AFTER
        if not (is_overdue and self.ledgers.were_read_since(ended_at)):
            self._postpone(batch)
            return
        note = "No ledger of the listed repositories names this batch."
        fix = (
            "Is its repository, task and state key in the file? A ledger that names it later "
            "brings it back."
        )
        self._update(batch, status=BatchStatus.FAILED, due_at=None, note=f"{note} {fix}")
        self._ctx.log.warning("dispatch", batch=batch.id, problem=note, fix=fix)

    def _retry(self, batch: BatchRecord, error: GitHubError) -> None:
        """Try again later, or give up where that has no hope."""
        ctx = self._ctx
        wait = error.wait if isinstance(error, RefusedError) else 0.0
        is_overdue = ctx.clock() - (batch.ended_at or batch.changed_at) > GIVE_UP_AFTER
        about = {"batch": batch.id, "repository": batch.repository}
        if is_overdue or (wait is None and batch.tries + 1 >= MAX_REFUSALS):
            tries, note = batch.tries + 1, str(error)
            self._update(batch, status=BatchStatus.FAILED, due_at=None, tries=tries, note=note)
            ctx.log.error("dispatch", **about, problem=f"Given up. {error.problem}", fix=error.fix)
        else:
            self._postpone(batch, note=str(error), wait=wait or 0.0)
            ctx.log.warning("dispatch", **about, **problem(error))

    def _postpone(self, batch: BatchRecord, *, note: str = "", wait: float = 0.0) -> None:
        tries = batch.tries + 1
        pause = timedelta(seconds=max(wait, retry_seconds(tries, self._ctx.jitter())))
        self._update(batch, due_at=self._ctx.clock() + pause, tries=tries, note=note)

    def _update(self, batch: BatchRecord, **changes: Any) -> None:
        self._ctx.store.update(batch.id, self._ctx.clock(), **changes)

    def _log(self, batch: BatchRecord, **fields: str) -> None:
        self._ctx.log.info("dispatch", batch=batch.id, repository=batch.repository, **fields)

    def _prune(self) -> None:
        now = self._ctx.clock()
        if self._pruned_at is None or now - self._pruned_at > timedelta(days=1):
            self._ctx.store.prune(now - RETENTION)
            self._pruned_at = now
