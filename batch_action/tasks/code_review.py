"""The code-review task: problems that a change introduces or exposes."""

from enum import StrEnum
from typing import Annotated

from batch_action.tasks.responses import BaseFinding, LowerCased, ResponseModel
from batch_action.tasks.task import Task


class ReviewCategory(StrEnum):
    """The kind of problem; the prompt defines each."""

    BUG = "bug"
    SECURITY = "security"
    ERROR_HANDLING = "error-handling"
    CONCURRENCY = "concurrency"
    PERFORMANCE = "performance"
    API = "api"
    MAINTAINABILITY = "maintainability"


class ReviewFinding(BaseFinding):
    """One finding of a code review."""

    category: Annotated[ReviewCategory, LowerCased]


class CodeReview(ResponseModel):
    """All problems of one file; an empty list is a good answer."""

    findings: list[ReviewFinding]


SECURITY_CATEGORIES = frozenset({ReviewCategory.SECURITY.value})

TASK = Task(
    name="code-review",
    description="Bugs and risks that a change introduces or exposes",
    answer_model=CodeReview,
    security_categories=SECURITY_CATEGORIES,
    shared_prompts=("common", "excerpt"),
)
