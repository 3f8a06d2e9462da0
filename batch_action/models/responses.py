"""What a task reads out of one answer: claimed, not yet checked against anything."""

from dataclasses import dataclass

from batch_action.models.file_results import Verdict
from batch_action.models.findings import RawFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A whole file as the model wrote it."""

    path: str
    text: str
    summary: str = ""
    """One sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTarget:
    """What a draft is held against; texts are masked and have plain line ends."""

    source: str
    """The path of the reviewed file it was made from."""
    language: str
    """Of that file."""
    text: str
    """The reviewed text."""
    present: str | None
    """What stands at the draft's path in the reviewed commit; None: nothing does."""
    tests: frozenset[str] = frozenset()
    """The tests of the reviewed file that were sent along whole."""
    framework: str = ""
    """What its tests are written for."""
    target: str = ""
    """Where new tests were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAssessment:
    """What the model makes of a change as a whole."""

    verdict: Verdict
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResponse:
    """The three kinds of answer; most tasks give one of them."""

    raw_findings: tuple[RawFinding, ...] = ()
    drafts: tuple[FileDraft, ...] = ()
    assessment: FileAssessment | None = None
