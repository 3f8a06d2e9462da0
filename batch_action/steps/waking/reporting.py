"""How the service is: gathered for the page that people see and for `/healthz`."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from batch_action import __version__
from batch_action.models.waking import Fate
from batch_action.steps.waking.shelves import Shelves
from batch_action.steps.waking.station import Station
from batch_action.waking import page
from batch_action.waking.board import Batch, Board, Line

MOST_SHOWN = 30
MOST_KNOWN = 1000


def board(station: Station, shelves: Shelves) -> Board:
    """Everything the page shows."""
    store = station.store
    ended = store.arrivals.heard_of()
    known = store.errands.newest(MOST_KNOWN)
    shown = [one for n, one in enumerate(known) if n < MOST_SHOWN or one.fate is Fate.FAILED]
    by_batch = {(one.batch, one.repository.lower()): one for one in known}
    lines = tuple(
        Line(name=s.name, looked_at=s.looked_at, problem=s.problem) for s in shelves.all()
    )
    return Board(
        now=station.clock(),
        version=__version__,
        door_open=bool(station.keys),
        watched=station.watch,
        watched_at=station.watching.looked_at,
        stuck=_stuck(station),
        troubles=tuple(_troubles(station, lines)),
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
        deliveries=tuple(store.arrivals.newest(MOST_SHOWN)),
        lost=tuple(sorted(store.arrivals.lost()))[:MOST_SHOWN],
    )


def render(station: Station, shelves: Shelves) -> str:
    """The status page."""
    return page.render(board(station, shelves))


def health(station: Station) -> tuple[bool, Mapping[str, Any]]:
    """Whether the service does its work, and the facts; a trouble outside is no illness of ours."""
    stuck = _stuck(station)
    told: dict[str, Any] = {"store": "ok", "stuck": list(stuck), "problems": []}
    try:
        station.store.beat(station.clock())
        told["pending"] = len(station.store.waiting.all())
        told["failed"] = len(station.store.errands.of(Fate.FAILED))
    except sqlite3.Error as error:
        told["store"] = str(error)
    pulses = (station.dispatching, *([station.watching] if station.watch else []))
    told["problems"] = [pulse.problem for pulse in pulses if pulse.problem]
    told["looked_at"] = {
        pulse.name: pulse.looked_at.isoformat(timespec="seconds") if pulse.looked_at else None
        for pulse in pulses
    }
    well = told["store"] == "ok" and not stuck
    return well, {"status": "ok" if well else "failing", **told}


def _stuck(station: Station) -> tuple[str, ...]:
    pulses = (station.dispatching, station.watching)
    return tuple(pulse.name for pulse in pulses if pulse.stuck(station.ticks()))


def _troubles(station: Station, lines: tuple[Line, ...]) -> list[str]:
    ledgers = [f"{line.name}: {line.problem}" for line in lines if line.problem]
    loops = [p.problem for p in (station.watching, station.dispatching) if p.problem]
    return [*ledgers, *loops]
