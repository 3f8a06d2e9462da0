"""What the status page shows, as values: gathered by a step, drawn by `page`."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from batch_action import __version__
from batch_action.models.dispatch import (
    Delivery,
    DeliverySource,
    Dispatch,
    DispatchStatus,
    PendingBatchRecord,
)
from batch_action.server.context import ServerContext
from batch_action.server.ledgers import RemoteLedgers


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One ledger: read when, and what was wrong."""

    name: str
    looked_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One pending batch and how far it is."""

    awaited: PendingBatchRecord
    ended: bool
    dispatch: Dispatch | None

    @property
    def state(self) -> str:
        """In a word: what it waits for."""
        if self.dispatch is not None:
            return self.dispatch.status.value
        return "ended" if self.ended else "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything on the page."""

    now: datetime
    version: str
    door_open: bool
    """Whether webhooks are accepted."""
    watched: bool
    """Whether there is a watcher."""
    watched_at: datetime | None
    stuck: tuple[str, ...]
    """Loops that need a restart."""
    troubles: tuple[str, ...]
    """What does not work at the moment and is tried again."""
    ledgers: tuple[Line, ...]
    batches: tuple[Batch, ...]
    dispatches: tuple[Dispatch, ...]
    deliveries: tuple[Delivery, ...]
    lost: tuple[str, ...]
    """Ended batches that no ledger names."""

    @property
    def failed(self) -> tuple[Dispatch, ...]:
        """What was given up."""
        return tuple(one for one in self.dispatches if one.status is DispatchStatus.FAILED)

    @property
    def mood(self) -> str:
        """`bad`, `trouble`, `new` or `well`."""
        if self.stuck or self.failed:
            return "bad"
        if self.troubles:
            return "trouble"
        return "well" if all(line.looked_at for line in self.ledgers) else "new"


MINUTE, HOUR, DAY = 60, 3600, 86_400
MOODS = {
    "well": "All is well",
    "new": "Just started",
    "trouble": "Something is tried again",
    "bad": "Needs a person",
}
FATES = {
    DispatchStatus.DUE: "waiting to be sent",
    DispatchStatus.SENDING: "looking for its run",
    DispatchStatus.STARTED: "run started",
    DispatchStatus.COLLECTED: "collected before",
    DispatchStatus.FAILED: "failed for good",
}
STATES = {"running": "running", "ended": "ended"} | {
    fate.value: FATES[fate] for fate in DispatchStatus
}
SOURCES = {
    DeliverySource.WEBHOOK: "webhook",
    DeliverySource.HEX: "webhook (hex signature)",
    DeliverySource.WATCHER: "watcher",
}


def render_page(board: Board) -> str:
    """The page of this board."""
    css = resources.files("batch_action.server").joinpath("status_page.css").read_text("utf-8")
    return _template().render(
        board=board,
        css=css,
        moods=MOODS,
        fates=FATES,
        states=STATES,
        sources=SOURCES,
        ago=lambda moment: f"{span((board.now - moment).total_seconds())} ago",
        ahead=lambda moment: _ahead((moment - board.now).total_seconds()),
        old=lambda moment: span((board.now - moment).total_seconds()),
        share=lambda one: _share(board.now, one.created_at, one.expires_at),
    )


def span(seconds: float) -> str:
    """A length of time as people say it: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    left = max(0, int(seconds))
    if left < MINUTE:
        return f"{left} s"
    if left < HOUR:
        return f"{left // MINUTE} min"
    if left < DAY:
        minutes = left % HOUR // MINUTE
        return f"{left // HOUR} h" + (f" {minutes} min" if minutes else "")
    hours = left % DAY // HOUR
    return f"{left // DAY} d" + (f" {hours} h" if hours else "")


def _ahead(seconds: float) -> str:
    return f"expires in {span(seconds)}" if seconds > 0 else f"expired {span(-seconds)} ago"


def _share(now: datetime, start: datetime, end: datetime) -> int:
    """How much of a batch's time is over, in percent."""
    whole = (end - start).total_seconds()
    return (
        round(100 * min(1.0, max(0.0, (now - start).total_seconds() / whole))) if whole > 0 else 100
    )


def _link(url: str) -> str:
    """An address that is only an address."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("batch_action", "server"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["link"] = _link
    return environment.get_template("status_page.html.j2")


MOST_SHOWN = 30
MOST_KNOWN = 1000


def board(ctx: ServerContext, ledgers: RemoteLedgers) -> Board:
    """Everything the page shows."""
    store = ctx.store
    ended = store.deliveries.heard_of()
    known = store.dispatches.newest(MOST_KNOWN)
    shown = [
        one for n, one in enumerate(known) if n < MOST_SHOWN or one.status is DispatchStatus.FAILED
    ]
    by_batch = {(one.batch, one.repository.lower()): one for one in known}
    lines = tuple(
        Line(name=s.name, looked_at=s.looked_at, problem=s.problem) for s in ledgers.all()
    )
    return Board(
        now=ctx.clock(),
        version=__version__,
        door_open=bool(ctx.keys),
        watched=ctx.watch,
        watched_at=ctx.watching.looked_at,
        stuck=_stuck(ctx),
        troubles=tuple(_troubles(ctx, lines)),
        ledgers=lines,
        batches=tuple(
            Batch(
                awaited=one,
                ended=one.batch in ended,
                dispatch=by_batch.get((one.batch, one.repository.lower())),
            )
            for one in store.waiting.all()
        ),
        dispatches=tuple(shown),
        deliveries=tuple(store.deliveries.newest(MOST_SHOWN)),
        lost=tuple(sorted(store.deliveries.lost()))[:MOST_SHOWN],
    )


def render(ctx: ServerContext, ledgers: RemoteLedgers) -> str:
    """The status page."""
    return render_page(board(ctx, ledgers))


def health(ctx: ServerContext) -> tuple[bool, Mapping[str, Any]]:
    """Whether the service does its work, and the facts; a trouble outside is no illness of ours."""
    stuck = _stuck(ctx)
    told: dict[str, Any] = {"store": "ok", "stuck": list(stuck), "problems": []}
    try:
        ctx.store.beat(ctx.clock())
        told["pending"] = len(ctx.store.waiting.all())
        told["failed"] = len(ctx.store.dispatches.of(DispatchStatus.FAILED))
    except sqlite3.Error as error:
        told["store"] = str(error)
    pulses = (ctx.dispatching, *([ctx.watching] if ctx.watch else []))
    told["problems"] = [pulse.problem for pulse in pulses if pulse.problem]
    told["looked_at"] = {
        pulse.name: pulse.looked_at.isoformat(timespec="seconds") if pulse.looked_at else None
        for pulse in pulses
    }
    well = told["store"] == "ok" and not stuck
    return well, {"status": "ok" if well else "failing", **told}


def _stuck(ctx: ServerContext) -> tuple[str, ...]:
    pulses = (ctx.dispatching, ctx.watching)
    return tuple(pulse.name for pulse in pulses if pulse.stuck(ctx.ticks()))


def _troubles(ctx: ServerContext, lines: tuple[Line, ...]) -> list[str]:
    ledgers = [f"{line.name}: {line.problem}" for line in lines if line.problem]
    loops = [p.problem for p in (ctx.watching, ctx.dispatching) if p.problem]
    return [*ledgers, *loops]
