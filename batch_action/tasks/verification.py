"""What is asked about findings that are to be verified; no task that people choose."""

from typing import Annotated

from pydantic import Field

from batch_action.models.verification import CheckedClaim, ClaimResult
from batch_action.tasks.responses import MAX_CODE_CHARS, LowerCased, ResponseModel
from batch_action.tasks.task import Task
from batch_action.text import shorten

MAX_REASON_CHARS = 2_000


class ClaimAnswer(ResponseModel):
    """The answer about one claim."""

    claim: int = Field(description="The number of the claim.")
    evidence: str = Field(
        description="Lines copied from the file that decide; empty if there are none."
    )
    reason: str = Field(
        description="One to three sentences for the maintainer, about what the code does."
    )
    result: Annotated[ClaimResult, LowerCased]

    def to_checked(self) -> CheckedClaim:
        """Convert it; no text may outgrow what a destination takes."""
        return CheckedClaim(
            number=self.claim,
            evidence=shorten(self.evidence, MAX_CODE_CHARS),
            reason=shorten(self.reason, MAX_REASON_CHARS),
            result=self.result,
        )


class ClaimAnswers(ResponseModel):
    """One answer for each claim, in their order."""

    claims: list[ClaimAnswer]


VERIFICATION = Task(
    name="verification",
    description="Whether reported problems are refuted by the code",
    answer_model=ClaimAnswers,
    shared_prompts=(),
)
