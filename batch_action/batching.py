"""Custom ids, and packing by count and bytes."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from batch_action.models.requests import Request

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


def digest(*fields: str | None) -> str:
    """14 hex digits of the question's fields; None and "" differ, and so do their borders."""
    data = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
    return hashlib.sha256(data).hexdigest()[:14]


def custom_id(task: str, path: str, blob: str, question: str) -> str:
    """`<task>-<slug of the path>-<blob>-<digest>`: at most 64 of the letters allowed."""
    short = re.sub(r"[^A-Za-z0-9_-]+", "_", task)[:12]
    return f"{short}-{slug(path)}-{blob[:12]}-{question}"


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
            raise ValueError(f"{request.question.id} alone is larger than a batch")
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
    ids = [request.question.id for request in batch]
    if not 1 <= len(ids) <= MAX_REQUESTS:
        raise ValueError(f"a batch of {len(ids)} requests")
    if len(set(ids)) != len(ids):
        raise ValueError("a custom id stands twice in one batch")
    for name in ids:
        if not CUSTOM_ID.fullmatch(name):
            raise ValueError(f"the custom id {name!r} is not allowed")
    if sum(request.size for request in batch) > MAX_BYTES:
        raise ValueError("a batch of too many bytes")
