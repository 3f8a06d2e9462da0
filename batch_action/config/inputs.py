"""What the door needs to know of an input besides its type, and how lists are written."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


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


Lines = Annotated[tuple[str, ...], BeforeValidator(lines)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Secret = SecretStr | None
Effort = Literal["low", "medium", "high", "xhigh", "max", "none"]


class Inputs(BaseModel):
    """Validated inputs; attribute names are the inputs' names with underscores."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )
