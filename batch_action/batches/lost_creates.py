"""Resolve open intents: find the batches of creates whose response was lost.

A batch is adopted only after its custom ids have confirmed that it is ours.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_action.batches.submit import sent_fact
from batch_action.errors import AnthropicError
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import OpenIntent, create_window
from batch_action.models.ledger import Rejected
from batch_action.models.requests import CREATE_TIMEOUT, SYNCHRONOUS_WINDOW

if TYPE_CHECKING:  # the SDK takes long to import
    from batch_action.clients.anthropic.client import AnthropicClient


def resolve_open_intents(
    api: "AnthropicClient", session: LedgerSession, warn: Callable[[str], None]
) -> None:
    """Confirm, reject or leave open each intent whose creates were not all answered.

    A candidate has the same number of requests, was created in the intent's window by Anthropic's
    clock, and is unknown to the ledger. Only its results, once it has ended, prove whose it is: one
    of our custom ids that it is ours, a line about each request without any that it is not. When
    the window has passed and no candidate is left, the intent is closed
    and its requests are back in the backlog.
    """
    for intent in session.view.open_intents:
        if intent.intended.mode == "interactive":
            _resolve_interactive(api, session, intent, warn)
        else:
            _resolve(api, session, intent, warn)


def _resolve_interactive(
    api: "AnthropicClient", session: LedgerSession, intent: OpenIntent, warn: Callable[[str], None]
) -> None:
    """Close an intent of the Messages API: its requests leave nothing that could be found."""
    intended = intent.intended
    now = api.model(intended.model)[1]
    if now > intended.at + SYNCHRONOUS_WINDOW:
        count = sum(len(batch) for batch in intended.batches)
        session.add(Rejected(intent=intended.intent, batch=None))
        warn(
            f"A run was interrupted while it sent {count} requests at full price: their files are "
            "back in the backlog, and what it had sent may be paid for twice."
        )


def _resolve(
    api: "AnthropicClient", session: LedgerSession, intent: OpenIntent, warn: Callable[[str], None]
) -> None:
    intended = intent.intended
    start, end = create_window(intended, CREATE_TIMEOUT)
    missing = set(intent.indexes)
    waiting = False
    for candidate in reversed(api.created_between(start, end)):
        if candidate.id in session.view.known_batch_ids | intent.rejected:
            continue
        indexes = [i for i in sorted(missing) if len(intended.batches[i]) == candidate.total]
        if not indexes:
            continue
        if candidate.status != "ended":
            waiting = True
            continue
        try:
            ids = set(api.result_ids(candidate))
            problem = f"{len(ids)} of its {candidate.total} results came."
        except AnthropicError as error:
            ids, problem = set(), str(error)
        index = next(
            (i for i in indexes if any(key.id in ids for key in intended.batches[i])), None
        )
        if index is not None:
            missing.discard(index)
            session.add(sent_fact(intended, index, candidate))
            warn(f"Batch {candidate.id} was created, but the response was lost: found again.")
        elif len(ids) < candidate.total:
            waiting = True
            warn(f"Whether batch {candidate.id} is ours is decided later: {problem}")
        else:
            session.add(Rejected(intent=intended.intent, batch=candidate.id))
    # By Anthropic's clock, as the window is: the runner's may be hours ahead.
    if missing and not waiting and api.model(intended.model)[1] > end:
        session.add(Rejected(intent=intended.intent, batch=None))
        warn("A create whose response was lost made no batch: its files are back in the backlog.")
