"""What the SDK raises becomes an error that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx2

from batch_action.errors import AnthropicError, BatchActionError, QuotaError, TransientError


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into errors that say what to do."""
    try:
        yield
    except anthropic.APIStatusError as error:
        raise _status_error(error, doing) from error
    except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, BatchActionError):
            # What we hand the SDK (the identity of a keyless run) has said already what to do.
            raise cause from None
        raise TransientError(
            f"Anthropic could not be reached while {doing}: {str(cause).rstrip('.')}.",
            fix="The next run tries again.",
        ) from error
    except anthropic.WorkloadIdentityError as error:
        if isinstance(error.__cause__, httpx2.HTTPError):
            raise TransientError(
                f"Anthropic could not be reached while {doing}: {str(error).rstrip('.')}.",
                fix="The next run tries again.",
            ) from error
        raise AnthropicError(
            f"Anthropic refused GitHub's identity token: {str(error).rstrip('.')}.",
            fix="Compare the federation rule's subject, audience and claims with this workflow.",
        ) from error
    except anthropic.AnthropicError as error:
        raise AnthropicError(
            f"Anthropic failed while {doing}: {str(error).rstrip('.')}."
        ) from error


def _status_error(error: anthropic.APIStatusError, doing: str) -> AnthropicError:
    said = f"Anthropic answered {error.status_code} while {doing}: {_message(error)}"
    known = error.status_code
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return AnthropicError(said, fix="Check `anthropic-api-key` and the workspace it is for.")
    if _is_quota(error):
        return QuotaError(said, fix="Raise the limit or add credit; nothing was sent or lost.")
    if known in {408, 409, 429} or known >= 500:  # noqa: PLR2004 - HTTP's own numbers
        transient = TransientError(said, fix="The next run tries again.")
        transient.wait = _wait(error.response.headers.get("retry-after", ""))
        return transient
    if isinstance(error, anthropic.ContentTooLargeError):
        return AnthropicError(said, fix="Set `max-requests-per-batch` to a smaller number.")
    return AnthropicError(said, fix=f"Request id {error.request_id}: please report it with this.")


def _wait(header: str) -> float:
    """Seconds of a `retry-after`; the form with a date is not used by Anthropic."""
    return float(header) if header.replace(".", "", 1).isdecimal() else 0.0


def _message(error: anthropic.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    text = inner.get("message") if isinstance(inner, dict) else None
    # A proxy may answer with a page.
    return " ".join(str(text or error.message).split())[:300].rstrip(".") + "."


def _is_quota(error: anthropic.APIStatusError) -> bool:
    code = error.error_code or ""
    return (
        isinstance(error, anthropic.PaymentRequiredError)
        or code.endswith("_reached")
        or code == "ramp_limit_exceeded"
        or "API usage limits" in _message(error)
    )


def hits_all(error: anthropic.APIStatusError) -> bool:
    """Whether every other request would be refused like this one: the key, the credit."""
    refused = anthropic.AuthenticationError | anthropic.PermissionDeniedError
    return isinstance(error, refused) or _is_quota(error)


def never_arrived(error: Exception) -> bool:
    """Whether the request certainly did nothing: no connection, or turned away with a 4xx or 529.

    A 408 or 409 may come from a proxy after the request has arrived, like any other 5xx.
    """
    status = getattr(error, "status_code", None)
    if status is not None:
        refused = 400 <= status < 500 and status not in {408, 409}  # noqa: PLR2004 - HTTP
        return refused or status == 529  # noqa: PLR2004 - Anthropic's number
    return isinstance(
        error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | BatchActionError
    )
