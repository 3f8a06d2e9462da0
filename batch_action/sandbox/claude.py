"""The emulated Anthropic API: what the real one enforces, without the real one."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import envelope
from .access import Access
from .batches import Batch
from .catalogue import MODELS, find
from .clock import Clock
from .control import Control
from .errors import ApiError, new_id, on_api_error, on_http_error
from .faults import Faults
from .messages import Speaker
from .paging import page
from .params import complaint, input_tokens
from .results import Billed
from .store import Store

Handler = Callable[[Request], Awaitable[Response]]
MAX_BATCH = 256_000_000
MAX_MESSAGE = 32_000_000


class Claude:
    """The Anthropic API of a sandbox."""

    def __init__(
        self, clock: Clock, faults: Faults, *, batch_seconds: float = 0.0, seed: int = 0
    ) -> None:
        self.store = Store(clock, faults, batch_seconds)
        self.max_bytes = MAX_BATCH
        self.results_origin: str | None = None
        """Where `results_url` points; the address that was asked when none is set."""
        self._clock = clock
        self._access = Access(clock)
        self._random = random.Random(seed)  # noqa: S311 - it only shuffles
        self.app = Starlette(
            routes=[*self._routes(), *Control(self, faults, clock).routes()],
            exception_handlers={ApiError: on_api_error, HTTPException: on_http_error},
        )

    @property
    def hold(self) -> bool:
        """Keep batches from ending by themselves while true."""
        return self.store.hold

    @hold.setter
    def hold(self, on: bool) -> None:
        self.store.hold = on

    @property
    def batches(self) -> list[Batch]:
        """List the batches of all workspaces, newest first."""
        return self.store.all()

    def finish(self, batch_id: str) -> None:
        """End a batch now, whatever holds it."""
        self.store.finish(batch_id)

    def answer_with(self, speaker: Speaker | None) -> None:
        """Let `speaker` say what stands in the answers from now on; None: the reviewer again.

        What has been fetched before stays as it was.
        """
        self.store.speaker = speaker

    def billed(self) -> list[Billed]:
        """List every request that costs money."""
        return self.store.billed()

    def _routes(self) -> list[Route]:
        batches = "/v1/messages/batches"
        one = batches + "/{batch_id}"
        return [
            Route(batches, self._create, methods=["POST"]),
            Route(batches, self._list, methods=["GET"]),
            Route(one, self._retrieve, methods=["GET"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(one + "/results", self._results, methods=["GET"]),
            Route(one + "/cancel", self._cancel, methods=["POST"]),
            Route("/v1/messages/count_tokens", self._count, methods=["POST"]),
            Route("/v1/messages", self._message, methods=["POST"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/v1/models/{model_id}", self._model, methods=["GET"]),
            Route("/v1/oauth/token", self._token, methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        body = envelope.decode(await request.body(), self.max_bytes)
        return self._show(request, self.store.create(workspace, envelope.check(body)))

    async def _list(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        own = [batch for batch in self.store.all() if batch.workspace == workspace]
        found = [batch.body(self._clock.now(), self._origin(request)) for batch in own]
        return reply(page(found, request.query_params))

    async def _retrieve(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        return self._show(request, self.store.get(workspace, request.path_params["batch_id"]))

    async def _cancel(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        return self._show(request, self.store.cancel(workspace, request.path_params["batch_id"]))

    async def _delete(self, request: Request) -> Response:
        workspace, batch_id = self._access.workspace(request), request.path_params["batch_id"]
        await asyncio.to_thread(self.store.delete, workspace, batch_id)
        return reply({"id": batch_id, "type": "message_batch_deleted"})

    async def _results(self, request: Request) -> Response:
        workspace, batch_id = self._access.workspace(request), request.path_params["batch_id"]
        lines = await asyncio.to_thread(self.store.lines, workspace, batch_id)
        mixed = self._random.sample(lines, len(lines))
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in mixed)
        return Response(
            text.encode(),
            media_type="application/x-jsonl",
            headers={"request-id": new_id("req")},
        )

    async def _count(self, request: Request) -> Response:
        self._access.workspace(request)
        body = envelope.decode(await request.body(), MAX_MESSAGE)
        if "max_tokens" in body:
            raise ApiError(400, "max_tokens: Extra inputs are not permitted")
        _refuse(body, complaint(body, sampling=False))
        return reply({"input_tokens": input_tokens(body)})

    async def _message(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        body = envelope.decode(await request.body(), MAX_MESSAGE)
        _refuse(body, complaint(body))
        return reply(await asyncio.to_thread(self.store.message, workspace, body))

    async def _models(self, request: Request) -> Response:
        self._access.workspace(request)
        return reply(page([model.info() for model in MODELS], request.query_params))

    async def _model(self, request: Request) -> Response:
        self._access.workspace(request)
        model = find(request.path_params["model_id"])
        if model is None:
            raise ApiError(404, f"model: {request.path_params['model_id']}")
        return reply(model.info())

    async def _token(self, request: Request) -> Response:
        body = envelope.decode(await request.body(), MAX_MESSAGE)
        return reply(self._access.exchange(request.headers.get("anthropic-beta", ""), body))

    def _origin(self, request: Request) -> str:
        return self.results_origin or str(request.base_url).rstrip("/")

    def _show(self, request: Request, batch: Batch) -> Response:
        return reply(batch.body(self._clock.now(), self._origin(request)))


def reply(body: Any) -> Response:
    """Answer with JSON and a request id."""
    return JSONResponse(body, headers={"request-id": new_id("req")})


def _refuse(body: dict[str, Any], problem: str | None) -> None:
    """Refuse a message; a model that is not there is another error than a wrong parameter."""
    if problem:
        unknown = problem == f"model: {body.get('model')}"
        raise ApiError(404 if unknown else 400, problem)
