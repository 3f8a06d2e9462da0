"""Receive webhook deliveries: verify, parse, store; the workflow is started later."""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_action.server import signatures
from batch_action.server.context import ServerContext
from batch_action.server.store import Delivery

MAX_TYPE_CHARS = 100
_ENDED = re.compile(
    r"(?:message_?batch(?:es)?|messages?\.batch(?:es)?|batch)"
    r"\.(?:ended|completed|succeeded|failed|expired|cancell?ed)"
)
"""`batch.completed`, `message_batch.ended` and alike: however it ended, it can be collected."""
_BATCH = re.compile(r"[A-Za-z0-9_-]{1,128}")


class MalformedError(Exception):
    """The body is signed, but is not an event."""


@dataclass(frozen=True, slots=True)
class DeliveryResponse:
    """The HTTP response to a delivery."""

    status: int
    body: dict[str, str]


def parse_event(body: bytes) -> tuple[str, str | None]:
    """Return the event's type and the batch that has ended, if it is about that.

    Raises MalformedError.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("The body is not JSON.") from None
    if not isinstance(event, dict):
        raise MalformedError("The body is not a JSON object.")
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    # Anthropic's own webhooks are all of type `event`; what happened is the type of their data.
    kind = data.get("type") if event.get("type") == "event" else event.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARS or not kind.isprintable():
        raise MalformedError("The event has no type.")
    return kind, _batch(data) if _ENDED.fullmatch(kind) else None


def _batch(data: dict[str, Any]) -> str:
    batch = data.get("batch_id", data.get("id"))
    if not isinstance(batch, str) or not _BATCH.fullmatch(batch):
        raise MalformedError("The event names no batch: `data.batch_id` or `data.id` is needed.")
    return batch


def receive(ctx: ServerContext, headers: Mapping[str, str], body: bytes) -> DeliveryResponse:
    """Verify a delivery, parse it, store it; it takes effect after the response.

    An unverified body is not even parsed, and nothing is acknowledged that a crash would lose.
    """
    try:
        source, name = signatures.verify(headers, body, ctx.keys)
    except signatures.UnsignedError as error:
        ctx.log.warning("delivery", problem=f"Refused: {error}.", bytes=len(body))
        return DeliveryResponse(401, {"error": "The signature could not be verified."})
    try:
        kind, batch = parse_event(body)
    except MalformedError as error:
        ctx.log.warning("delivery", id=name, source=source, problem=str(error))
        return DeliveryResponse(400, {"error": str(error)})
    delivery = Delivery(id=name, source=source, type=kind, batch=batch, received_at=ctx.clock())
    try:
        new = accept(ctx, delivery)
    except sqlite3.Error as error:
        problem = f"It could not be stored: {error}."
        ctx.log.error("delivery", id=name, problem=problem)  # noqa: TRY400 - our log, no trace
        return DeliveryResponse(503, {"error": "It could not be stored; send it again later."})
    if not new:
        return DeliveryResponse(200, {"status": "known", "id": name})
    if batch is None:
        return DeliveryResponse(200, {"status": "ignored", "type": kind})
    return DeliveryResponse(202, {"status": "accepted", "batch": batch})


def accept(ctx: ServerContext, delivery: Delivery) -> bool:
    """Store a delivery, then start the dispatcher; False for a known one. Raises sqlite3.Error."""
    new = ctx.store.accept(delivery)
    ctx.log.info(
        "delivery",
        id=delivery.id,
        source=delivery.source,
        type=delivery.type,
        batch=delivery.batch,
        message="" if new else "known already: no effect",
    )
    if new and delivery.batch is not None:
        ctx.dispatching.wake.set()
    return new
