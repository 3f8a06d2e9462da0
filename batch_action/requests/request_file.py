"""The rendered requests of one run, in a temporary file that nobody else can open.

The system prompt, which all requests of one purpose share, is kept once, in memory. It is put
between the two pieces of a request when the request is sent, with a cache breakpoint or without.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from batch_action.clients.temporary_file import TemporaryFile
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import Request
from batch_action.tasks.registry import ABOUT_FINDINGS

CACHE_BREAKPOINT = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
"""Anthropic's batch-processing page recommends that lifetime for batches."""
CHUNK_BYTES = 256_000
"""What a body yields at one time, unless one request has more."""
_SYSTEM = b'"system":['
_ENVELOPE = b'{"requests":[', b"]}"


class RequestFile:
    """Writes requests once and reads them back; threads may read at the same time."""

    def __init__(self, system: str) -> None:
        """Start without a request; *system*: the system prompt of reviews."""
        texts = {"review": system} | {name: task.prompt for name, task in ABOUT_FINDINGS.items()}
        blocks = {name: {"type": "text", "text": text} for name, text in texts.items()}
        self._systems = {name: to_json(block) for name, block in blocks.items()}
        self._cached_system = to_json(blocks["review"] | CACHE_BREAKPOINT)
        self._config: dict[str, Any] = {}
        self._encoded_config = b"{}"
        self._file = TemporaryFile(
            "requests",
            "They need about as much space as the files that are reviewed: free some, or set "
            "TMPDIR to a folder that has it.",
        )

    def add(
        self,
        key: RequestKey,
        params: dict[str, Any],
        input_tokens: int,
        *,
        is_excerpt: bool = False,
    ) -> Request:
        """Write a request whose params have an empty `system`.

        Raises ConfigError: the file cannot be written, such as when the disk is full.
        """
        data = self._encode(key.id, params)
        # In a JSON string each quotation mark is escaped, so that the key itself is found.
        head_bytes = data.index(_SYSTEM) + len(_SYSTEM)
        offset = self._file.append(data)
        return Request(
            request_key=key,
            model=params["model"],
            max_tokens=params["max_tokens"],
            size_bytes=len(data) + len(self._systems[key.purpose]) + 1,
            input_tokens=input_tokens,
            offset=offset,
            head_bytes=head_bytes,
            tail_bytes=len(data) - head_bytes,
            is_excerpt=is_excerpt,
        )

    def _encode(self, name: str, params: dict[str, Any]) -> bytes:
        own = {key: value for key, value in params.items() if key != "output_config"}
        data = to_json({"custom_id": name, "params": own})
        if (config := params.get("output_config")) is None:
            return data
        if config != self._config:
            # Most requests have the same: its schema takes as long as some pages of code.
            self._config, self._encoded_config = config, to_json(config)
        return b"".join((memoryview(data)[:-2], b',"output_config":', self._encoded_config, b"}}"))

    def encode(self, request: Request, *, cached: bool = False) -> bytes:
        """Return a request as a batch contains it: the JSON that the SDK sends."""
        return b"".join(self._pieces(request, cached=cached))

    def params(self, request: Request) -> dict[str, Any]:
        """Return the parameters of the Messages API, without a cache breakpoint."""
        params: dict[str, Any] = json.loads(self.encode(request))["params"]
        return params

    def body(self, batch: Sequence[Request], *, cached: bool = False) -> "BatchBody":
        """Return the body that creates a batch.

        With *cached* the reviews by the configured model get a cache breakpoint at the end of the
        system prompt: another model has a cache of its own.
        """
        return BatchBody(self, tuple(batch), cached)

    def _pieces(self, request: Request, *, cached: bool) -> Iterator[bytes]:
        data = self._file.read(request.offset, request.head_bytes + request.tail_bytes)
        yield data[: request.head_bytes]
        if cached and request.may_be_cached:
            yield self._cached_system
        else:
            yield self._systems[request.request_key.purpose]
        yield data[request.head_bytes :]


@dataclass(frozen=True, slots=True)
class BatchBody:
    """The JSON body that creates a batch, read from the file while it is sent."""

    requests_file: RequestFile
    requests: tuple[Request, ...]
    cached: bool

    @property
    def size(self) -> int:
        """Bytes of the body."""
        added = len(to_json(CACHE_BREAKPOINT)) - 1 if self.cached else 0
        marked = sum(request.may_be_cached for request in self.requests)
        commas = len(self.requests) - 1
        of_requests = sum(request.size_bytes - 1 for request in self.requests)
        return sum(map(len, _ENVELOPE)) + of_requests + commas + added * marked

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body from its beginning."""
        pieces, size = [_ENVELOPE[0]], 0
        for number, request in enumerate(self.requests):
            data = self.requests_file.encode(request, cached=self.cached)
            pieces += [b",", data] if number else [data]
            size += len(data)
            if size >= CHUNK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        yield b"".join([*pieces, _ENVELOPE[1]])
