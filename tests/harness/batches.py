"""Requests of a test, written to a request file as a run writes them."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from batch_action.clients.anthropic.client import AnthropicClient, ReadParams
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import BatchState, Request
from batch_action.requests.request_file import RequestFile

SYSTEM = "List the bugs."


def a_request(name: str = "a", **values: Any) -> Request:
    """A request of no file, for what only looks at keys and sizes."""
    fields = {
        "request_key": RequestKey(id=name, path="a.py", blob="a" * 40),
        "model": "m",
        "max_tokens": 1,
        "size_bytes": 1,
        "input_tokens": 1,
        "offset": 0,
        "head_bytes": 0,
        "tail_bytes": 0,
    }
    return Request(**{**fields, **values})


def as_sent(system: str, params: dict[str, Any], *, cached: bool = False) -> dict[str, Any]:
    """The params of a request with the system prompt, as a batch contains them."""
    requests = RequestFile(system)
    request = requests.add(RequestKey(id="a", path="a.py", blob="a" * 40), params, 1)
    sent: dict[str, Any] = json.loads(requests.encode(request, cached=cached))["params"]
    return sent


class WrittenRequests:
    """Requests by custom id, of params without a `system`."""

    def __init__(self, params: Mapping[str, dict[str, Any]], *, cached: bool = False) -> None:
        self.file = RequestFile(SYSTEM)
        self.cached = cached
        self.requests = [
            self.file.add(
                RequestKey(id=name, path="a.py", blob="a" * 40), {**each, "system": []}, 1
            )
            for name, each in params.items()
        ]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(request.request_key.id for request in self.requests)

    @property
    def reads(self) -> dict[str, ReadParams]:
        """What reads the params of each request, as the client takes them."""
        return {r.request_key.id: partial(self.file.params, r) for r in self.requests}

    def body(self) -> bytes:
        return b"".join(self.file.body(self.requests, cached=self.cached))

    def items(self) -> list[dict[str, Any]]:
        """The requests as the SDK takes them."""
        found: list[dict[str, Any]] = json.loads(self.body())["requests"]
        return found

    def create(self, api: AnthropicClient) -> BatchState:
        body = self.file.body(self.requests, cached=self.cached)
        return api.create(body, body.size)
