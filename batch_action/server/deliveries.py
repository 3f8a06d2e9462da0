"""What a proven delivery says: that a batch has ended, or something else."""

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from batch_action.models.dispatch import (
    BatchNotification,
    DeliveryResponse,
    DeliverySource,
    WebhookEvent,
)
from batch_action.server import signatures
from batch_action.server.context import ServerContext

LONGEST_KIND = 100
_ENDED = re.compile(
    r"(?:message_?batch(?:es)?|messages?\.batch(?:es)?|batch)"
    r"\.(?:ended|completed|succeeded|failed|expired|cancell?ed)"
)
"""`batch.completed`, `message_batch.ended` and alike: however it ended, it can be collected."""
_BATCH = re.compile(r"[A-Za-z0-9_-]{1,128}")


class MalformedError(Exception):
    """The body is signed, and yet nothing we can read."""


def event_of(body: bytes) -> WebhookEvent:
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
        return WebhookEvent(kind=kind, batch=None)
    return WebhookEvent(kind=kind, batch=_batch(data))


def _batch(data: dict[str, Any]) -> str:
    named = data.get("batch_id", data.get("id"))
    if not isinstance(named, str) or not _BATCH.fullmatch(named):
        raise MalformedError("The event names no batch: `data.batch_id` or `data.id` is needed.")
    return named


def receive(ctx: ServerContext, headers: Mapping[str, str], body: bytes) -> DeliveryResponse:
    """Prove a delivery, read it, remember it; its effect comes after the answer.

    The order is the point: an unproven body is not even parsed, and nothing is acknowledged that
    would be forgotten by a crash.
    """
    try:
        source, name = signatures.verified(headers, body, ctx.clock(), ctx.keys)
    except signatures.UnsignedError as why:
        ctx.log.warning("delivery", problem=f"Refused: {why}.", bytes=len(body))
        return DeliveryResponse(status=401, told={"error": "The signature could not be verified."})
    try:
        event = event_of(body)
    except MalformedError as why:
        ctx.log.warning("delivery", id=name, source=source, problem=str(why))
        return DeliveryResponse(status=400, told={"error": str(why)})
    try:
        fresh = accept(ctx, BatchNotification(id=name, source=source, event=event))
    except sqlite3.Error as error:
        ctx.log.error("delivery", id=name, problem=f"It could not be stored: {error}.")
        return DeliveryResponse(
            status=503, told={"error": "It could not be stored; send it again later."}
        )
    if not fresh:
        return DeliveryResponse(status=200, told={"status": "known", "id": name})
    if event.batch is None:
        return DeliveryResponse(status=200, told={"status": "ignored", "type": event.kind})
    return DeliveryResponse(status=202, told={"status": "accepted", "batch": event.batch})


def ended(ctx: ServerContext, batch: str) -> bool:
    """What the watcher has seen, told as a webhook would tell it; False when it is known."""
    event = WebhookEvent(kind="message_batch.ended", batch=batch)
    return accept(
        ctx, BatchNotification(id=f"watcher:{batch}", source=DeliverySource.WATCHER, event=event)
    )


def accept(ctx: ServerContext, notice: BatchNotification) -> bool:
    """Remember it for good, then wake who acts on it. Raises sqlite3.Error."""
    fresh = ctx.store.deliveries.accept(notice, ctx.clock())
    ctx.log.info(
        "delivery",
        id=notice.id,
        source=notice.source,
        type=notice.event.kind,
        batch=notice.event.batch,
        said="" if fresh else "known already: no effect",
    )
    if fresh and notice.event.batch is not None:
        ctx.arrived.set()
    return fresh
