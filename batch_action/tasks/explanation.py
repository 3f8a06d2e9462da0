"""What is asked about a finding that a person wants to have explained; no task to choose."""

from typing import Annotated

from pydantic import Field

from batch_action.models.explanation import Assessment, Explanation
from batch_action.tasks.responses import LowerCased, ResponseModel
from batch_action.tasks.task import Task
from batch_action.text import shorten

MAX_TEXT_CHARS = 4_000


class ExplanationAnswer(ResponseModel):
    """The explanation of one finding."""

    example: str = Field(
        description="The input or the order of events, each step with its line and what it leads "
        "to; empty if there is none."
    )
    why: str = Field(
        description="Two to six sentences: why that is a problem here and for whom, or why it is "
        "none."
    )
    assessment: Annotated[Assessment, LowerCased]
    check: str = Field(
        description="One to four sentences, or a short test: how the maintainer sees whether it "
        "happens."
    )
    fix: str = Field(
        description="One to four sentences, or a few lines of code: how to fix it; empty for a "
        "wrong finding."
    )
    security: bool = Field(
        description="An attacker could use what you wrote. It is then not shown in public places."
    )

    def to_explanation(self) -> Explanation:
        """Convert it; no text may outgrow what a destination takes."""
        return Explanation(
            example=shorten(self.example, MAX_TEXT_CHARS),
            why=shorten(self.why, MAX_TEXT_CHARS),
            assessment=self.assessment,
            check=shorten(self.check, MAX_TEXT_CHARS),
            fix=shorten(self.fix, MAX_TEXT_CHARS),
            security=self.security,
        )


EXPLANATION = Task(
    name="explanation",
    description="What a reported problem means in this code",
    answer_model=ExplanationAnswer,
    shared_prompts=(),
)
