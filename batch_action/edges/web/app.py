"""Three addresses: deliveries in, the status page and the health out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from batch_action.models.waking import Reply

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

    receive: Callable[[Mapping[str, str], bytes], Reply] | None
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
    request: Request, receive: Callable[[Mapping[str, str], bytes], Reply] | None
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
