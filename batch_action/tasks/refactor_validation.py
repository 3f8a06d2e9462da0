"""Refactor validation: whether a change of the code kept what the code does."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from batch_action.models.file_results import Ruling
from batch_action.models.responses import Opinion, Reading
from batch_action.tasks.responses import Answer, BaseRemark, Folded, raised, to_remarks
from batch_action.tasks.task import Company, Task


class Category(StrEnum):
    """In what way callers can tell the new version from the old one; the prompt defines each."""

    SIGNATURE = "signature"
    RESULT = "result"
    ERRORS = "errors"
    SIDE_EFFECTS = "side-effects"
    STATE = "state"
    REMOVED = "removed"
    OTHER = "other"


class BreakingChange(BaseRemark):
    """Something that a caller or a user can observe, and that is not as it was."""

    category: Annotated[Category, Folded]


class Validation(Answer):
    """Every breaking change of one file, then the ruling they lead to."""

    findings: list[BreakingChange]
    summary: str
    ruling: Annotated[Ruling, BeforeValidator(raised)]


WHOLE_FILE = frozenset({Category.REMOVED.value})


def reading(answer: Validation) -> Reading:
    """The breaking changes and the ruling; a ruling that its own findings deny is uncertain."""
    denied = answer.ruling is Ruling.VALID and bool(answer.findings)
    ruling = Ruling.UNCERTAIN if denied else answer.ruling
    remarks = to_remarks(answer.findings, security=frozenset(), whole_file=WHOLE_FILE)
    return Reading(
        # What breaks is this change's, on whatever line it shows.
        remarks=tuple(replace(remark, pre_existing=False) for remark in remarks),
        opinion=Opinion(ruling=ruling, summary=answer.summary),
    )


TASK = Task(
    name="refactor-validation",
    description="Whether a refactoring kept the behaviour: VALID, INVALID or UNCERTAIN",
    answer=Validation,
    reading=reading,
    whole_file=WHOLE_FILE,
    whole=True,
    company=Company.BEFORE,
)
