"""Which task owns the batch of `batch-id`."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

from batch_action.batches import recover
from batch_action.commands.each_task import LedgerSet
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.publishers.pull_request import collect as pull_request_collect


def owner_in_ledgers(contexts: Sequence[RunContext], ledgers: LedgerSet) -> RunContext:
    """Return the task whose ledger contains `batch-id`, else the first one, which reports it."""
    batch_id = contexts[0].settings.batch_id
    known = (
        ctx for ctx in contexts if batch_id in ledgers.sessions[ctx.title].view.known_batch_ids
    )
    in_pull_requests = (ctx for ctx in contexts if pull_request_collect.has_batch(ctx, batch_id))
    return next(chain(known, in_pull_requests), contexts[0])


def recover_owner(contexts: Sequence[RunContext], ledgers: LedgerSet) -> RunContext:
    """Return the owner of `batch-id`; one in no ledger is recovered into the first that fits."""
    for ctx in (owner_in_ledgers(contexts, ledgers), *contexts):
        with suppress(ConfigError):
            if pull_request_collect.has_batch(ctx, ctx.settings.batch_id):
                return ctx
            recover.recover_batch(ctx, ledgers.sessions[ctx.title])
            return ctx
    return contexts[0]
