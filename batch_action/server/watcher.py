"""The watcher: asks Anthropic about all pending batches and records which have ended."""

from collections.abc import Sequence
from datetime import timedelta

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.errors import AnthropicError
from batch_action.server import deliveries
from batch_action.server.context import ServerContext
from batch_action.server.log import problem
from batch_action.server.loop import MAX_POLL_SECONDS, poll_seconds
from batch_action.server.store import BatchRecord, BatchStatus, Delivery

IDLE_SECONDS = 60.0
"""Between two rounds without a pending batch; a new one starts a round at once."""
ONE_SECOND = timedelta(seconds=1)


class Watcher:
    """Polls Anthropic; one thread calls `round` again and again."""

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self._rounds = 0
        """Since a batch was added."""
        self._seen: frozenset[str] = frozenset()

    def round(self) -> float:
        """Ask once about everything that is pending; return the seconds until the next round."""
        ctx = self._ctx
        pending = ctx.store.batches(BatchStatus.PENDING)
        if not pending:
            self._seen, ctx.watching.problem = frozenset(), ""
            ctx.watching.last_success_at = ctx.clock()
            return IDLE_SECONDS
        ids = frozenset(batch.id for batch in pending)
        self._rounds = self._rounds + 1 if ids <= self._seen else 0
        self._seen = ids
        problems, wait = [], 0.0
        for api, group in self._workspaces(pending):
            try:
                self._poll(api, group)
            except AnthropicError as error:
                problems.append(str(error))
                wait = max(wait, getattr(error, "retry_after", MAX_POLL_SECONDS))
                if str(error) not in ctx.watching.problem:
                    ctx.log.warning("watch", **problem(error))
        if not problems:
            ctx.watching.last_success_at = ctx.clock()
        ctx.watching.problem = " ".join(problems)
        age = ctx.clock() - max(batch.created_at for batch in pending)
        return max(wait, poll_seconds(self._rounds, age, ctx.jitter()))

    def _workspaces(
        self, pending: Sequence[BatchRecord]
    ) -> list[tuple[AnthropicClient, list[BatchRecord]]]:
        """Group the pending batches by the workspace they are in: one call for each."""
        clients = {
            ledger.name: repository.anthropic
            for repository in self._ctx.repositories
            for ledger in repository.config.ledgers
        }
        groups: dict[int, tuple[AnthropicClient, list[BatchRecord]]] = {}
        for batch in pending:
            api = clients.get(batch.ledger)
            if api is not None:
                groups.setdefault(id(api), (api, []))[1].append(batch)
        return list(groups.values())

    def _poll(self, api: AnthropicClient, group: Sequence[BatchRecord]) -> None:
        """List the newest batches, back to the oldest pending one."""
        ctx, ids = self._ctx, {batch.id for batch in group}
        for state in api.created_since(min(b.created_at for b in group) - ONE_SECOND):
            if state.id in ids and state.status == "ended":
                delivery = Delivery(
                    id=f"watcher:{state.id}",
                    source="watcher",
                    type="message_batch.ended",
                    batch=state.id,
                    received_at=ctx.clock(),
                )
                deliveries.accept(ctx, delivery)
