"""The place where faults strike: around every service, below HTTP where needed."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .clock import Clock
from .faults import Call, Fault, Faults
from .mishaps import mishap

CONTROL = "/_sandbox/"


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the connection within reach of the application."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to every request that arrives on it."""
        self.app_state = {**self.app_state, "transport": transport}
        # asyncio does this only for sockets that were made with an explicit protocol; without
        # it every answer of two parts waits 40 ms for an acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)  # type: ignore[arg-type]


class Wire:
    """ASGI middleware: logs each call, dates each answer, and lets the faults strike."""

    def __init__(self, app: ASGIApp, *, service: str, faults: Faults, clock: Clock) -> None:
        self._app = app
        self._service = service
        self._faults = faults
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dated = self._dated(send)
        if scope["path"].startswith(CONTROL):
            await self._app(scope, receive, dated)
            return
        call, fault = self._faults.begin(
            self._service, scope["method"], scope["path"], route_of(self._app, scope)
        )
        noted = _noted(dated, call)
        match fault.kind if fault else "":
            case "drop-before":
                await _cut(scope, receive)
            case "drop-after":
                await self._app(scope, receive, _noted(_nowhere, call))
                await _cut(scope, receive)
            case "late":
                await self._app(scope, receive, _held_back(noted, _seconds(fault)))
            case "truncate":
                await self._truncate(scope, receive, noted)
            case "status":
                assert fault is not None  # noqa: S101 - told to the type checker
                await mishap(scope["path"], self._service, fault.details)(scope, receive, noted)
            case _:
                await asyncio.sleep(_seconds(fault))
                await self._app(scope, receive, noted)

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", self._clock.http_date().encode())
                headers = [pair for pair in message.get("headers", ()) if pair[0] != b"date"]
                message = {**message, "headers": [*headers, date]}
            await send(message)

        return dated

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the whole answer's headers, half of its body, and hang up."""
        kept: list[Message] = []
        await self._app(scope, receive, _keeper(kept))
        body = b"".join(part.get("body", b"") for part in kept[1:])
        headers = [pair for pair in kept[0].get("headers", ()) if pair[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send({**kept[0], "headers": [*headers, length]})
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _cut(scope, receive)


def route_of(app: Any, scope: Scope) -> str:
    """Find the template of the path, like `/v1/models/{model_id}`; the path when none fits."""
    return _template(getattr(app, "routes", ()), scope) or str(scope["path"])


def _template(routes: Sequence[BaseRoute], scope: Scope) -> str:
    for route in routes:
        found, child = route.matches(scope)
        if found is Match.FULL:
            path = str(getattr(route, "path", ""))
            return path + _template(getattr(route, "routes", None) or (), {**scope, **child})
    return ""


async def _cut(scope: Scope, receive: Receive) -> None:
    """Close the connection and wait until the server has noticed, so that it answers nothing."""
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nowhere(_message: Message) -> None:
    """Swallow an answer."""


def _keeper(kept: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        kept.append(message)

    return keep


def _held_back(send: Send, seconds: float) -> Send:
    """Answer only after a while what was done at once."""

    async def held_back(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return held_back


def _noted(send: Callable[[Message], Awaitable[None]], call: Call) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
        await send(message)

    return noted


def _seconds(fault: Fault | None) -> float:
    waits = fault is not None and fault.kind in ("slow", "late")
    return float(fault.details.get("seconds", 0)) if fault and waits else 0.0
