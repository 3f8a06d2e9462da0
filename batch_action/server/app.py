"""The HTTP server: deliveries in, the status page and the health out."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from batch_action.errors import ConfigError
from batch_action.server.deliveries import DeliveryResponse

DELIVERIES = "/webhooks/anthropic"
MAX_BYTES = 256 * 1024
"""A real event names a thing and little more: less than a kilobyte."""
MAX_DISCARDED_BYTES = 16 * MAX_BYTES
"""How much of a body that is too large is read all the same: a sender that still sends when the
connection is closed may lose the response (RFC 9112, section 9.6)."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
STOP_SECONDS = 5
"""How long requests in flight may take once the service stops."""
MAX_CONNECTIONS = 200
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


Receive = Callable[[Mapping[str, str], bytes], DeliveryResponse]


def create_app(
    *,
    receive: Receive | None,
    page: Callable[[], str],
    health: Callable[[], tuple[bool, Mapping[str, Any]]],
) -> Starlette:
    """Return the ASGI application; each function is called in a thread.

    Without *receive* no secret is set, so no delivery could be verified.
    """

    async def get_page(_request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(page), headers=PAGE_HEADERS)

    async def get_health(_request: Request) -> Response:
        ok, body = await run_in_threadpool(health)
        headers = {"Cache-Control": "no-store"}
        return JSONResponse(dict(body), status_code=200 if ok else 503, headers=headers)

    async def post_delivery(request: Request) -> Response:
        if receive is None:
            return _refuse(501, "No webhook secret is set here, so this address is closed.")
        return await _receive(request, receive)

    return Starlette(
        routes=[
            # With the slash, too: a redirect would make senders lose the body.
            Route(DELIVERIES, post_delivery, methods=["POST"]),
            Route(f"{DELIVERIES}/", post_delivery, methods=["POST"]),
            Route("/healthz", get_health, methods=["GET"]),
            Route("/", get_page, methods=["GET"]),
        ]
    )


async def _receive(request: Request, receive: Receive) -> Response:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_body(request)
    except TimeoutError:
        return _refuse(408, f"The body did not arrive within {BODY_SECONDS:g} seconds.")
    except ClientDisconnect:
        return _refuse(400, "The body did not arrive.")
    if body is None:
        return _refuse(413, f"No event has more than {MAX_BYTES} bytes.")
    response = await run_in_threadpool(receive, dict(request.headers), body)
    return JSONResponse(response.body, status_code=response.status)


async def _read_body(request: Request) -> bytes | None:
    """Read the body, with never more than the limit in memory; None when it is too large."""
    declared = request.headers.get("content-length", "")
    body, size = bytearray(), int(declared) if declared.isdecimal() else 0
    if size > MAX_DISCARDED_BYTES:
        return None
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_DISCARDED_BYTES:
            return None
        body += chunk if size <= MAX_BYTES else b""
    return bytes(body) if size <= MAX_BYTES else None


def _refuse(status: int, reason: str) -> Response:
    # The response did not wait for the whole body.
    return JSONResponse({"error": reason}, status_code=status, headers={"Connection": "close"})


class Server:
    """A listening socket and the application on it."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Bind the address at once, so that it is known. Raises ConfigError if it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Nothing can listen on {host}, port {port}: {error}.",
                fix="Choose another `--port` or `--host`.",
            ) from None
        host_in_url = f"[{host}]" if ":" in host else host
        self.address = f"http://{host_in_url}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    def close(self) -> None:
        """Release the address, if it was never served."""
        self._socket.close()

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, which are raised again afterwards, or `stop`."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stop from another thread."""
        self._server.should_exit = True
