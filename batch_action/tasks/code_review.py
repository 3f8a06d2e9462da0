"""Code review: problems a change brought or exposed."""

from enum import StrEnum
from typing import Annotated

from batch_action.models.responses import TaskResponse
from batch_action.tasks.responses import BaseFinding, Folded, ResponseModel, to_raw_findings
from batch_action.tasks.task import Task

SECURITY = frozenset({"security"})


class ReviewCategory(StrEnum):
    """What kind of problem; the prompt defines each."""

    BUG = "bug"
    SECURITY = "security"
    ERROR_HANDLING = "error-handling"
    CONCURRENCY = "concurrency"
    PERFORMANCE = "performance"
    API = "api"
    MAINTAINABILITY = "maintainability"


class ReviewFinding(BaseFinding):
    """A remark of a code review."""

    category: Annotated[ReviewCategory, Folded]


class Review(ResponseModel):
    """All problems of one file; an empty list is a good answer."""

    findings: list[ReviewFinding]


TASK = Task(
    name="code-review",
    description="Bugs and risks a change brought in or exposed",
    answer=Review,
    response=lambda answer: TaskResponse(
        raw_findings=to_raw_findings(answer.findings, security=SECURITY)
    ),
    security=SECURITY,
)
