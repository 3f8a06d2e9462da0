"""Anthropic's words become ours: result lines, batches, models, its clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from anthropic.types import ModelInfo
from anthropic.types.messages import MessageBatch

from batch_action.models.ledger import Usage
from batch_action.models.requests import BatchState, ModelCapabilities, Outcome, OutcomeKind

MOST_TOKENS = 2**53
WINDOW = timedelta(hours=24)
"""How long a batch may run before it expires (Anthropic's batch-processing page)."""

STOPS = {
    "max_tokens": OutcomeKind.TRUNCATED,
    "model_context_window_exceeded": OutcomeKind.TRUNCATED,
    "refusal": OutcomeKind.REFUSED,
}
"""Ends of a `succeeded` message that are no answers (Anthropic's structured-outputs page)."""


def outcome_of(told: object) -> Outcome:
    """The outcome of one result line; a type we do not know is `unreadable`, never an answer."""
    line = _dict(told)
    custom_id = str(line.get("custom_id"))
    result = _dict(line.get("result"))
    match result.get("type"):
        case "succeeded":
            return message_of(custom_id, result.get("message"))
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


def message_of(custom_id: str, told: object) -> Outcome:
    """The outcome of one message; a stop reason may say that it is no answer."""
    message = _dict(told)
    stop = str(message.get("stop_reason"))
    content = message.get("content")
    blocks = [_dict(block) for block in content] if isinstance(content, list) else []
    # Thinking may come first, so no block is taken by its place.
    text = "".join(str(b.get("text", "")) for b in blocks if b.get("type") == "text")
    kind = STOPS.get(stop, OutcomeKind.SUCCEEDED)
    category = _dict(message.get("stop_details")).get("category")
    return Outcome(
        custom_id=custom_id,
        kind=kind,
        text=text if kind is OutcomeKind.SUCCEEDED else "",
        detail=str(category) if kind is OutcomeKind.REFUSED and category else stop,
        usage=_usage(_dict(message.get("usage"))),
    )


def _usage(usage: dict[str, Any]) -> Usage:
    written = _dict(usage.get("cache_creation"))
    all_written = _count(usage.get("cache_creation_input_tokens"))
    one_hour = _count(written.get("ephemeral_1h_input_tokens"))
    return Usage(
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        cache_write_5m_tokens=max(0, all_written - one_hour),
        cache_write_1h_tokens=one_hour,
        cache_read_tokens=_count(usage.get("cache_read_input_tokens")),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else 0


def facts_of(info: ModelInfo) -> ModelCapabilities:
    """Fields that are absent are taken as supported: the API itself refuses what is not."""

    def able(name: str) -> bool:
        capability = getattr(getattr(info, "capabilities", None), name, None)
        return getattr(capability, "supported", None) is not False

    return ModelCapabilities(
        id=info.id,
        lifecycle=getattr(info, "lifecycle", None) or "active",
        retires_at=_aware(getattr(info, "retires_at", None)),
        max_input_tokens=getattr(info, "max_input_tokens", None),
        max_tokens=getattr(info, "max_tokens", None),
        batch=able("batch"),
        structured_outputs=able("structured_outputs"),
        effort=able("effort"),
    )


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def state_of(batch: MessageBatch) -> BatchState:
    """A batch as the SDK parsed it, in our words."""
    return BatchState(
        id=batch.id,
        status=batch.processing_status,
        created_at=batch.created_at,
        expires_at=batch.expires_at or batch.created_at + WINDOW,
        ended_at=batch.ended_at,
        archived_at=batch.archived_at,
        total=sum(v for v in batch.request_counts.to_dict().values() if isinstance(v, int)),
        results_url=batch.results_url,
        canceled=batch.cancel_initiated_at is not None,
    )


def clock_of(header: str | None) -> datetime:
    """The moment a `date` header tells; ours where it tells none."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
