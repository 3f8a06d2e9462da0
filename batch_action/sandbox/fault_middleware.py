"""Inject faults into the services, at the HTTP and at the connection level."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from batch_action.sandbox.clock import Clock
from batch_action.sandbox.error_responses import injected_error
from batch_action.sandbox.faults import Call, Fault, Faults

CONTROL = "/_sandbox/"


class ClosableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which passes the connection to the application."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the connection into the state of its requests."""
        self.app_state = {**self.app_state, "transport": transport}
        # asyncio does this only for sockets with an explicit protocol. Without it, a response in
        # two parts waits 40 ms for an acknowledgment.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)  # type: ignore[arg-type]


class FaultMiddleware:
    """ASGI middleware that logs each call, sets the `date` header, and injects faults."""

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
        call, fault = self._faults.record_call(
            self._service, scope["method"], scope["path"], route_template(self._app, scope)
        )
        recorded = _record_status(dated, call)
        match fault.kind if fault else "":
            case "drop-before":
                await _close_connection(scope, receive)
            case "drop-after":
                await self._app(scope, receive, _record_status(_discard, call))
                await _close_connection(scope, receive)
            case "late":
                await self._app(scope, receive, _delay(recorded, _delay_seconds(fault)))
            case "truncate":
                await self._truncate(scope, receive, recorded)
            case "status":
                assert fault is not None  # noqa: S101 - for the type checker
                await injected_error(scope["path"], self._service, fault.details)(
                    scope, receive, recorded
                )
            case _:
                await asyncio.sleep(_delay_seconds(fault))
                await self._app(scope, receive, recorded)

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", self._clock.http_date().encode())
                headers = [pair for pair in message.get("headers", ()) if pair[0] != b"date"]
                message = {**message, "headers": [*headers, date]}
            await send(message)

        return dated

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and half of the body, and close the connection."""
        messages: list[Message] = []
        await self._app(scope, receive, _collect_into(messages))
        body = b"".join(part.get("body", b"") for part in messages[1:])
        headers = [pair for pair in messages[0].get("headers", ()) if pair[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send({**messages[0], "headers": [*headers, length]})
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _close_connection(scope, receive)


def route_template(app: Any, scope: Scope) -> str:
    """Return the template of the path, such as `/v1/models/{model_id}`, or the path itself."""
    return _match_route(getattr(app, "routes", ()), scope) or str(scope["path"])


def _match_route(routes: Sequence[BaseRoute], scope: Scope) -> str:
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            path = str(getattr(route, "path", ""))
            return path + _match_route(getattr(route, "routes", None) or (), {**scope, **child})
    return ""


async def _close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait for the server to notice, so that it sends no response."""
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _discard(_message: Message) -> None:
    """Discard a message."""


def _collect_into(messages: list[Message]) -> Send:
    async def collect(message: Message) -> None:
        messages.append(message)

    return collect


def _delay(send: Send, seconds: float) -> Send:
    """Handle the request at once, but delay the response."""

    async def delayed(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return delayed


def _record_status(send: Callable[[Message], Awaitable[None]], call: Call) -> Send:
    async def recorded(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
        await send(message)

    return recorded


def _delay_seconds(fault: Fault | None) -> float:
    waits = fault is not None and fault.kind in ("slow", "late")
    return float(fault.details.get("seconds", 0)) if fault and waits else 0.0
