"""Task results other than findings: generated files and file verdicts."""

from dataclasses import dataclass
from enum import StrEnum, unique


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A whole file that a task generated and that passed its checks; it is never executed."""

    path: str
    """Target path, relative to the repository's root and checked to be inside it."""
    text: str
    source: str
    """The reviewed file that it was generated from; equal to `path` when that file is rewritten."""
    blob: str
    """The reviewed blob of `source`."""
    commit: str
    """The reviewed commit."""
    replaces: str | None = None
    """The blob at `path` in the reviewed commit; None for a new file."""
    summary: str = ""
    """One sentence for people, written by the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A generated file that failed a check, with the reason."""

    path: str
    source: str
    reason: str
    """A short phrase of this package, e.g. `changes the code`, `leaves the repository`."""


@unique
class Verdict(StrEnum):
    """Whether a file passes a validation task."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """The verdict on one file; its problems are reported as findings."""

    path: str
    blob: str
    old_blob: str | None
    commit: str
    verdict: Verdict
    summary: str
    """A few sentences, written by the model."""
