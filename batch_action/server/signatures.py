"""Whose word counts: a delivery's signature, checked over the raw bytes before anything is read.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, the latter with one or several `v1,<base64 of HMAC-SHA256>`. The tests sign
with that project's own libraries; we verify ourselves because those take one key, their own clock,
and text instead of bytes.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_action.errors import ConfigError
from batch_action.models.dispatch import DeliverySource

TOLERANCE = timedelta(minutes=5)
"""How far a delivery's clock may be from ours."""
ID_HEADER = "webhook-id"
STAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
HEX_HEADER = "anthropic-signature"
MOST_SIGNATURES = 16
SHORTEST_KEY = 16
"""Bytes: a shorter one can be guessed from a single delivery."""
_ID = re.compile(r"[!-~]{1,256}")
_STAMP = re.compile(r"[0-9]{1,11}")
_HEX = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})")


class UnsignedError(Exception):
    """It is not proven that a delivery comes from whom it says; why is for the log only."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Every secret that is good now: several of a kind while one is being changed."""

    standard: tuple[bytes, ...] = field(default=(), repr=False)
    hexadecimal: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.standard or self.hexadecimal)


def keys_from(standard: Mapping[str, str], hexadecimal: Mapping[str, str]) -> Keys:
    """The keys in these secrets, by the names of their variables. Raises ConfigError."""
    return Keys(
        tuple(_long_enough(name, _decoded(name, secret)) for name, secret in standard.items()),
        tuple(_long_enough(name, secret.encode()) for name, secret in hexadecimal.items()),
    )


def verified(
    headers: Mapping[str, str], body: bytes, now: datetime, keys: Keys
) -> tuple[DeliverySource, str]:
    """How this delivery is proven, and its id: equal for deliveries that are equal.

    *headers* by lower-case name. Raises UnsignedError.
    """
    if SIGNATURE_HEADER in headers and keys.standard:
        return DeliverySource.WEBHOOK, _standard(headers, body, now, keys.standard)
    if HEX_HEADER in headers and keys.hexadecimal:
        return DeliverySource.HEX, _hexadecimal(headers[HEX_HEADER], body, keys.hexadecimal)
    raise UnsignedError("no signature of a kind that a secret is set for")


def _standard(
    headers: Mapping[str, str], body: bytes, now: datetime, keys: tuple[bytes, ...]
) -> str:
    name, stamp = headers.get(ID_HEADER, ""), headers.get(STAMP_HEADER, "")
    if not (_ID.fullmatch(name) and _STAMP.fullmatch(stamp)):
        raise UnsignedError(f"{ID_HEADER} or {STAMP_HEADER} is missing or malformed")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise UnsignedError("its timestamp is more than 5 minutes off")
    signed = f"{name}.{stamp}.".encode() + body
    given = list(_signatures(headers[SIGNATURE_HEADER]))
    if not _any_match(given, (_digest(key, signed) for key in keys)):
        raise UnsignedError("no signature matches")
    return name


def _hexadecimal(header: str, body: bytes, keys: tuple[bytes, ...]) -> str:
    """The form without id and time: the body itself is what a replay is known by."""
    match = _HEX.fullmatch(header.strip())
    if match is None:
        raise UnsignedError(f"{HEX_HEADER} is no SHA-256 in hexadecimal")
    if not _any_match([bytes.fromhex(match[1])], (_digest(key, body) for key in keys)):
        raise UnsignedError("no signature matches")
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _signatures(header: str) -> Iterable[bytes]:
    for word in header.split()[:MOST_SIGNATURES]:
        version, _, value = word.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                continue


def _any_match(given: list[bytes], expected: Iterable[bytes]) -> bool:
    """Whether any fits, in a time that tells nothing: no comparison is left out."""
    found = [hmac.compare_digest(one, other) for other in expected for one in given]
    return any(found)


def _digest(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()


def _decoded(name: str, secret: str) -> bytes:
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(
            f"{name} holds no key of Standard Webhooks: that is `whsec_` and base64.",
            fix="Copy it again from where the webhook was set up.",
        ) from None


def _long_enough(name: str, key: bytes) -> bytes:
    if len(key) < SHORTEST_KEY:
        raise ConfigError(
            f"{name} is too short to protect anything: {len(key)} bytes.",
            fix=f"Use at least {SHORTEST_KEY} random bytes.",
        )
    return key
