"""Custom ids, and packing by count and bytes."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batch_action.context import RunContext
from batch_action.models.ledger import Usage
from batch_action.models.requests import Request, SubmissionMode
from batch_action.requests import pricing, prompt

MAX_REQUESTS = 100_000
"""Requests per batch (Anthropic's batch-processing page, October 2026)."""

MAX_BYTES = 250_000_000
"""Bytes per batch: the API refuses more than 256 MB with 413; some head-room for the envelope."""

MAX_REQUEST_BYTES = 32_000_000
"""Bytes of one request: what the Messages and token-counting endpoints take."""

CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Anthropic's pattern for a custom id, checked here because the SDK does not."""


def slug(path: str, most: int = 20) -> str:
    """The end of a path in the letters a custom id may have: for people, not for identity."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", path)[-most:].strip("_") or "file"


def custom_id(task: str, path: str, blob: str, request_key: str) -> str:
    """`<task>-<slug of the path>-<blob>-<digest>`: at most 64 of the letters allowed."""
    short = re.sub(r"[^A-Za-z0-9_-]+", "_", task)[:12]
    return f"{short}-{slug(path)}-{blob[:12]}-{request_key}"


def size_of(custom_id: str, params: dict[str, Any]) -> int:
    """Bytes of one request inside a batch, as the SDK serialises it, separator included."""
    item = {"custom_id": custom_id, "params": params}
    return len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) + 1


def pack(
    requests: Iterable[Request], *, most: int = MAX_REQUESTS, max_bytes: int = MAX_BYTES
) -> tuple[tuple[Request, ...], ...]:
    """The requests in their order, cut into batches that fit by count and bytes.

    A request larger than a batch must have been left out before (ValueError).
    """
    batches: list[tuple[Request, ...]] = []
    batch: list[Request] = []
    size = 0
    for request in requests:
        if request.size > max_bytes:
            raise ValueError(f"{request.request_key.id} alone is larger than a batch")
        if batch and (len(batch) == most or size + request.size > max_bytes):
            batches.append(tuple(batch))
            batch, size = [], 0
        batch.append(request)
        size += request.size
    return (*batches, tuple(batch)) if batch else tuple(batches)


def check(batch: Sequence[Request]) -> None:
    """Refuse what the API would refuse as a whole: pattern, uniqueness, count, bytes.

    Raises ValueError: such a batch is a bug of ours, not a mistake of the user's.
    """
    ids = [request.request_key.id for request in batch]
    if not 1 <= len(ids) <= MAX_REQUESTS:
        raise ValueError(f"a batch of {len(ids)} requests")
    if len(set(ids)) != len(ids):
        raise ValueError("a custom id stands twice in one batch")
    for name in ids:
        if not CUSTOM_ID.fullmatch(name):
            raise ValueError(f"the custom id {name!r} is not allowed")
    if sum(request.size for request in batch) > MAX_BYTES:
        raise ValueError("a batch of too many bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimator:
    """What requests can cost at the very most, asked this way."""

    ctx: RunContext
    mode: SubmissionMode
    shared: int
    """Tokens of the prefix that all of them share."""

    def groups(self, requests: Iterable[Request]) -> dict[str, list[Usage]]:
        """The worst usage of each request, by model."""
        return pricing.by_model((model_of(self.ctx, r), self._usage(r)) for r in requests)

    def worst(self, requests: Iterable[Request]) -> float | None:
        """The worst case in US dollars; None when a model has no known price."""
        now = self.mode is SubmissionMode.INTERACTIVE
        price = pricing.interactive_usd if now else pricing.batch_usd
        groups = self.groups(requests).items()
        costs = [price(self.ctx.prices, model, found) for model, found in groups]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def marked(self, requests: Iterable[Request]) -> list[Request]:
        """Those of them that share one cache: another model has one of its own."""
        return [r for r in requests if r.request_key.model is None]

    def _usage(self, request: Request) -> Usage:
        """In the worst case every request writes the cache, and none reads it."""
        cached = self.mode.marked and request.request_key.model is None
        written = min(self.shared, request.input_tokens) if cached else 0
        return Usage(
            input_tokens=request.input_tokens - written,
            cache_write_1h_tokens=written,
            output_tokens=request.max_tokens,
        )


def model_of(ctx: RunContext, request: Request) -> str:
    """The model a request goes to."""
    return request.request_key.model or ctx.settings.model


def packed(
    ctx: RunContext, requests: Sequence[Request], way: SubmissionMode
) -> tuple[tuple[Request, ...], ...]:
    """One model a batch, files by risk in each; a warm-up stands alone in the first."""
    made = [_marked(r) if way.marked and r.request_key.model is None else r for r in requests]
    first = _first(made) if way is SubmissionMode.WARM_UP else None
    by_model: dict[str, list[Request]] = {}
    for request in made:
        if request is not first:
            by_model.setdefault(model_of(ctx, request), []).append(request)
    most = ctx.settings.max_requests_per_batch
    if way is SubmissionMode.INTERACTIVE:
        # Asked one by one: no batch holds them, and one intent does.
        return (tuple(made),) if made else ()
    rest = [batch for group in by_model.values() for batch in pack(group, most=most)]
    return ((first,), *rest) if first else tuple(rest)


def _first(requests: Sequence[Request]) -> Request:
    """The request that warms the cache up: a small one ends soon, a whole file needs no other."""
    own = [r for r in requests if r.request_key.model is None]
    return min(own, key=lambda r: (r.request_key.of, r.input_tokens))


def _marked(request: Request) -> Request:
    params = prompt.marked(request.params)
    return replace(request, params=params, size=size_of(request.request_key.id, params))
