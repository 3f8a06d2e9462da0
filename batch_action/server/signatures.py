"""Proof of a webhook delivery: its signature, checked over the raw bytes before they are parsed.

Standard Webhooks (https://www.standardwebhooks.com) through its library, and the plain form of
the header `anthropic-signature`: the body's HMAC-SHA256 in hexadecimal.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from standardwebhooks import Webhook, WebhookVerificationError

from batch_action.config.inputs import decode_signing_key
from batch_action.errors import ConfigError

HEX_HEADER = "anthropic-signature"
SIGNATURE_HEADER = "webhook-signature"
MIN_KEY_BYTES = 16
"""A shorter key can be guessed from a single delivery."""
_HEX = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})")


class UnsignedError(Exception):
    """The sender of a delivery is not proven; the reason is for the log only."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Every secret that is valid now: several of a kind while one is being rotated."""

    standard: tuple[Webhook, ...] = field(default=(), repr=False)
    hexadecimal: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.standard or self.hexadecimal)


def keys_from(standard: Mapping[str, str], hexadecimal: Mapping[str, str]) -> Keys:
    """Build the keys from these secrets, by the names of their variables. Raises ConfigError."""
    return Keys(
        tuple(Webhook(_check_length(n, _decode(n, secret))) for n, secret in standard.items()),
        tuple(_check_length(name, secret.encode()) for name, secret in hexadecimal.items()),
    )


def verify(headers: Mapping[str, str], body: bytes, keys: Keys) -> tuple[str, str]:
    """Return how a delivery is proven (`webhook`, `hex-signature`) and its id.

    Equal deliveries have equal ids. *headers* by lower-case name. Raises UnsignedError.
    """
    if SIGNATURE_HEADER in headers and keys.standard:
        return "webhook", _verify_standard(headers, body, keys.standard)
    if HEX_HEADER in headers and keys.hexadecimal:
        return "hex-signature", _verify_hexadecimal(headers[HEX_HEADER], body, keys.hexadecimal)
    raise UnsignedError("no signature of a kind that a secret is set for")


def _verify_standard(headers: Mapping[str, str], body: bytes, keys: tuple[Webhook, ...]) -> str:
    reasons = []
    for key in keys:
        try:
            key.verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            reasons.append(str(error))
        except ValueError:
            # The library does not guard against malformed lists, base64 and UTF-8.
            reasons.append("a malformed signature or body")
        else:
            return headers["webhook-id"]
    raise UnsignedError(reasons[0])


def _verify_hexadecimal(header: str, body: bytes, keys: tuple[bytes, ...]) -> str:
    """Verify the form without id and time; the body's digest is what a replay is known by."""
    match = _HEX.fullmatch(header.strip())
    if match is None:
        raise UnsignedError(f"{HEX_HEADER} is not a SHA-256 in hexadecimal")
    given = bytes.fromhex(match[1])
    matches = [hmac.compare_digest(given, hmac.digest(key, body, "sha256")) for key in keys]
    if not any(matches):
        raise UnsignedError("no signature matches")
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _decode(name: str, secret: str) -> bytes:
    try:
        return decode_signing_key(secret)
    except ValueError:
        raise ConfigError(
            f"{name} contains no key of Standard Webhooks: that is `whsec_` and base64.",
            fix="Copy it again from where the webhook was set up.",
        ) from None


def _check_length(name: str, key: bytes) -> bytes:
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(
            f"{name} is too short to protect anything: {len(key)} bytes.",
            fix=f"Use at least {MIN_KEY_BYTES} random bytes.",
        )
    return key
