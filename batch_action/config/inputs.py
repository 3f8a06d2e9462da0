"""What the door needs to know of an input besides its type, and how lists are written."""

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What the door needs to know of an input besides its type and default."""

    help: str
    action: bool = False
    """Declared in action.yml; finer things live in the file only."""
    file: bool = True
    """May be set in the config file: never keys, tokens, URLs or the public guard."""
    env: str | None = None
    """A conventional environment variable, besides BATCH_ACTION_<NAME>."""
    form: str = ""
    """What its pattern asks for, in words."""


def lines(value: Any) -> Any:
    """One item a line, in text from outside; blank lines do not count."""
    if isinstance(value, str):
        return tuple(x for line in value.splitlines() if (x := line.strip()))
    return value


def words(value: Any) -> Any:
    """Items between commas or line breaks, in text from outside."""
    if isinstance(value, str):
        return tuple(x for word in re.split(r"[,\n]", value) if (x := word.strip()))
    return value


def no_pulls_key(value: str) -> str:
    """A `state-key` under which the ledger cannot be taken for that of pull requests."""
    if f"-{value}".endswith("-pr"):
        raise PydanticCustomError("reserved", "so ends the name of the ledger of pull requests")
    return value


Lines = Annotated[tuple[str, ...], BeforeValidator(lines)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Secret = SecretStr | None
SHORTEST_PATH = 16
"""A shorter path of a secret address hides nothing, and is a word that logs need."""


def address(value: SecretStr) -> SecretStr:
    """A secret address: https, or http on this very machine."""
    parts = _split(value.get_secret_value())
    local = parts is not None and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts is None or not (parts.scheme == "https" or (local and parts.scheme == "http")):
        raise PydanticCustomError("secret_address", "not an https:// address")
    return value


def _split(text: str) -> SplitResult | None:
    """An address with a host, and nothing that a log or a header could break at."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    clean = text.isascii() and text.isprintable() and " " not in text
    return parts if clean and parts.hostname and not parts.username else None


def signing_key(value: SecretStr) -> SecretStr:
    """A key as Standard Webhooks write it: base64, with or without `whsec_` before it."""
    text = value.get_secret_value().removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise PydanticCustomError("signing_key", "no signing key")
    return value


SecretAddress = Annotated[SecretStr, AfterValidator(address)] | None
SigningKey = Annotated[SecretStr, AfterValidator(signing_key)] | None
Effort = Literal["low", "medium", "high", "xhigh", "max", "none"]


class Inputs(BaseModel):
    """Validated inputs; attribute names are the inputs' names with underscores."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )

    def secrets(self) -> tuple[str, ...]:
        """What no log may show: every secret, and of secret addresses the path alone as well."""
        fields = type(self).model_fields
        given = [getattr(self, name) for name in fields]
        told = [value.get_secret_value() for value in given if isinstance(value, SecretStr)]
        paths = [urlsplit(text).path for text in told if text.startswith(("http://", "https://"))]
        return (*told, *(path for path in paths if len(path) >= SHORTEST_PATH))
