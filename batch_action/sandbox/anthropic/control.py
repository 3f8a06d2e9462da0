"""Control of the emulated Anthropic API over HTTP, for other processes."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batch_action.sandbox.anthropic.batches import Batch
from batch_action.sandbox.anthropic.errors import ApiError
from batch_action.sandbox.anthropic.results import BilledRequest
from batch_action.sandbox.clock import Clock, rfc3339
from batch_action.sandbox.faults import Faults


class Controlled(Protocol):
    """The part of the emulated API that can be controlled."""

    hold: bool

    @property
    def batches(self) -> Sequence[Batch]: ...  # noqa: D102
    def finish(self, batch_id: str) -> None: ...  # noqa: D102
    def billed(self) -> Sequence[BilledRequest]: ...  # noqa: D102


class Control:
    """The control endpoints."""

    def __init__(self, api: Controlled, faults: Faults, clock: Clock) -> None:
        self._api = api
        self._faults = faults
        self._clock = clock

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/_sandbox/calls", self._calls, methods=["GET"]),
            Route("/_sandbox/bill", self._bill, methods=["GET"]),
            Route("/_sandbox/batches", self._batches, methods=["GET"]),
            Route("/_sandbox/clock", self._advance, methods=["POST"]),
            Route("/_sandbox/faults", self._add_fault, methods=["POST"]),
            Route("/_sandbox/faults", self._clear_faults, methods=["DELETE"]),
            Route("/_sandbox/finish", self._finish, methods=["POST"]),
            Route("/_sandbox/hold", self._hold, methods=["POST"]),
        ]

    async def _calls(self, _request: Request) -> Response:
        return JSONResponse([asdict(call) for call in list(self._faults.calls)])

    async def _bill(self, _request: Request) -> Response:
        billed = await asyncio.to_thread(self._api.billed)
        return JSONResponse([asdict(entry) for entry in billed])

    async def _batches(self, _request: Request) -> Response:
        return JSONResponse([_overview(batch, self._clock) for batch in self._api.batches])

    async def _advance(self, request: Request) -> Response:
        self._clock.advance(float((await request.json())["advance"]))
        return JSONResponse({"now": rfc3339(self._clock.now())})

    async def _add_fault(self, request: Request) -> Response:
        try:
            return JSONResponse(self._faults.from_json(await request.json()))
        except (TypeError, ValueError) as error:
            raise ApiError(400, str(error)) from error

    async def _clear_faults(self, _request: Request) -> Response:
        self._faults.clear()
        return JSONResponse({})

    async def _finish(self, request: Request) -> Response:
        self._api.finish((await request.json())["batch_id"])
        return JSONResponse({})

    async def _hold(self, request: Request) -> Response:
        self._api.hold = bool((await request.json())["on"])
        return JSONResponse({"on": self._api.hold})


def _overview(batch: Batch, clock: Clock) -> dict[str, Any]:
    body = batch.body(clock.now(), "")
    body["workspace"] = batch.workspace
    body["custom_ids"] = [request["custom_id"] for request in batch.requests]
    return body
