"""Anthropic's responses as our values, and the SDK's exceptions as errors that say what to do."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import anthropic
import httpx2
from anthropic.types import MessageTokensCount, ModelInfo
from anthropic.types.messages import MessageBatch

from batch_action.clients.http import retry_after
from batch_action.clients.network import PROXY_LOGIN_FIX, connection_fix
from batch_action.errors import AnthropicError, BatchActionError, QuotaError, TransientError, advice
from batch_action.models.ledger import Usage
from batch_action.models.requests import BatchState, ModelCapabilities, Outcome, OutcomeKind

MAX_TOKENS = 10**10
"""A larger count is damaged data; the sums of a batch stay exact as JSON numbers."""
MAX_TYPE_CHARS = 40
MAX_ENVELOPES = 5
"""How deep an error is looked for in the envelopes of gateways."""
MAX_MESSAGE_CHARS = 300
BATCH_LIFETIME = timedelta(hours=24)
"""How long a batch may run before it expires (Anthropic's batch-processing page)."""

_PATH_OF_URL = re.compile(r"^\w+://[^/?#]*|[?#].*", re.DOTALL)
"""What is not the path of an address."""
_BATCH_ID = re.compile(r"[\w-]{1,200}")

_UNBILLED = frozenset({OutcomeKind.ERRORED, OutcomeKind.CANCELED, OutcomeKind.EXPIRED})
"""Outcomes without an answer, which cost nothing."""

STOP_REASONS = {
    "max_tokens": OutcomeKind.TRUNCATED,
    "model_context_window_exceeded": OutcomeKind.TRUNCATED,
    "refusal": OutcomeKind.REFUSED,
}
"""Stop reasons of a `succeeded` message without a usable answer (Anthropic's page on structured
outputs)."""

UNPARSABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading a foreign body raises, in the SDK and here."""
FOREIGN_FIX = (
    "A proxy, a firewall or a sign-in page may have answered in its place: check HTTPS_PROXY and "
    "`anthropic-base-url`. The next run tries again."
)
GATEWAY_FIX = (
    "This answer has no request id, so it is a proxy's or a gateway's: check HTTPS_PROXY and "
    "`anthropic-base-url`, or ask who runs it."
)
_QUOTA_WORDS = re.compile(r"credit balance|usage limits?\b|spend(?:ing)? limit", re.IGNORECASE)
"""These come as `invalid_request_error`."""


def results_paths(batch: BatchState, prefix: str) -> tuple[str, ...]:
    """Return where the results of a batch may be: the path that it names, and the documented one.

    Of the address that it names only the path is used, below the base URL's own (*prefix*): the
    host may be that of a server behind a gateway, and the key goes to nobody else. The paths are
    relative to the base URL.
    """
    path = _PATH_OF_URL.sub("", batch.results_url or "")
    path = path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path
    is_safe = re.fullmatch(r"(?:/[\w~-][\w.~-]*)+", path, re.ASCII) and batch.id in path.split("/")
    documented = f"/v1/messages/batches/{batch.id}/results"
    return tuple(dict.fromkeys([path, documented] if is_safe else [documented]))


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines that are not blank. Only LF ends a line: U+2028 in a text does not."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(bytes.strip, lines)
    if rest.strip():
        yield rest


def outcome_of_line(line: bytes) -> Outcome:
    """Return the outcome of one result line; an unknown result type is `unreadable`.

    Raises TypeError or ValueError: it is no result.
    """
    data = _dict(json.loads(line))
    custom_id, result = data.get("custom_id"), _dict(data.get("result"))
    if not isinstance(custom_id, str) or "result" not in data:
        raise TypeError("a line is no result")
    match result.get("type"):
        case "succeeded":
            return outcome_of_message(custom_id, result.get("message"))
        case "errored":
            name, message = error_of(result.get("error"))
            return Outcome(
                custom_id=custom_id, kind=OutcomeKind.ERRORED, detail=name, message=message
            )
        case "canceled":
            return Outcome(custom_id=custom_id, kind=OutcomeKind.CANCELED)
        case "expired":
            return Outcome(custom_id=custom_id, kind=OutcomeKind.EXPIRED)
        case other:
            return Outcome(
                custom_id=custom_id, kind=OutcomeKind.UNREADABLE, detail=f"result type {other}"
            )


def worth(outcome: Outcome | None) -> int:
    """Return which of several outcomes of one request counts: an answer, then what was billed."""
    if outcome is None or outcome.kind is OutcomeKind.SUCCEEDED:
        return 0 if outcome is None else 4
    return 1 if outcome.kind in _UNBILLED else 2 if outcome.kind is OutcomeKind.UNREADABLE else 3


def error_of(body: object) -> tuple[str, str]:
    """Return type and message of an error: nested in any depth, flat, a list, or a plain text."""
    name, text, inner = "", "", body
    for _ in range(MAX_ENVELOPES):
        inner = inner[0] if isinstance(inner, list) and inner else inner
        error = _dict(inner)
        name = _text(error.get("type")) or name
        text = _text(inner) or _text(error.get("message")) or text
        inner = error.get("error")
    return (name or "error")[:MAX_TYPE_CHARS], " ".join(text.split())[:MAX_MESSAGE_CHARS]


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
    usage = _usage(message.get("usage"))
    if usage and kind is not OutcomeKind.REFUSED:
        # Only a refusal before the first token is free.
        is_known = usage.prompt_tokens and (usage.output_tokens or not text)
        usage = usage if is_known else None
    model, tier = message.get("model"), _dict(message.get("usage")).get("service_tier")
    return Outcome(
        custom_id=custom_id,
        kind=kind,
        text=text if kind is OutcomeKind.SUCCEEDED else "",
        detail=str(category) if kind is OutcomeKind.REFUSED and category else stop_reason,
        usage=usage,
        model=model if isinstance(model, str) else "",
        tier=tier if isinstance(tier, str) else "",
    )


def _usage(usage: object) -> Usage | None:
    """Return the tokens of an answer; None when they cannot be read: it was not free."""
    data = _dict(usage)
    written = _dict(data.get("cache_creation"))
    try:
        one_hour = _tokens(written.get("ephemeral_1h_input_tokens"))
        five_minutes = _tokens(written.get("ephemeral_5m_input_tokens"))
        total = _tokens(data.get("cache_creation_input_tokens")) or one_hour + five_minutes
        return Usage(
            input_tokens=_tokens(data.get("input_tokens")),
            output_tokens=_tokens(data.get("output_tokens")),
            cache_write_5m_tokens=max(0, total - one_hour),
            cache_write_1h_tokens=one_hour,
            cache_read_tokens=_tokens(data.get("cache_read_input_tokens")),
        )
    except (OverflowError, ValueError):
        return None


def _tokens(value: object) -> int:
    """Return a number of tokens, also of a float or a text. Raises ValueError: it is none."""
    if value is None:
        return 0
    number = float(value) if isinstance(value, int | float | str) else -1.0
    if isinstance(value, bool) or not number.is_integer() or not 0 <= number <= MAX_TOKENS:
        raise ValueError("no number of tokens")
    return int(number)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MAX_TOKENS else 0


def token_count(counted: MessageTokensCount) -> int:
    """Return the input tokens of a count. Raises AttributeError or ValueError: it is none."""
    count = _count(counted.input_tokens)
    if not count:
        raise ValueError("no count of tokens")
    return count


def capabilities_of(info: ModelInfo) -> ModelCapabilities:
    """Return a model's capabilities; a missing field counts as supported, the API will refuse.

    Raises AttributeError or TypeError: it is no model.
    """
    if not isinstance(info.id, str):
        raise TypeError("no model")

    def is_supported(name: str) -> bool:
        capability = getattr(getattr(info, "capabilities", None), name, None)
        return getattr(capability, "supported", None) is not False

    return ModelCapabilities(
        id=info.id,
        lifecycle=str(getattr(info, "lifecycle", None) or "active"),
        retires_at=_with_timezone(getattr(info, "retires_at", None)),
        max_tokens=_count(getattr(info, "max_tokens", None)) or None,
        batch=is_supported("batch"),
        structured_outputs=is_supported("structured_outputs"),
        effort=is_supported("effort"),
    )


def _with_timezone(moment: object) -> datetime | None:
    """Return a moment with its time zone; None for what is no moment."""
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def batch_state_of(batch: MessageBatch) -> BatchState:
    """Return the state of a batch. Raises AttributeError or ValueError: it is none."""
    created_at = _with_timezone(batch.created_at)
    status: object = batch.processing_status
    if not _BATCH_ID.fullmatch(str(batch.id)) or not isinstance(status, str) or not created_at:
        raise ValueError("no batch")
    url: object = getattr(batch, "results_url", None)
    return BatchState(
        id=batch.id,
        status=status,
        created_at=created_at,
        expires_at=_with_timezone(batch.expires_at) or created_at + BATCH_LIFETIME,
        ended_at=_with_timezone(getattr(batch, "ended_at", None)),
        archived_at=_with_timezone(getattr(batch, "archived_at", None)),
        total=sum(map(_count, batch.request_counts.to_dict().values())),
        results_url=url if isinstance(url, str) else None,
        canceled=getattr(batch, "cancel_initiated_at", None) is not None,
    )


def server_time(header: str | None) -> datetime:
    """Return the moment of a `date` header; the local clock's without a valid header."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


@contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Raise the SDK's exceptions as AnthropicError and its kinds.

    `action`: what the block does, for messages, such as "creating the batch".
    """
    try:
        yield
    except anthropic.APIStatusError as error:
        raise _status_error(error, action) from error
    except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, BatchActionError):
            # Raised by our identity provider inside the SDK: it names the fix already.
            raise cause from None
        raise TransientError(
            f"Anthropic could not be reached while {action}: {str(cause).rstrip('.')}.",
            fix=connection_fix(cause, "The next run tries again."),
        ) from error
    except anthropic.WorkloadIdentityError as error:
        # No status: no connection. Only a 4xx with Anthropic's own words is a refusal.
        status = error.status_code
        if status is None or status == 429 or status >= 500:  # noqa: PLR2004 - HTTP
            raise TransientError(
                f"Anthropic could not be reached while {action}: {str(error).rstrip('.')}.",
                fix=connection_fix(error.__cause__ or error, "The next run tries again."),
            ) from error
        if status < 400 or not isinstance(error.body, dict):  # noqa: PLR2004 - HTTP
            raise TransientError(
                "What came back for GitHub's identity token is no answer of Anthropic's "
                f"({status}).",
                fix=FOREIGN_FIX,
            ) from error
        raise AnthropicError(
            f"Anthropic refused GitHub's identity token: {str(error).rstrip('.')}.",
            fix="Compare the federation rule's subject, audience and claims with this workflow.",
        ) from error
    except anthropic.AnthropicError as error:
        raise AnthropicError(
            f"Anthropic failed while {action}: {str(error).rstrip('.')}."
        ) from error
    except UNPARSABLE as error:
        raise TransientError(
            f"What came back while {action} is no answer of Anthropic's.", fix=FOREIGN_FIX
        ) from error


def _status_error(error: anthropic.APIStatusError, action: str) -> AnthropicError:
    status = error.status_code
    if isinstance(error, anthropic.ContentTooLargeError):
        return AnthropicError(
            f"Anthropic answered {status} while {action}: the request is too large.",
            fix="Set `max-requests-per-batch` to a smaller number.",
        )
    if is_foreign(error):
        return _transient(_foreign_message(error, action), FOREIGN_FIX, error.response)
    message = f"Anthropic answered {status} while {action}: {_message(error)}"
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        key = advice("`anthropic-api-key`", "ANTHROPIC_API_KEY")
        return AnthropicError(message, fix=f"Check {key} and the workspace it is for.")
    if _is_quota(error):
        return QuotaError(message, fix="Raise the limit or add credit; nothing was sent or lost.")
    if status in {408, 409, 429} or status >= 500:  # noqa: PLR2004 - HTTP
        return _transient(message, "The next run tries again.", error.response)
    fix = f"Request id {error.request_id}: please report it with this."
    if not error.request_id:
        # Anthropic names one with every answer: a gateway has refused by rules of its own.
        fix = PROXY_LOGIN_FIX if status == 407 else GATEWAY_FIX  # noqa: PLR2004 - HTTP
    return AnthropicError(message, fix=fix)


def is_foreign(error: anthropic.APIStatusError) -> bool:
    """Return whether somebody else answered: Anthropic's errors are JSON objects, no redirects."""
    return error.status_code < 400 or not isinstance(error.body, dict)  # noqa: PLR2004 - HTTP


def _foreign_message(error: anthropic.APIStatusError, action: str) -> str:
    location = str(error.response.headers.get("location", ""))
    # A page is not quoted, nor the query of an address.
    text = error_of(error.body)[1]
    words = f"{text.rstrip('.')}. " if text and "<" not in text else ""
    where = f"It redirects to {location.split('?', maxsplit=1)[0][:100]}. " if location else ""
    return (
        f"{error.status_code} came back while {action}: {words}{where}"
        "This is no answer of Anthropic's."
    )


def _transient(message: str, fix: str, response: httpx2.Response) -> TransientError:
    transient = TransientError(message, fix=fix)
    transient.retry_after = retry_after(response.headers)
    return transient


def _message(error: anthropic.APIStatusError) -> str:
    text = error_of(error.body)[1]
    return " ".join((text or error.message).split())[:MAX_MESSAGE_CHARS].rstrip(".") + "."


def _is_quota(error: anthropic.APIStatusError) -> bool:
    code = error.error_code or ""
    return (
        isinstance(error, anthropic.PaymentRequiredError)
        or code.endswith("_reached")
        or code == "ramp_limit_exceeded"
        or _QUOTA_WORDS.search(_message(error)) is not None
    )


def affects_all_requests(error: anthropic.APIStatusError) -> bool:
    """Return whether every other request would be refused too: a bad key, no credit."""
    refused = anthropic.AuthenticationError | anthropic.PermissionDeniedError
    return isinstance(error, refused) or _is_quota(error)


def was_not_processed(error: Exception) -> bool:
    """Return whether a request certainly had no effect: no connection, or a 4xx or 529.

    A 408 or 409 may come from a proxy after the request has arrived, as any other 5xx and all that
    is no answer of Anthropic's; but 413 (Cloudflare's) comes before it.
    """
    if isinstance(error, anthropic.APIStatusError) and is_foreign(error):
        return isinstance(error, anthropic.ContentTooLargeError)
    status = getattr(error, "status_code", None)
    if status is not None:
        refused = 400 <= status < 500 and status not in {408, 409}  # noqa: PLR2004 - HTTP
        return refused or status == 529  # noqa: PLR2004 - Anthropic's overload status
    return isinstance(
        error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | BatchActionError
    )
