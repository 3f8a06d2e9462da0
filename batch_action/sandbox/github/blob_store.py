"""The blob store, served on another host: signed URLs, Put Blob and staged blocks."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Blob:
    """The content of one path; readable once it is committed."""

    data: bytes | None = None
    content_type: str = "application/octet-stream"
    blocks: dict[str, bytes] = field(default_factory=dict)


class BlobStore:
    """The blobs by path; each is accessible through signed URLs only."""

    def __init__(self, now: Callable[[], datetime], origin: str) -> None:
        self._now = now
        self._origin = origin
        self._key = secrets.token_bytes(32)
        self._blobs: dict[str, Blob] = {}
        self.app = Starlette(
            routes=[Route("/{path:path}", self._serve, methods=["GET", "HEAD", "PUT"])]
        )

    def link(self, path: str, permissions: str, lifetime: timedelta, name: str = "") -> str:
        """Create a URL that can be used to read (`r`) or write (`cw`) a blob for a time."""
        expiry = (self._now() + lifetime).astimezone(UTC).strftime(_STAMP)
        query = {
            "se": expiry,
            "sp": permissions,
            "spr": "https,http",
            "sr": "b",
            "sv": "2026-04-06",
        }
        if name:
            query["rscd"] = f'attachment; filename="{name}"'
        query["sig"] = self._signature(path, expiry, permissions)
        return f"{self._origin}/{path}?{urlencode(query)}"

    def get(self, path: str) -> bytes | None:
        """Return the committed bytes of a path."""
        blob = self._blobs.get(path)
        return blob.data if blob else None

    def drop(self, path: str) -> None:
        """Delete a blob."""
        self._blobs.pop(path, None)

    def _signature(self, path: str, expiry: str, permissions: str) -> str:
        text = f"{path}\n{expiry}\n{permissions}".encode()
        return base64.b64encode(hmac.digest(self._key, text, hashlib.sha256)).decode()

    async def _serve(self, request: Request) -> Response:
        body = await request.body()
        path = request.path_params["path"]
        refusal = self._refusal(request, path)
        if refusal:
            return refusal
        if request.method == "PUT":
            return self._put(request, path, body)
        blob = self._blobs.get(path)
        if blob is None or blob.data is None:
            return _error(404, "BlobNotFound", "The specified blob does not exist.")
        headers = {"x-ms-blob-type": "BlockBlob", "ETag": f'"{len(blob.data):x}"'}
        if "rscd" in request.query_params:
            headers["Content-Disposition"] = request.query_params["rscd"]
        return Response(blob.data, media_type=blob.content_type, headers=headers)

    def _refusal(self, request: Request, path: str) -> Response | None:
        """Return the error response to a request without a valid signature; else None."""
        if "authorization" in request.headers:
            return _error(
                403,
                "AuthenticationFailed",
                "Only one of a shared access signature and an Authorization header may be used.",
            )
        query = request.query_params
        expiry, permissions = query.get("se", ""), query.get("sp", "")
        expected = self._signature(path, expiry, permissions)
        if not hmac.compare_digest(query.get("sig", "").encode(), expected.encode()):
            return _error(403, "AuthenticationFailed", "Signature did not match.")
        if datetime.strptime(expiry, _STAMP).replace(tzinfo=UTC) < self._now():
            return _error(403, "AuthenticationFailed", f"Signature not valid after {expiry}.")
        if ("w" if request.method == "PUT" else "r") not in permissions:
            return _error(403, "AuthorizationPermissionMismatch", "The link is not for this.")
        return None

    def _put(self, request: Request, path: str, body: bytes) -> Response:
        blob = self._blobs.setdefault(path, Blob())
        match request.query_params.get("comp"):
            case "block":
                blob.blocks[request.query_params["blockid"]] = body
            case "blocklist":
                block_ids = [node.text or "" for node in ET.fromstring(body)]  # noqa: S314
                if any(block not in blob.blocks for block in block_ids):
                    return _error(400, "InvalidBlockList", "A listed block was never staged.")
                blob.data = b"".join(blob.blocks[block] for block in block_ids)
                blob.content_type = request.headers.get("x-ms-blob-content-type", blob.content_type)
            case None:
                if request.headers.get("x-ms-blob-type") != "BlockBlob":
                    return _error(400, "MissingRequiredHeader", "x-ms-blob-type is missing.")
                blob.data = body
                blob.content_type = request.headers.get(
                    "x-ms-blob-content-type", request.headers.get("content-type", blob.content_type)
                )
            case _:
                return _error(400, "InvalidQueryParameterValue", "Unknown comp.")
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return Response(status_code=201, headers={"Content-MD5": digest, "ETag": f'"{digest}"'})


def _error(status: int, code: str, message: str) -> Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
    return Response(
        f"{text}<Message>{message}</Message></Error>",
        status_code=status,
        media_type="application/xml",
        headers={"x-ms-error-code": code},
    )
