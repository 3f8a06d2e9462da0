"""`serve`: wakes repositories when their batches are done. Webhooks in, workflow runs out."""

from functools import partial

from batch_action.errors import ConfigError, Interrupted
from batch_action.server import deliveries, status_page
from batch_action.server.app import Handlers, Server, app
from batch_action.server.context import ServerContext
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.loop import Loop
from batch_action.server.watcher import Watcher


def serve(ctx: ServerContext, *, host: str, port: int) -> int:
    """Answer, watch and dispatch until SIGINT or SIGTERM; returns 0 when all has stopped well.

    Whatever happens to the process in between, the store knows how to go on.
    """
    if not (ctx.keys or ctx.watch):
        raise ConfigError(
            "Nothing would ever wake this service: no webhook secret is set, and `--watch` is not.",
            fix="Use `--watch`; Anthropic sends no webhooks for batches today.",
        )
    dispatcher, watcher = Dispatcher(ctx), Watcher(ctx)
    handlers = Handlers(
        receive=partial(deliveries.receive, ctx) if ctx.keys else None,
        page=lambda: status_page.render(ctx, dispatcher.ledgers),
        health=lambda: status_page.health(ctx),
    )
    server = Server(app(handlers), host, port)
    loops = [Loop(ctx, ctx.dispatching, dispatcher.round, ctx.arrived)]
    if ctx.watch:
        loops.append(Loop(ctx, ctx.watching, watcher.round, ctx.learnt))
    try:
        for loop in loops:
            loop.start()
        _tell(ctx, server.address)
        server.run()
    except (Interrupted, KeyboardInterrupt):
        ctx.log.info("stop", said="Stopping: what is in flight may end.")
    finally:
        server.close()
        for loop in loops:
            loop.end()
        for loop in loops:
            loop.stop()
    ctx.log.info("stop", said="Stopped.")
    return 0


def _tell(ctx: ServerContext, address: str) -> None:
    if not ctx.keys:
        ctx.log.warning(
            "start",
            problem="No webhook secret is set, so /webhooks/anthropic is closed.",
            fix="Name its variable as `webhook-secret-env` in the file; the watcher needs none.",
        )
    names = ", ".join(sorted({post.place.repository for post in ctx.posts}))
    ctx.log.info("start", address=address, repositories=names, watch=ctx.watch)
