"""Custom ids, and the packing of requests into batches by purpose, model, count and bytes."""

import re
from collections.abc import Iterable, Sequence

from batch_action.models.fact import Purpose
from batch_action.models.requests import Request, SubmissionMode

MAX_REQUESTS = 100_000
"""Requests per batch (Anthropic's batch-processing page, October 2026)."""

MAX_BATCH_BYTES = 250_000_000
"""Bytes per batch: the API answers 413 above 256 MB; the rest is headroom for the envelope
and, of each request, a cache breakpoint."""

MAX_REQUEST_BYTES = 32_000_000
"""Bytes of one request: the limit of the Messages and token-counting endpoints."""

CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The API's pattern for a custom id; the SDK does not check it."""


def slug(path: str, max_chars: int = 20) -> str:
    """Return the end of a path in characters allowed in a custom id, to make the id readable."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", path)[-max_chars:].strip("_") or "file"


def custom_id(task: str, path: str, blob: str, request_digest: str) -> str:
    """Return `<task>-<slug of the path>-<blob>-<digest>`, which matches `CUSTOM_ID`."""
    return f"{task_prefix(task)}-{slug(path)}-{blob[:12]}-{request_digest}"


def task_prefix(task: str) -> str:
    """Return the beginning of a task's custom ids."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", task)[:12]


def pack(
    requests: Iterable[Request],
    *,
    max_requests: int = MAX_REQUESTS,
    max_bytes: int = MAX_BATCH_BYTES,
) -> tuple[tuple[Request, ...], ...]:
    """Pack requests into batches that fit by count and bytes; the order stays.

    Raises ValueError: when one request alone is larger than a batch.
    """
    batches: list[tuple[Request, ...]] = []
    batch: list[Request] = []
    size = 0
    for request in requests:
        if request.size_bytes > max_bytes:
            raise ValueError(f"{request.request_key.id} alone is larger than a batch")
        if batch and (len(batch) == max_requests or size + request.size_bytes > max_bytes):
            batches.append(tuple(batch))
            batch, size = [], 0
        batch.append(request)
        size += request.size_bytes
    return (*batches, tuple(batch)) if batch else tuple(batches)


def check_batch(batch: Sequence[Request]) -> None:
    """Check what the API checks of a whole batch: id pattern, unique ids, count, bytes.

    Raises ValueError: when a check fails; that is a bug in this package, not a user's mistake.
    """
    ids = [request.request_key.id for request in batch]
    if not 1 <= len(ids) <= MAX_REQUESTS:
        raise ValueError(f"a batch of {len(ids)} requests")
    if len(set(ids)) != len(ids):
        raise ValueError("a custom id occurs twice in one batch")
    for name in ids:
        if not CUSTOM_ID.fullmatch(name):
            raise ValueError(f"the custom id {name!r} is not allowed")
    if sum(request.size_bytes for request in batch) > MAX_BATCH_BYTES:
        raise ValueError("a batch of too many bytes")


def pack_by_model(
    requests: Sequence[Request], mode: SubmissionMode, *, max_requests: int
) -> tuple[tuple[Request, ...], ...]:
    """Pack requests into batches of one model and purpose; a warm-up is one of its own, the first.

    Each batch has one system prompt.
    """
    if mode is SubmissionMode.INTERACTIVE:
        # Sent one by one under one intent, so the batch limits do not apply.
        return (tuple(requests),) if requests else ()
    warm_up = _warm_up_request(requests) if mode is SubmissionMode.WARM_UP else None
    groups: dict[tuple[Purpose, str], list[Request]] = {}
    for request in requests:
        if request is not warm_up:
            group = request.request_key.purpose, request.model
            groups.setdefault(group, []).append(request)
    batches = [b for group in groups.values() for b in pack(group, max_requests=max_requests)]
    return ((warm_up,), *batches) if warm_up else tuple(batches)


def _warm_up_request(requests: Sequence[Request]) -> Request:
    """Choose the request that fills the cache: of a whole file if possible, and a small one."""
    candidates = [r for r in requests if r.may_be_cached]
    return min(candidates, key=lambda r: (r.request_key.parts, r.input_tokens))
