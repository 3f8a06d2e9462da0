"""Error answers in the documented shape of the Anthropic API."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

TYPES = {
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
    """A refusal that becomes an error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def new_id(prefix: str) -> str:
    """Invent an id of the service's look."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def error_body(
    kind: str, message: str, request_id: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write an error as the API does, in answers and in result lines alike."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if details:
        error["details"] = dict(details)
    return {"type": "error", "error": error, "request_id": request_id}


def answer(
    status: int,
    message: str,
    *,
    kind: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Response:
    """Build an error answer."""
    request_id = new_id("req")
    body = error_body(kind or TYPES.get(status, "api_error"), message, request_id, details)
    return JSONResponse(body, status_code=status, headers={"request-id": request_id})


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Answer a refusal."""
    if not isinstance(error, ApiError):
        raise error
    return answer(error.status, error.message)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer an unknown path or method."""
    status = int(getattr(error, "status_code", 500))
    return answer(status, {404: "Not found", 405: "Method Not Allowed"}.get(status, str(error)))
