"""`serve`: wakes repositories when their batches are done. Webhooks in, workflow runs out."""

from functools import partial

from batch_action.errors import ConfigError, Interrupted
from batch_action.server import deliveries, status_page
from batch_action.server.app import Handlers, Server, app
from batch_action.server.context import Station
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.loop import Loop
from batch_action.server.watcher import Watcher


def serve(station: Station, *, host: str, port: int) -> int:
    """Answer, watch and dispatch until SIGINT or SIGTERM; returns 0 when all has stopped well.

    Whatever happens to the process in between, the store knows how to go on.
    """
    if not (station.keys or station.watch):
        raise ConfigError(
            "Nothing would ever wake this service: no webhook secret is set, and `--watch` is not.",
            fix="Use `--watch`; Anthropic sends no webhooks for batches today.",
        )
    dispatcher, watcher = Dispatcher(station), Watcher(station)
    handlers = Handlers(
        receive=partial(deliveries.receive, station) if station.keys else None,
        page=lambda: status_page.render(station, dispatcher.shelves),
        health=lambda: status_page.health(station),
    )
    server = Server(app(handlers), host, port)
    loops = [Loop(station, station.dispatching, dispatcher.round, station.arrived)]
    if station.watch:
        loops.append(Loop(station, station.watching, watcher.round, station.learnt))
    try:
        for loop in loops:
            loop.start()
        _tell(station, server.address)
        server.run()
    except (Interrupted, KeyboardInterrupt):
        station.journal.info("stop", said="Stopping: what is in flight may end.")
    finally:
        server.close()
        for loop in loops:
            loop.end()
        for loop in loops:
            loop.stop()
    station.journal.info("stop", said="Stopped.")
    return 0


def _tell(station: Station, address: str) -> None:
    if not station.keys:
        station.journal.warning(
            "start",
            problem="No webhook secret is set, so /webhooks/anthropic is closed.",
            fix="Name its variable as `webhook-secret-env` in the file; the watcher needs none.",
        )
    names = ", ".join(sorted({post.place.repository for post in station.posts}))
    station.journal.info("start", address=address, repositories=names, watch=station.watch)
