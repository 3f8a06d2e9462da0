"""What tasks answer with besides findings: generated files and judgements."""

from dataclasses import dataclass
from enum import StrEnum, unique


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A whole file that a task wrote: text only, never run and never written unchecked."""

    path: str
    """Where it belongs, relative to the repository's root; checked to stay inside it."""
    text: str
    source: str
    """The reviewed file it was made from; equal to `path` when that file itself was rewritten."""
    blob: str
    """The source's blob that was reviewed."""
    commit: str
    """The reviewed commit."""
    replaces: str | None = None
    """The blob that stood at `path` in the reviewed commit; None for a new file."""
    summary: str = ""
    """One sentence for people; the model's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A generated file that failed a check, and why."""

    path: str
    source: str
    reason: str
    """A short sentence of ours, e.g. `changes the code`, `leaves the repository`."""


@unique
class Verdict(StrEnum):
    """Whether what was asked about a file holds."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """The ruling on one file; what breaks is told as findings."""

    path: str
    blob: str
    old_blob: str | None
    commit: str
    verdict: Verdict
    summary: str
    """A few sentences; the model's words."""
