"""`serve`: start workflow runs in repositories when their batches have ended."""

from functools import partial

from batch_action.errors import ConfigError, Interrupted
from batch_action.server import deliveries, status_page
from batch_action.server.app import Handlers, Server, app
from batch_action.server.context import ServerContext
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.loop import Loop
from batch_action.server.watcher import Watcher


def serve(ctx: ServerContext, *, host: str, port: int) -> int:
    """Serve webhooks, watch batches and dispatch runs until SIGINT or SIGTERM. Returns 0.

    The store has all that is needed to continue after a crash. Raises ConfigError when neither
    webhooks nor the watcher are configured.
    """
    if not (ctx.keys or ctx.watch):
        raise ConfigError(
            "This service would never learn of a batch: no webhook secret and no `--watch` is set.",
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
        _log_start(ctx, server.address)
        server.run()
    except (Interrupted, KeyboardInterrupt):
        ctx.log.info("stop", said="Stopping after the calls in flight.")
    finally:
        server.close()
        for loop in loops:
            loop.end()
        for loop in loops:
            loop.stop()
    ctx.log.info("stop", said="Stopped.")
    return 0


def _log_start(ctx: ServerContext, address: str) -> None:
    if not ctx.keys:
        ctx.log.warning(
            "start",
            problem="No webhook secret is set, so /webhooks/anthropic is disabled.",
            fix="Name its variable as `webhook-secret-env` in the file; the watcher needs none.",
        )
    names = ", ".join(sorted({post.place.repository for post in ctx.posts}))
    ctx.log.info("start", address=address, repositories=names, watch=ctx.watch)
