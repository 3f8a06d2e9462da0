"""The emulated Anthropic API: its ASGI app, and the Python interface for tests."""

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

from batch_action.sandbox.anthropic import request_body
from batch_action.sandbox.anthropic.auth import Authenticator
from batch_action.sandbox.anthropic.batch_store import BatchStore
from batch_action.sandbox.anthropic.batches import Batch
from batch_action.sandbox.anthropic.control import Control
from batch_action.sandbox.anthropic.errors import ApiError, new_id, on_api_error, on_http_error
from batch_action.sandbox.anthropic.messages import AnswerFunction
from batch_action.sandbox.anthropic.models import MODELS, find_model
from batch_action.sandbox.anthropic.pagination import paginate
from batch_action.sandbox.anthropic.params import estimate_input_tokens, validation_error
from batch_action.sandbox.anthropic.results import BilledRequest
from batch_action.sandbox.clock import Clock
from batch_action.sandbox.faults import Faults

Handler = Callable[[Request], Awaitable[Response]]
MAX_BATCH_BYTES = 256_000_000
MAX_MESSAGE_BYTES = 32_000_000


class AnthropicApi:
    """The emulated Anthropic API; it enforces what the service enforces."""

    def __init__(
        self, clock: Clock, faults: Faults, *, batch_seconds: float = 0.0, seed: int = 0
    ) -> None:
        self.store = BatchStore(clock, faults, batch_seconds)
        self.max_bytes = MAX_BATCH_BYTES
        self.results_origin: str | None = None
        """The origin of `results_url`; None: the origin of the request."""
        self._clock = clock
        self._access = Authenticator(clock)
        self._random = random.Random(seed)  # noqa: S311 - it shuffles result lines
        self.app = Starlette(
            routes=[*self._routes(), *Control(self, faults, clock).routes()],
            exception_handlers={ApiError: on_api_error, HTTPException: on_http_error},
        )

    @property
    def hold(self) -> bool:
        """Whether batches are kept from ending by themselves."""
        return self.store.hold

    @hold.setter
    def hold(self, on: bool) -> None:
        self.store.hold = on

    @property
    def batches(self) -> list[Batch]:
        """The batches of all workspaces, newest first."""
        return self.store.all()

    def finish(self, batch_id: str) -> None:
        """End a batch now, even when it is held."""
        self.store.finish(batch_id)

    def answer_with(self, answer_function: AnswerFunction | None) -> None:
        """Let a function answer in place of the reviewer from now on; None: the reviewer again.

        Results that were read before do not change.
        """
        self.store.answer_function = answer_function

    def billed(self) -> list[BilledRequest]:
        """List every billed request."""
        return self.store.billed()

    def _routes(self) -> list[Route]:
        batches = "/v1/messages/batches"
        batch = batches + "/{batch_id}"
        return [
            Route(batches, self._create, methods=["POST"]),
            Route(batches, self._list, methods=["GET"]),
            Route(batch, self._retrieve, methods=["GET"]),
            Route(batch, self._delete, methods=["DELETE"]),
            Route(batch + "/results", self._results, methods=["GET"]),
            Route(batch + "/cancel", self._cancel, methods=["POST"]),
            Route("/v1/messages/count_tokens", self._count, methods=["POST"]),
            Route("/v1/messages", self._message, methods=["POST"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/v1/models/{model_id}", self._model, methods=["GET"]),
            Route("/v1/oauth/token", self._token, methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        body = request_body.parse_json(await request.body(), self.max_bytes)
        return self._batch_response(
            request, self.store.create(workspace, request_body.validate_batch(body))
        )

    async def _list(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        batches = [batch for batch in self.store.all() if batch.workspace == workspace]
        bodies = [batch.body(self._clock.now(), self._origin(request)) for batch in batches]
        return json_response(paginate(bodies, request.query_params))

    async def _retrieve(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        return self._batch_response(
            request, self.store.get(workspace, request.path_params["batch_id"])
        )

    async def _cancel(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        return self._batch_response(
            request, self.store.cancel(workspace, request.path_params["batch_id"])
        )

    async def _delete(self, request: Request) -> Response:
        workspace, batch_id = self._access.workspace(request), request.path_params["batch_id"]
        await asyncio.to_thread(self.store.delete, workspace, batch_id)
        return json_response({"id": batch_id, "type": "message_batch_deleted"})

    async def _results(self, request: Request) -> Response:
        workspace, batch_id = self._access.workspace(request), request.path_params["batch_id"]
        lines = await asyncio.to_thread(self.store.lines, workspace, batch_id)
        shuffled = self._random.sample(lines, len(lines))
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in shuffled)
        return Response(
            text.encode(),
            media_type="application/x-jsonl",
            headers={"request-id": new_id("req")},
        )

    async def _count(self, request: Request) -> Response:
        self._access.workspace(request)
        body = request_body.parse_json(await request.body(), MAX_MESSAGE_BYTES)
        if "max_tokens" in body:
            raise ApiError(400, "max_tokens: Extra inputs are not permitted")
        _raise_if_invalid(body, validation_error(body, sampling=False))
        return json_response({"input_tokens": estimate_input_tokens(body)})

    async def _message(self, request: Request) -> Response:
        workspace = self._access.workspace(request)
        body = request_body.parse_json(await request.body(), MAX_MESSAGE_BYTES)
        _raise_if_invalid(body, validation_error(body))
        return json_response(await asyncio.to_thread(self.store.message, workspace, body))

    async def _models(self, request: Request) -> Response:
        self._access.workspace(request)
        return json_response(paginate([model.info() for model in MODELS], request.query_params))

    async def _model(self, request: Request) -> Response:
        self._access.workspace(request)
        model = find_model(request.path_params["model_id"])
        if model is None:
            raise ApiError(404, f"model: {request.path_params['model_id']}")
        return json_response(model.info())

    async def _token(self, request: Request) -> Response:
        body = request_body.parse_json(await request.body(), MAX_MESSAGE_BYTES)
        return json_response(self._access.exchange(request.headers.get("anthropic-beta", ""), body))

    def _origin(self, request: Request) -> str:
        return self.results_origin or str(request.base_url).rstrip("/")

    def _batch_response(self, request: Request, batch: Batch) -> Response:
        return json_response(batch.body(self._clock.now(), self._origin(request)))


def json_response(body: Any) -> Response:
    """Create a response with JSON and a request id."""
    return JSONResponse(body, headers={"request-id": new_id("req")})


def _raise_if_invalid(body: dict[str, Any], problem: str | None) -> None:
    """Raise ApiError for a validation error: 404 for an unknown model, else 400."""
    if problem:
        unknown = problem == f"model: {body.get('model')}"
        raise ApiError(404 if unknown else 400, problem)
