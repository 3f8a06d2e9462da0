"""What an input declares besides its type, and the types and validators that inputs share."""

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from batch_action.models.licenses import spdx_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What an input declares besides its type and default."""

    help: str
    """One sentence for action.yml, `--help` and the docs."""
    action: bool = False
    """Declared in action.yml; the others are flags, variables or keys of the config file."""
    file: bool = True
    """Allowed in the config file: never keys, tokens, URLs or anything that guards a secret."""
    env: str | None = None
    """A conventional environment variable, besides `BATCH_ACTION_<NAME>`."""
    expected: str = ""
    """What the field's pattern accepts, in words, for the error message."""


def split_lines(value: Any) -> Any:
    """Split text into its lines, without blank ones; leave a list as it is."""
    if isinstance(value, str):
        return tuple(item for line in value.splitlines() if (item := line.strip()))
    return value


def split_words(value: Any) -> Any:
    """Split text at commas and line breaks, without blank items; leave a list as it is."""
    if isinstance(value, str):
        return tuple(item for word in re.split(r"[,\n]", value) if (item := word.strip()))
    return value


def check_state_key(value: str) -> str:
    """Refuse a `state-key` that would give a ledger the name of the pull requests' ledger."""
    if f"-{value}".endswith("-pr"):
        raise PydanticCustomError("reserved", "`-pr` ends the name of the pull requests' ledger")
    return value


def check_secret_url(value: SecretStr) -> SecretStr:
    """Refuse a URL that is neither https nor http on this machine."""
    url = _parse_url(value.get_secret_value())
    is_local = url is not None and url.hostname in ("localhost", "127.0.0.1", "::1")
    if url is None or not (url.scheme == "https" or (is_local and url.scheme == "http")):
        raise PydanticCustomError("secret_url", "not an https:// URL")
    return value


def _parse_url(text: str) -> SplitResult | None:
    # Blanks and control characters could break a log line or a header.
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    is_clean = text.isascii() and text.isprintable() and " " not in text
    return url if is_clean and url.hostname and not url.username else None


def check_signing_key(value: SecretStr) -> SecretStr:
    """Refuse a key that is not base64, with or without the `whsec_` of Standard Webhooks."""
    text = value.get_secret_value().removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise PydanticCustomError("signing_key", "not a signing key")
    return value


def normalize_spdx_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    """Spell license identifiers as the SPDX list does; refuse those that it does not have."""
    unknown = [name for name in names if spdx_id(name) is None]
    if unknown:
        raise PydanticCustomError(
            "spdx", "the SPDX list does not have {names}", {"names": ", ".join(map(repr, unknown))}
        )
    return tuple(spdx_id(name) or name for name in names)


Lines = Annotated[tuple[str, ...], BeforeValidator(split_lines)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
LicenseIds = Annotated[Words, AfterValidator(normalize_spdx_ids)]
Secret = SecretStr | None
SecretUrl = Annotated[SecretStr, AfterValidator(check_secret_url)] | None
SigningKey = Annotated[SecretStr, AfterValidator(check_signing_key)] | None
Effort = Literal["low", "medium", "high", "xhigh", "max", "none"]
Destination = Literal[
    "issue",
    "issue-per-finding",
    "pr-review",
    "draft-pr",
    "sarif",
    "summary",
    "annotations",
    "files",
    "slack",
    "webhook",
]
