"""Verbs that need an extra: imported only when they are called."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from batch_action.errors import ConfigError


def extra(verb: str, package: str) -> Callable[..., Any]:
    """The story of a verb that needs the extra *package*; ConfigError where it is missing."""
    try:
        found: Callable[..., Any] = getattr(import_module(f"batch_action.verbs.{verb}"), verb)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{verb}` needs the package {error.name}, which is not installed.",
            fix=f"Install it with: pip install 'batch-action[{package}]'",
        ) from None
    return found
