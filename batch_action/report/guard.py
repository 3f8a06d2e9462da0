"""What may be told where anybody can read: on a public repository nothing about security."""

from collections.abc import Iterable

from batch_action.models.findings import Standing
from batch_action.models.report import Night


def guarded(night: Night) -> bool:
    """Whether findings of a security category are held back: by category, whatever the task."""
    return night.public and not night.allow_public_security


def shown(standings: Iterable[Standing], night: Night) -> tuple[Standing, ...]:
    """The standings that every destination but code scanning may tell."""
    hide = guarded(night)
    return tuple(s for s in standings if not (hide and s.known.security))
