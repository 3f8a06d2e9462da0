"""The refactor-validation task: whether a change preserves the behavior of the code."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from batch_action.models.findings import RawFinding, Verdict
from batch_action.tasks.responses import BaseFinding, LowerCased, ResponseModel, UpperCased
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

    def to_raw(
        self, task: str, *, security: frozenset[str], whole_file: frozenset[str]
    ) -> RawFinding:
        """Convert it; a breaking change is always introduced by the reviewed change."""
        raw = super().to_raw(task, security=security, whole_file=whole_file)
        return replace(raw, pre_existing=False)


class RefactorValidation(ResponseModel):
    """Every breaking change of one file, then the verdict that follows from them."""

    findings: list[BreakingChange]
    summary: str = Field(description="Two to four sentences for the maintainer.")
    security: bool = Field(
        description="An attacker could use what the summary says. It is then not shown in public "
        "places."
    )
    verdict: Annotated[Verdict, UpperCased]


WHOLE_FILE_CATEGORIES = frozenset({BreakingChangeCategory.REMOVED.value})


TASK = Task(
    name="refactor-validation",
    description="Whether a refactoring preserves behavior: VALID, INVALID or UNCERTAIN",
    answer_model=RefactorValidation,
    whole_file_categories=WHOLE_FILE_CATEGORIES,
    needs_whole_file=True,
    context_needs=ContextNeeds.BEFORE,
)
