"""A task's parsed answer, not yet checked against the repository."""

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
    """What a file draft is validated against; texts are masked and have LF line ends."""

    source: str
    """Path of the reviewed file that it was generated from."""
    language: str
    """Language of `source`."""
    text: str
    """Reviewed text of `source`."""
    existing_text: str | None
    """Text at the draft's path in the reviewed commit; None when there is no file."""
    tests: frozenset[str] = frozenset()
    """Paths of the tests of `source` that were sent in full."""
    framework: str = ""
    """Test framework of `source`."""
    test_path: str = ""
    """Path at which new tests were requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAssessment:
    """The model's assessment of a whole file."""

    verdict: Verdict
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResponse:
    """A task's answer about one file: findings, drafts or an assessment."""

    raw_findings: tuple[RawFinding, ...] = ()
    drafts: tuple[FileDraft, ...] = ()
    assessment: FileAssessment | None = None
