"""Error responses of the Anthropic API."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """An error that becomes an error response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def new_id(prefix: str) -> str:
    """Create a random id such as `msgbatch_01…`."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def error_body(
    kind: str, message: str, request_id: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the error object of responses and result lines."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if details:
        error["details"] = dict(details)
    return {"type": "error", "error": error, "request_id": request_id}


def error_response(
    status: int,
    message: str,
    *,
    kind: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Response:
    """Create an error response."""
    request_id = new_id("req")
    body = error_body(kind or ERROR_TYPES.get(status, "api_error"), message, request_id, details)
    return JSONResponse(body, status_code=status, headers={"request-id": request_id})


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Create the response to an ApiError."""
    if not isinstance(error, ApiError):
        raise error
    return error_response(error.status, error.message)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Create the response to an unknown path or method."""
    status = int(getattr(error, "status_code", 500))
    return error_response(
        status, {404: "Not found", 405: "Method Not Allowed"}.get(status, str(error))
    )
