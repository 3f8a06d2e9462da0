"""What `doctor` says about one thing that the next run needs."""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class CheckState(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    """The next run works, but not as one would expect."""
    FAIL = "fail"
    """The next run fails, or sends nothing."""
    NOT_CHECKABLE = "not checkable"
    """It cannot be known here; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report."""

    name: str
    state: CheckState
    message: str
    fix: str = ""
    """What to do about it; empty when there is nothing to do."""


def ok(name: str, message: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name=name, state=CheckState.OK, message=message)


def warn(name: str, message: str, fix: str = "") -> Check:
    """Return a check that found something unexpected."""
    return Check(name=name, state=CheckState.WARN, message=message, fix=fix)


def fail(name: str, message: str, fix: str = "") -> Check:
    """Return a check that found what stops the next run."""
    return Check(name=name, state=CheckState.FAIL, message=message, fix=fix)


def not_checkable(name: str, message: str, fix: str = "") -> Check:
    """Return a check that cannot be made here."""
    return Check(name=name, state=CheckState.NOT_CHECKABLE, message=message, fix=fix)
