"""Three addresses: deliveries in, the status page and the health out."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from batch_action.errors import ConfigError
from batch_action.models.dispatch import DeliveryResponse

DELIVERIES = "/webhooks/anthropic"
MOST_BYTES = 256 * 1024
"""Events name a thing and little more; a real one has less than a kilobyte."""
MOST_DISCARDED = 16 * MOST_BYTES
"""How much of a body that is too large is read all the same: closed on while it still sends, a
sender may lose the answer to the reset of the connection (RFC 9112, section 9.6)."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
LAST = {"Connection": "close"}
"""After an answer that did not wait for the whole body."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What stands behind the addresses; each is called in a thread."""

    receive: Callable[[Mapping[str, str], bytes], DeliveryResponse] | None
    """None: no secret is set, so nothing that is delivered could be proven."""
    page: Callable[[], str]
    health: Callable[[], tuple[bool, Mapping[str, Any]]]


class _TooLargeError(Exception):
    """More than any delivery has."""


def app(handlers: Handlers) -> Starlette:
    """The application to be served."""

    async def deliveries(request: Request) -> Response:
        return await _deliveries(request, handlers.receive)

    async def page(_request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(handlers.page), headers=PAGE_HEADERS)

    async def health(_request: Request) -> Response:
        well, told = await run_in_threadpool(handlers.health)
        headers = {"Cache-Control": "no-store"}
        return JSONResponse(dict(told), status_code=200 if well else 503, headers=headers)

    return Starlette(
        routes=[
            Route(DELIVERIES, deliveries, methods=["POST"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/", page, methods=["GET"]),
        ]
    )


async def _deliveries(
    request: Request, receive: Callable[[Mapping[str, str], bytes], DeliveryResponse] | None
) -> Response:
    if receive is None:
        return _refused(501, "No webhook secret is set here, so this address is closed.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _whole(request)
    except _TooLargeError:
        return _refused(413, f"No event has more than {MOST_BYTES} bytes.")
    except TimeoutError:
        return _refused(408, f"The body did not arrive within {BODY_SECONDS:g} seconds.")
    except ClientDisconnect:
        return _refused(400, "The body did not arrive.")
    reply = await run_in_threadpool(receive, dict(request.headers), body)
    return JSONResponse(reply.told, status_code=reply.status)


async def _whole(request: Request) -> bytes:
    """The body, never more than is allowed of it in memory, whatever it says of itself."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MOST_DISCARDED:
        raise _TooLargeError
    body = bytearray()
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > MOST_DISCARDED:
            raise _TooLargeError
        if seen <= MOST_BYTES:
            body += chunk
    if seen > MOST_BYTES:
        raise _TooLargeError
    return bytes(body)


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status, headers=LAST)


HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive; uvicorn itself would wait for ever."""
STOP_SECONDS = 5
"""How long requests in flight may take once the end has come."""
MOST_CONNECTIONS = 200


class Impatient(H11Protocol):
    """HTTP/1.1 that hangs up on a connection which never gets to the end of a request's head."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless the head is complete now."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def _between(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._between():
            self._rest()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        if self._between():
            self.transport.close()


class Server:
    """One listening socket and who answers on it."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Take the address at once, so that it is known. Raises ConfigError where it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Nothing can listen on {host}, port {port}: {error}.",
                fix="Choose another `--port` or `--host`.",
            ) from None
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Impatient,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    def close(self) -> None:
        """Give the address back, if it was never served."""
        self._socket.close()

    def run(self) -> None:
        """Answer until SIGINT or SIGTERM, or `stop`; both are raised again afterwards."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End it from another thread."""
        self._server.should_exit = True
