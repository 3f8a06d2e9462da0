"""Code review: problems a change brought or exposed."""

from enum import StrEnum
from typing import Annotated

from batch_action.models.responses import Reading
from batch_action.tasks.responses import Answer, BaseRemark, Folded, to_remarks
from batch_action.tasks.task import Task

SECURITY = frozenset({"security"})


class Category(StrEnum):
    """What kind of problem; the prompt defines each."""

    BUG = "bug"
    SECURITY = "security"
    ERROR_HANDLING = "error-handling"
    CONCURRENCY = "concurrency"
    PERFORMANCE = "performance"
    API = "api"
    MAINTAINABILITY = "maintainability"


class ReviewRemark(BaseRemark):
    """A remark of a code review."""

    category: Annotated[Category, Folded]


class Review(Answer):
    """All problems of one file; an empty list is a good answer."""

    findings: list[ReviewRemark]


TASK = Task(
    name="code-review",
    description="Bugs and risks a change brought in or exposed",
    answer=Review,
    reading=lambda answer: Reading(remarks=to_remarks(answer.findings, security=SECURITY)),
    security=SECURITY,
)
