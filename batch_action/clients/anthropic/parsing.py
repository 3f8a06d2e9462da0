"""Parsing of Anthropic's responses: result lines, messages, batches, models, the clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from anthropic.types import ModelInfo
from anthropic.types.messages import MessageBatch

from batch_action.models.ledger import Usage
from batch_action.models.requests import BatchState, ModelCapabilities, Outcome, OutcomeKind

MAX_TOKENS = 2**53
"""A larger count is damaged data: JSON numbers are exact up to here."""
BATCH_LIFETIME = timedelta(hours=24)
"""How long a batch may run before it expires (Anthropic's batch-processing page)."""

STOP_REASONS = {
    "max_tokens": OutcomeKind.TRUNCATED,
    "model_context_window_exceeded": OutcomeKind.TRUNCATED,
    "refusal": OutcomeKind.REFUSED,
}
"""Stop reasons of a `succeeded` message without a usable answer (Anthropic's page on structured
outputs)."""


def outcome_of_result(data: object) -> Outcome:
    """Return the outcome of one result line; an unknown result type is `unreadable`."""
    line = _dict(data)
    custom_id = str(line.get("custom_id"))
    result = _dict(line.get("result"))
    match result.get("type"):
        case "succeeded":
            return outcome_of_message(custom_id, result.get("message"))
        case "errored":
            error = _dict(_dict(result.get("error")).get("error"))
            return Outcome(
                custom_id=custom_id, kind=OutcomeKind.ERRORED, detail=str(error.get("type"))
            )
        case "canceled":
            return Outcome(custom_id=custom_id, kind=OutcomeKind.CANCELED)
        case "expired":
            return Outcome(custom_id=custom_id, kind=OutcomeKind.EXPIRED)
        case other:
            return Outcome(
                custom_id=custom_id, kind=OutcomeKind.UNREADABLE, detail=f"result type {other}"
            )


def outcome_of_message(custom_id: str, data: object) -> Outcome:
    """Return the outcome of one message, by its stop reason."""
    message = _dict(data)
    stop_reason = str(message.get("stop_reason"))
    content = message.get("content")
    blocks = [_dict(block) for block in content] if isinstance(content, list) else []
    # Thinking blocks may come first, so blocks are chosen by type and not by position.
    text = "".join(str(b.get("text", "")) for b in blocks if b.get("type") == "text")
    kind = STOP_REASONS.get(stop_reason, OutcomeKind.SUCCEEDED)
    category = _dict(message.get("stop_details")).get("category")
    return Outcome(
        custom_id=custom_id,
        kind=kind,
        text=text if kind is OutcomeKind.SUCCEEDED else "",
        detail=str(category) if kind is OutcomeKind.REFUSED and category else stop_reason,
        usage=_usage(_dict(message.get("usage"))),
    )


def _usage(usage: dict[str, Any]) -> Usage:
    cache_creation = _dict(usage.get("cache_creation"))
    cache_writes = _count(usage.get("cache_creation_input_tokens"))
    one_hour_writes = _count(cache_creation.get("ephemeral_1h_input_tokens"))
    return Usage(
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        cache_write_5m_tokens=max(0, cache_writes - one_hour_writes),
        cache_write_1h_tokens=one_hour_writes,
        cache_read_tokens=_count(usage.get("cache_read_input_tokens")),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MAX_TOKENS else 0


def capabilities_of(info: ModelInfo) -> ModelCapabilities:
    """Return a model's capabilities; a missing field counts as supported, the API will refuse."""

    def is_supported(name: str) -> bool:
        capability = getattr(getattr(info, "capabilities", None), name, None)
        return getattr(capability, "supported", None) is not False

    return ModelCapabilities(
        id=info.id,
        lifecycle=getattr(info, "lifecycle", None) or "active",
        retires_at=_with_timezone(getattr(info, "retires_at", None)),
        max_input_tokens=getattr(info, "max_input_tokens", None),
        max_tokens=getattr(info, "max_tokens", None),
        batch=is_supported("batch"),
        structured_outputs=is_supported("structured_outputs"),
        effort=is_supported("effort"),
    )


def _with_timezone(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def batch_state_of(batch: MessageBatch) -> BatchState:
    """Return the state of a batch."""
    return BatchState(
        id=batch.id,
        status=batch.processing_status,
        created_at=batch.created_at,
        expires_at=batch.expires_at or batch.created_at + BATCH_LIFETIME,
        ended_at=batch.ended_at,
        archived_at=batch.archived_at,
        total=sum(v for v in batch.request_counts.to_dict().values() if isinstance(v, int)),
        results_url=batch.results_url,
        canceled=batch.cancel_initiated_at is not None,
    )


def server_time(header: str | None) -> datetime:
    """Return the moment of a `date` header; the local clock's without a valid header."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
