"""The refactor-validation task: whether a change preserves the behavior of the code."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from batch_action.models.file_results import Verdict
from batch_action.models.responses import TaskResponse
from batch_action.tasks.responses import (
    BaseFinding,
    LowerCased,
    ResponseModel,
    UpperCased,
    to_raw_findings,
    to_verdict_response,
)
from batch_action.tasks.task import ContextNeeds, Task


class BreakingChangeCategory(StrEnum):
    """How the new version differs for its callers; the prompt defines each."""

    SIGNATURE = "signature"
    RESULT = "result"
    ERRORS = "errors"
    SIDE_EFFECTS = "side-effects"
    STATE = "state"
    REMOVED = "removed"
    OTHER = "other"


class BreakingChange(BaseFinding):
    """A change of behavior that a caller or a user can observe."""

    category: Annotated[BreakingChangeCategory, LowerCased]


class RefactorValidation(ResponseModel):
    """Every breaking change of one file, then the verdict that follows from them."""

    findings: list[BreakingChange]
    summary: str
    verdict: Annotated[Verdict, UpperCased]


WHOLE_FILE_CATEGORIES = frozenset({BreakingChangeCategory.REMOVED.value})


def to_response(answer: RefactorValidation) -> TaskResponse:
    """Return the breaking changes and the verdict."""
    raw_findings = to_raw_findings(answer.findings, whole_file_categories=WHOLE_FILE_CATEGORIES)
    # A breaking change is always introduced by the reviewed change, whichever line shows it.
    return to_verdict_response(
        answer, tuple(replace(finding, pre_existing=False) for finding in raw_findings)
    )


TASK = Task(
    name="refactor-validation",
    description="Whether a refactoring preserves behavior: VALID, INVALID or UNCERTAIN",
    answer_model=RefactorValidation,
    to_response=to_response,
    whole_file_categories=WHOLE_FILE_CATEGORIES,
    needs_whole_file=True,
    context_needs=ContextNeeds.BEFORE,
)
