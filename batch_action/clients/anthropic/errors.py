"""Translation of the SDK's exceptions into our errors, which tell the user what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx2

from batch_action.clients.anthropic.parsing import MAX_MESSAGE_CHARS, error_of
from batch_action.clients.http import connection_fix, retry_after
from batch_action.errors import AnthropicError, BatchActionError, QuotaError, TransientError

UNPARSABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading a foreign body raises, in the SDK and here."""
FOREIGN_FIX = (
    "A proxy, a firewall or a sign-in page may have answered in its place: check HTTPS_PROXY and "
    "`anthropic-base-url`. The next run tries again."
)


_QUOTA_WORDS = re.compile(r"credit balance|usage limits?\b|spend(?:ing)? limit", re.IGNORECASE)
"""These come as `invalid_request_error`."""


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
        return AnthropicError(message, fix="Check `anthropic-api-key` and the workspace it is for.")
    if _is_quota(error):
        return QuotaError(message, fix="Raise the limit or add credit; nothing was sent or lost.")
    if status in {408, 409, 429} or status >= 500:  # noqa: PLR2004 - HTTP
        return _transient(message, "The next run tries again.", error.response)
    return AnthropicError(
        message, fix=f"Request id {error.request_id}: please report it with this."
    )


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
