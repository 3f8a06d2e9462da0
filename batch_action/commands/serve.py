"""`serve`: start a repository's workflow when its batch has ended."""

from functools import partial

from batch_action.errors import ConfigError, Interrupted
from batch_action.server import deliveries, status_page
from batch_action.server.app import Server, create_app
from batch_action.server.context import ServerContext
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.watcher import Watcher


def serve(ctx: ServerContext, *, host: str, port: int) -> int:
    """Serve, watch and dispatch until SIGINT or SIGTERM; return 0 after an orderly stop.

    Raises ConfigError: neither webhooks nor the watcher are configured, or the address is taken.
    """
    if not (ctx.keys or ctx.watch):
        raise ConfigError(
            "Nothing would ever start a workflow: no webhook secret is set, and `--watch` is not.",
            fix="Use `--watch`; Anthropic sends no webhooks for batches today.",
        )
    dispatcher, watcher = Dispatcher(ctx), Watcher(ctx)
    application = create_app(
        receive=partial(deliveries.receive, ctx) if ctx.keys else None,
        page=partial(status_page.render, ctx, dispatcher.ledgers),
        health=partial(status_page.health, ctx),
    )
    server = Server(application, host, port)
    loops = (ctx.dispatching, ctx.watching)
    try:
        ctx.dispatching.start(dispatcher.round)
        if ctx.watch:
            ctx.watching.start(watcher.round)
        _log_start(ctx, server.address)
        server.run()
    except (Interrupted, KeyboardInterrupt):
        ctx.log.info("stop", message="Stopping.")
    finally:
        server.close()
        for loop in loops:
            loop.request_stop()
        for loop in loops:
            loop.stop()
    ctx.log.info("stop", message="Stopped.")
    return 0


def _log_start(ctx: ServerContext, address: str) -> None:
    if not ctx.keys:
        ctx.log.warning(
            "start",
            problem="No webhook secret is set, so /webhooks/anthropic is closed.",
            fix="Name its variable as `webhook-secret-env` in the file; the watcher needs none.",
        )
    names = ", ".join(sorted({repository.config.repository for repository in ctx.repositories}))
    ctx.log.info("start", address=address, repositories=names, watch=ctx.watch)
