"""What a proven delivery says: that a batch has ended, or something else."""

import json
import re
from typing import Any

from batch_action.models.waking import Event

LONGEST_KIND = 100
_ENDED = re.compile(
    r"(?:message_?batch(?:es)?|messages?\.batch(?:es)?|batch)"
    r"\.(?:ended|completed|succeeded|failed|expired|cancell?ed)"
)
"""`batch.completed`, `message_batch.ended` and alike: however it ended, it can be collected."""
_BATCH = re.compile(r"[A-Za-z0-9_-]{1,128}")


class MalformedError(Exception):
    """The body is signed, and yet nothing we can read."""


def event_of(body: bytes) -> Event:
    """The event in a body; raises MalformedError."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("The body is no JSON.") from None
    if not isinstance(told, dict):
        raise MalformedError("The body is no JSON object.")
    data = told.get("data")
    data = data if isinstance(data, dict) else {}
    # Anthropic's own webhooks are all of type `event`; what happened is the type of their data.
    kind = data.get("type") if told.get("type") == "event" else told.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= LONGEST_KIND or not kind.isprintable():
        raise MalformedError("The event has no type.")
    if not _ENDED.fullmatch(kind):
        return Event(kind=kind, batch=None)
    return Event(kind=kind, batch=_batch(data))


def _batch(data: dict[str, Any]) -> str:
    named = data.get("batch_id", data.get("id"))
    if not isinstance(named, str) or not _BATCH.fullmatch(named):
        raise MalformedError("The event names no batch: `data.batch_id` or `data.id` is needed.")
    return named
