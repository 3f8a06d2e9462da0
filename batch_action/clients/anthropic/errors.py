"""Translation of the SDK's exceptions into our errors, which tell the user what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import anthropic
import httpx2

from batch_action.clients.http import connection_fix, retry_after
from batch_action.errors import AnthropicError, BatchActionError, QuotaError, TransientError

FOREIGN_FIX = (
    "A proxy, a firewall or a sign-in page may have answered in its place: check HTTPS_PROXY and "
    "`anthropic-base-url`. The next run tries again."
)


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
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise TransientError(
            f"What came back while {action} is no answer of Anthropic's.", fix=FOREIGN_FIX
        ) from error


def _status_error(error: anthropic.APIStatusError, action: str) -> AnthropicError:
    message = f"Anthropic answered {error.status_code} while {action}: {_message(error)}"
    status = error.status_code
    location = error.response.headers.get("location")
    if location or not isinstance(error.body, dict):
        where = f" It redirects to {urlsplit(location).hostname}." if location else ""
        return _transient(f"{message}{where}", FOREIGN_FIX, error.response)
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return AnthropicError(message, fix="Check `anthropic-api-key` and the workspace it is for.")
    if _is_quota(error):
        return QuotaError(message, fix="Raise the limit or add credit; nothing was sent or lost.")
    if status in {408, 409, 429} or status >= 500:  # noqa: PLR2004 - HTTP
        return _transient(message, "The next run tries again.", error.response)
    if isinstance(error, anthropic.ContentTooLargeError):
        return AnthropicError(message, fix="Set `max-requests-per-batch` to a smaller number.")
    return AnthropicError(
        message, fix=f"Request id {error.request_id}: please report it with this."
    )


def _transient(message: str, fix: str, response: httpx2.Response) -> TransientError:
    transient = TransientError(message, fix=fix)
    transient.retry_after = retry_after(response.headers)
    return transient


def _message(error: anthropic.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    text = inner.get("message") if isinstance(inner, dict) else None
    # A proxy may respond with an HTML page.
    return " ".join(str(text or error.message).split())[:300].rstrip(".") + "."


def _is_quota(error: anthropic.APIStatusError) -> bool:
    code = error.error_code or ""
    return (
        isinstance(error, anthropic.PaymentRequiredError)
        or code.endswith("_reached")
        or code == "ramp_limit_exceeded"
        or "API usage limits" in _message(error)
    )


def affects_all_requests(error: anthropic.APIStatusError) -> bool:
    """Return whether every other request would be refused too: a bad key, no credit."""
    refused = anthropic.AuthenticationError | anthropic.PermissionDeniedError
    return isinstance(error, refused) or _is_quota(error)


def was_not_processed(error: Exception) -> bool:
    """Return whether a request certainly had no effect: no connection, or a 4xx or 529.

    A 408 or 409 may come from a proxy after the request has arrived, as any other 5xx.
    """
    status = getattr(error, "status_code", None)
    if status is not None:
        refused = 400 <= status < 500 and status not in {408, 409}  # noqa: PLR2004 - HTTP
        return refused or status == 529  # noqa: PLR2004 - Anthropic's overload status
    return isinstance(
        error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | BatchActionError
    )
