"""Injected error responses, in the format of each service."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from batch_action.sandbox.anthropic.errors import error_response as anthropic_error

TWIRP_CODES = {
    400: "malformed",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    409: "already_exists",
    429: "resource_exhausted",
    500: "internal",
    503: "unavailable",
}
MESSAGES = {
    403: "You have exceeded a secondary rate limit. Please wait a few minutes.",
    404: "Not Found",
    429: "API rate limit exceeded",
    500: "Internal server error",
    502: "Server Error",
    503: "Service unavailable",
    529: "Overloaded",
}


def injected_error(path: str, service: str, details: Mapping[str, Any]) -> Response:
    """Create the response of a `status` fault.

    Details: `status`, `message`, `error_type`, `retry_after`, `headers`, `body`,
    and `error_details` (the `details` of an Anthropic error).
    """
    status = int(details.get("status", 500))
    message = str(details.get("message", MESSAGES.get(status, "Something went wrong")))
    response: Response
    if "body" in details:
        response = Response(str(details["body"]), status_code=status)
    elif service == "anthropic":
        response = anthropic_error(
            status, message, kind=details.get("error_type"), details=details.get("error_details")
        )
    elif service == "blobs":
        response = Response(
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code>'
            f"<Message>{message}</Message></Error>",
            status_code=status,
            media_type="application/xml",
        )
    elif path.startswith("/twirp"):
        body = {"code": TWIRP_CODES.get(status, "unknown"), "msg": message}
        response = JSONResponse(body, status_code=status)
    else:
        body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        response = JSONResponse({**body, "status": str(status)}, status_code=status)
    if "retry_after" in details:
        response.headers["retry-after"] = str(details["retry_after"])
    for name, value in details.get("headers", {}).items():
        response.headers[name] = str(value)
    return response
