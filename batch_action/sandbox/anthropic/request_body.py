"""Validate request bodies: JSON, size, and the requests of a batch without their params."""

import json
import re
from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.anthropic.errors import ApiError

MAX_REQUESTS = 100_000
MAX_ID_CHARS = 64
ID_PATTERN = "^[a-zA-Z0-9_-]{1,64}$"
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(raw: bytes, limit: int) -> dict[str, Any]:
    """Parse a request body of at most `limit` bytes.

    Raises ApiError: when it is larger or no JSON object.
    """
    if len(raw) > limit:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        body = json.loads(raw)
        if SURROGATE.search(raw):
            # Python accepts an escaped lone surrogate, the service does not.
            json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        raise ApiError(400, "The request body is not valid JSON") from error
    if not isinstance(body, dict):
        raise ApiError(400, "Input should be a valid dictionary or object")
    return body


def validate_batch(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the requests of a new batch.

    Raises ApiError: for the first invalid request.
    """
    for name in body:
        if name != "requests":
            raise ApiError(400, f"{name}: Extra inputs are not permitted")
    requests = body.get("requests")
    if requests is None:
        raise ApiError(400, "requests: Field required")
    if not isinstance(requests, list):
        raise ApiError(400, "requests: Input should be a valid list")
    if not requests:
        raise ApiError(400, "requests: List should have at least 1 item after validation, not 0")
    if len(requests) > MAX_REQUESTS:
        raise ApiError(
            400,
            f"requests: List should have at most {MAX_REQUESTS} items after validation,"
            f" not {len(requests)}",
        )
    seen: set[str] = set()
    for index, request in enumerate(requests):
        error = _request_error(request, seen)
        if error:
            raise ApiError(400, f"requests.{index}{error}")
    return requests


def _request_error(request: object, seen: set[str]) -> str | None:
    if not isinstance(request, dict):
        return ": Input should be a valid dictionary"
    for name in ("custom_id", "params"):
        if name not in request:
            return f".{name}: Field required"
    extra = sorted(set(request) - {"custom_id", "params"})
    if extra:
        return f".{extra[0]}: Extra inputs are not permitted"
    if not isinstance(request["params"], dict):
        return ".params: Input should be a valid dictionary"
    return _id_error(request["custom_id"], seen)


def _id_error(name: object, seen: set[str]) -> str | None:
    if not isinstance(name, str):
        return ".custom_id: Input should be a valid string"
    if len(name) > MAX_ID_CHARS:
        return f".custom_id: String should have at most {MAX_ID_CHARS} characters"
    if not ID.fullmatch(name):
        return f".custom_id: String should match pattern '{ID_PATTERN}'"
    if name in seen:
        return f".custom_id: custom_id must be unique within the batch, '{name}' is repeated"
    seen.add(name)
    return None
