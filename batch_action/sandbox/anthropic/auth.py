"""Authentication: API keys, access tokens, and the exchange of identity tokens."""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from batch_action.sandbox.anthropic.errors import ApiError
from batch_action.sandbox.clock import Clock

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OAUTH_BETA = "oauth-2025-04-20"
FEDERATION_BETA = "oidc-federation-2026-04-01"
TOKEN_PREFIX = "sk-ant-oat01-"  # noqa: S105 - a prefix, not a token
TOKEN_SECONDS = 600
VERSIONS = frozenset({"2023-06-01", "2026-10-21"})


class Authenticator:
    """Finds the workspace of a request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._used_assertions: set[str] = set()

    def workspace(self, request: Request) -> str:
        """Return the workspace of a request.

        Raises ApiError: when the key, token or version is not valid.
        """
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = bearer or request.headers.get("x-api-key", "").strip()
        if not key:
            raise ApiError(401, "x-api-key header is required")
        if key.startswith("sk-ant-invalid"):
            raise ApiError(401, "invalid x-api-key")
        workspace = (
            self._workspace_of_token(request, key)
            if key.startswith(TOKEN_PREFIX)
            else _workspace_of_key(key)
        )
        version = request.headers.get("anthropic-version")
        if version is None:
            raise ApiError(400, "anthropic-version: header is required")
        if version not in VERSIONS:
            raise ApiError(400, f'anthropic-version: "{version}" is not a valid version')
        return workspace

    def exchange(self, betas: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange an identity token, which can be used once, for an access token.

        Raises ApiError: when the request or the identity token is not valid.
        """
        if OAUTH_BETA not in betas or FEDERATION_BETA not in betas:
            raise ApiError(400, f"anthropic-beta: {FEDERATION_BETA} is required")
        if body.get("grant_type") != GRANT_TYPE:
            raise ApiError(400, "grant_type: unsupported grant type")
        for name in ("assertion", "federation_rule_id", "organization_id"):
            if not body.get(name) or not isinstance(body[name], str):
                raise ApiError(400, f"{name}: Field required")
        if body.get("service_account_id") == "":
            raise ApiError(400, "service_account_id: must not be empty")
        claims = _read_claims(body["assertion"])
        jti = str(claims.get("jti") or body["assertion"])
        if not claims or jti in self._used_assertions:
            # The service does not say why (a second use, a wrong subject, …).
            raise ApiError(401, "Authentication failed")
        self._used_assertions.add(jti)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires = self._clock.now() + timedelta(seconds=TOKEN_SECONDS)
        self._tokens[token] = (str(body.get("workspace_id") or "default"), expires)
        token_type = "Bearer"  # noqa: S105
        return {
            "access_token": token,
            "token_type": token_type,
            "expires_in": TOKEN_SECONDS,
            "scope": "workspace:developer",
        }

    def _workspace_of_token(self, request: Request, token: str) -> str:
        workspace, expires = self._tokens.get(token, ("", None))
        if expires is None or expires <= self._clock.now():
            raise ApiError(401, "Invalid bearer token")
        if OAUTH_BETA not in request.headers.get("anthropic-beta", ""):
            raise ApiError(401, "OAuth authentication is currently not supported.")
        return workspace


def _workspace_of_key(key: str) -> str:
    """Return the workspace of a key such as `sk-ant-anything--ws-NAME`."""
    return key.partition("--ws-")[2] or "default"


def _read_claims(jwt: str) -> dict[str, Any]:
    """Return the claims of a JWT; empty when it is malformed."""
    parts = jwt.split(".")
    if len(parts) != 3 or not all(parts):
        return {}
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in parts[:2])
    except (binascii.Error, ValueError):
        return {}
    valid = isinstance(head, dict) and "alg" in head and isinstance(claims, dict)
    return claims if valid else {}
