"""Refactor validation: whether a change of the code kept what the code does."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from batch_action.models.file_results import Verdict
from batch_action.models.responses import FileAssessment, TaskResponse
from batch_action.tasks.responses import BaseFinding, Folded, ResponseModel, raised, to_raw_findings
from batch_action.tasks.task import ContextNeeds, Task


class RefactoringCategory(StrEnum):
    """In what way callers can tell the new version from the old one; the prompt defines each."""

    SIGNATURE = "signature"
    RESULT = "result"
    ERRORS = "errors"
    SIDE_EFFECTS = "side-effects"
    STATE = "state"
    REMOVED = "removed"
    OTHER = "other"


class BreakingChange(BaseFinding):
    """Something that a caller or a user can observe, and that is not as it was."""

    category: Annotated[RefactoringCategory, Folded]


class Validation(ResponseModel):
    """Every breaking change of one file, then the ruling they lead to."""

    findings: list[BreakingChange]
    summary: str
    verdict: Annotated[Verdict, BeforeValidator(raised)]


WHOLE_FILE = frozenset({RefactoringCategory.REMOVED.value})


def reading(answer: Validation) -> TaskResponse:
    """The breaking changes and the ruling; a ruling that its own findings deny is uncertain."""
    denied = answer.verdict is Verdict.VALID and bool(answer.findings)
    ruling = Verdict.UNCERTAIN if denied else answer.verdict
    remarks = to_raw_findings(answer.findings, security=frozenset(), whole_file=WHOLE_FILE)
    return TaskResponse(
        # What breaks is this change's, on whatever line it shows.
        raw_findings=tuple(replace(remark, pre_existing=False) for remark in remarks),
        assessment=FileAssessment(verdict=ruling, summary=answer.summary),
    )


TASK = Task(
    name="refactor-validation",
    description="Whether a refactoring kept the behaviour: VALID, INVALID or UNCERTAIN",
    answer=Validation,
    response=reading,
    whole_file=WHOLE_FILE,
    whole=True,
    company=ContextNeeds.BEFORE,
)
