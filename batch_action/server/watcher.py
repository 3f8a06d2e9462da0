"""The watcher: asks Anthropic about all pending batches at once, and tells the door what ended."""

from collections.abc import Sequence
from datetime import timedelta

from batch_action.clients.anthropic.client import AnthropicApi
from batch_action.errors import AnthropicError, TransientError
from batch_action.models.dispatch import PendingBatchRecord
from batch_action.server import backoff, deliveries
from batch_action.server.context import ServerContext
from batch_action.server.log import problem

IDLE = 60.0
"""Seconds between two looks at nothing; the bell rings earlier."""
ONE_SECOND = timedelta(seconds=1)


class Watcher:
    """Who talks to Anthropic; one thread calls `round` again and again."""

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self._rounds = 0
        self._seen: frozenset[str] = frozenset()

    def round(self) -> float:
        """Ask once about everything that is pending. Seconds until it is time to ask again."""
        ctx = self._ctx
        pending = self._pending()
        if not pending:
            self._seen, ctx.watching.problem = frozenset(), ""
            ctx.watching.looked_at = ctx.clock()
            return IDLE
        batches = frozenset(one.batch for one in pending)
        self._rounds = self._rounds + 1 if batches <= self._seen else 0
        self._seen = batches
        problems, wait = [], 0.0
        for api, group in self._workspaces(pending):
            try:
                self._ask(api, group)
            except AnthropicError as error:
                problems.append(str(error))
                wait = max(
                    wait, error.wait if isinstance(error, TransientError) else backoff.LONGEST
                )
                self._told(error)
        if not problems:
            ctx.watching.looked_at = ctx.clock()
        ctx.watching.problem = " ".join(problems)
        age = ctx.clock() - max(one.created_at for one in pending)
        return max(wait, backoff.pause(self._rounds, age, ctx.chance()))

    def _pending(self) -> list[PendingBatchRecord]:
        requested = self._ctx.store.deliveries.heard_of()
        return [one for one in self._ctx.store.waiting.all() if one.batch not in requested]

    def _workspaces(
        self, pending: Sequence[PendingBatchRecord]
    ) -> list[tuple[AnthropicApi, list[PendingBatchRecord]]]:
        """The pending batches by the workspace they are in: one question for each."""
        by_shelf = {
            post.place.ledger_name(book): post.anthropic
            for post in self._ctx.posts
            for book in post.place.ledgers
        }
        groups: dict[int, tuple[AnthropicApi, list[PendingBatchRecord]]] = {}
        for one in pending:
            api = by_shelf.get(one.ledger_name)
            if api is not None:
                groups.setdefault(id(api), (api, []))[1].append(one)
        return list(groups.values())

    def _ask(self, api: AnthropicApi, group: Sequence[PendingBatchRecord]) -> None:
        """One list of the newest batches, back to the oldest that is waited for."""
        oldest = min(one.created_at for one in group)
        wanted = {one.batch for one in group}
        for state in api.created_since(oldest - ONE_SECOND):
            if state.id in wanted and state.status == "ended":
                deliveries.ended(self._ctx, state.id)

    def _told(self, error: AnthropicError) -> None:
        if str(error) not in self._ctx.watching.problem:
            self._ctx.log.warning("watch", **problem(error))
