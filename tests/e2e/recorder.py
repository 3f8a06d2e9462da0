"""A sandbox that records the bodies of its traffic, and what the descriptions say about them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from anthropic.types.message_tokens_count import MessageTokensCount
from anthropic.types.messages.message_batch import MessageBatch
from anthropic.types.messages.message_batch_individual_response import (
    MessageBatchIndividualResponse,
)
from openapi_core.exceptions import OpenAPIError
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batch_action.sandbox.server import Sandbox
from tests.contract.description import Exchange, complete, ours
from tests.contract.test_anthropic_types import BATCH, COUNT, is_understood

PREFIX = "/api/v3"
LOCAL = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")
BATCHES = "/v1/messages/batches"


@dataclass(frozen=True)
class Traffic:
    """One request and its response, as the server sees them."""

    service: str
    method: str
    path: str
    query: str
    sent: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    received: bytes

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}?{self.query} {self.status}"


class RecordingSandbox(Sandbox):
    """The sandbox, with what it received and answered."""

    def __init__(self) -> None:
        self.traffic: list[Traffic] = []
        super().__init__()

    def _server(self, app: ASGIApp, service: str) -> Any:
        async def record(scope: Scope, receive: Receive, send: Send) -> None:
            sent, received = bytearray(), bytearray()
            start: dict[str, Any] = {}

            async def listen() -> Message:
                message = await receive()
                sent.extend(message.get("body", b""))
                return message

            async def answer(message: Message) -> None:
                start.update(message if message["type"] == "http.response.start" else {})
                received.extend(message.get("body", b""))
                await send(message)

            await app(scope, listen, answer)
            pairs = start.get("headers", ())
            self.traffic.append(
                Traffic(
                    service=service,
                    method=scope["method"],
                    path=scope["raw_path"].decode(),
                    query=scope["query_string"].decode(),
                    sent=bytes(sent),
                    status=start["status"],
                    headers=tuple((name.decode(), value.decode()) for name, value in pairs),
                    received=bytes(received),
                )
            )

        # The name of a route is looked up in the application.
        record.routes = app.routes  # type: ignore[attr-defined]
        return super()._server(record, service)


def problems_of(traffic: list[Traffic], description: Path) -> list[str]:
    """Return what GitHub's description and the SDK's types object to."""
    problems = []
    for one in traffic:
        if one.service == "github" and one.path.startswith((PREFIX, "/api/graphql")):
            found = _github_problems(one, str(description))
        elif one.service == "anthropic" and one.path.startswith("/v1/messages"):
            found = _anthropic_problems(one)
        else:
            found = []
        problems += [f"{one}: {problem}" for problem in found]
    return problems


def with_certificate(text: str) -> str:
    """GitHub's addresses begin with `https`, the sandbox's do not."""
    return LOCAL.sub("https://sandbox.example", text)


def _github_problems(seen: Traffic, description: str) -> list[str]:
    exchange = Exchange(
        method=seen.method,
        path=seen.path.removeprefix(PREFIX) if seen.path.startswith(PREFIX) else "/graphql",
        query=tuple(parse_qsl(seen.query)),
        request_body=json.loads(seen.sent) if seen.sent else None,
        status=seen.status,
        headers=tuple((name, with_certificate(value)) for name, value in seen.headers),
        response_body=json.loads(with_certificate(seen.received.decode()) or "null"),
    )
    whole = complete(description)
    # GraphQL is in ours only.
    described = [
        one
        for one in (ours(), whole)
        if one.operation_of(exchange) and (one is not whole or whole.has(exchange))
    ]
    problems = [f"unknown: {name}" for one in described[:1] for name in one.unknown_parts(exchange)]
    for one in described:
        try:
            one.check(exchange)
        except OpenAPIError as error:
            problems.append(f"{error!r} {error.__cause__!r}")
    return problems if described else ["not described"]


def _anthropic_problems(one: Traffic) -> list[str]:
    known = {BATCHES: BATCH, "/v1/messages/count_tokens": COUNT}.get(one.path)
    problems = []
    if one.method == "POST" and known and not is_understood(known, json.loads(one.sent)):
        problems.append("the request has a field that the SDK does not know")
    if one.status == 200:
        try:
            _validate_answer(one)
        except ValidationError as error:
            problems.append(str(error))
    return problems


def _validate_answer(one: Traffic) -> None:
    if one.path.endswith("/results"):
        for line in one.received.splitlines():
            TypeAdapter(MessageBatchIndividualResponse).validate_json(line, strict=False)
    elif one.path.endswith("count_tokens"):
        MessageTokensCount.model_validate_json(one.received)
    elif one.path == BATCHES and one.method == "GET":
        TypeAdapter(list[MessageBatch]).validate_python(json.loads(one.received)["data"])
    elif one.path.startswith(BATCHES):
        MessageBatch.model_validate_json(one.received)
