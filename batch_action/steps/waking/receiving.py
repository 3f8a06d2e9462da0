"""The one door: whatever says that a batch has ended comes through here, and counts once."""

import sqlite3
from collections.abc import Mapping

from batch_action.models.waking import Event, Notice, Reply, Source
from batch_action.steps.waking.station import Station
from batch_action.waking import events, signatures


def receive(station: Station, headers: Mapping[str, str], body: bytes) -> Reply:
    """Prove a delivery, read it, remember it; its effect comes after the answer.

    The order is the point: an unproven body is not even parsed, and nothing is acknowledged that
    would be forgotten by a crash.
    """
    try:
        source, name = signatures.verified(headers, body, station.clock(), station.keys)
    except signatures.UnsignedError as why:
        station.journal.warning("delivery", problem=f"Refused: {why}.", bytes=len(body))
        return Reply(status=401, told={"error": "The signature could not be verified."})
    try:
        event = events.event_of(body)
    except events.MalformedError as why:
        station.journal.warning("delivery", id=name, source=source, problem=str(why))
        return Reply(status=400, told={"error": str(why)})
    try:
        fresh = accept(station, Notice(id=name, source=source, event=event))
    except sqlite3.Error as error:
        station.journal.error("delivery", id=name, problem=f"It could not be stored: {error}.")
        return Reply(status=503, told={"error": "It could not be stored; send it again later."})
    if not fresh:
        return Reply(status=200, told={"status": "known", "id": name})
    if event.batch is None:
        return Reply(status=200, told={"status": "ignored", "type": event.kind})
    return Reply(status=202, told={"status": "accepted", "batch": event.batch})


def ended(station: Station, batch: str) -> bool:
    """What the watcher has seen, told as a webhook would tell it; False when it is known."""
    event = Event(kind="message_batch.ended", batch=batch)
    return accept(station, Notice(id=f"watcher:{batch}", source=Source.WATCHER, event=event))


def accept(station: Station, notice: Notice) -> bool:
    """Remember it for good, then wake who acts on it. Raises sqlite3.Error."""
    fresh = station.store.arrivals.accept(notice, station.clock())
    station.journal.info(
        "delivery",
        id=notice.id,
        source=notice.source,
        type=notice.event.kind,
        batch=notice.event.batch,
        said="" if fresh else "known already: no effect",
    )
    if fresh and notice.event.batch is not None:
        station.arrived.set()
    return fresh
