"""License check: code and notices that do not go with the repository's license.

Whether a header is there, and what its identifiers say, `headers` tells without the model.
"""

from enum import StrEnum
from typing import Annotated

from batch_action.models.licenses import Licensing, spdx_expression
from batch_action.models.responses import TaskResponse
from batch_action.tasks.license.headers import CONTRADICTING, DENIED, MISSING, UNKNOWN
from batch_action.tasks.responses import BaseFinding, Folded, ResponseModel, to_raw_findings
from batch_action.tasks.task import Task


class LicenseCategory(StrEnum):
    """What the model is asked about; the prompt defines each."""

    CONTRADICTING_HEADER = CONTRADICTING
    FOREIGN_CODE = "foreign-code"
    NOTICE_REMOVED = "notice-removed"
    DENIED_LICENSE = DENIED
    UNKNOWN_LICENSE = UNKNOWN


class LicenseFinding(BaseFinding):
    """Something that does not go with the repository's license."""

    category: Annotated[LicenseCategory, Folded]
    license: str | None
    """The SPDX identifier or expression it is about."""


class LicenseReport(ResponseModel):
    """All of one file; an empty list is a good answer."""

    findings: list[LicenseFinding]


WHOLE_FILE = frozenset({MISSING, CONTRADICTING})
LONGEST = 80


def reading(answer: LicenseReport) -> TaskResponse:
    """The remarks, each with its license as the SPDX list has it, or said to be unknown."""
    told = [
        item.model_copy(update={"explanation": _with_license(item.explanation, item.license)})
        for item in answer.findings
    ]
    return TaskResponse(
        raw_findings=to_raw_findings(told, security=frozenset(), whole_file=WHOLE_FILE)
    )


def _with_license(why: str, said: str | None) -> str:
    if not said or not said.strip():
        return why
    if found := spdx_expression(said):
        return f"{why} License: {found}."
    plain = " ".join(said.replace("`", "'").split())
    plain = plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"
    return f"{why} License: unknown (the SPDX list does not have `{plain}`)."


def facts(licensing: Licensing) -> str:
    """What the prompt tells of this repository's licenses; only identifiers of the SPDX list."""
    own = ", ".join(f"`{expression}` (from {source})" for source, expression in licensing.own)
    return "\n".join(
        [
            "## The licenses of this repository",
            "",
            f"- Its own license: {own or 'its files do not tell'}.",
            f"- Also allowed here: {_listed(licensing.allowed)}.",
            f"- Denied here: {_listed(licensing.denied)}.",
        ]
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing is named"


TASK = Task(
    name="license-check",
    description="License headers, copied code and removed notices",
    answer=LicenseReport,
    response=reading,
    whole_file=WHOLE_FILE,
    licenses=True,
    floor_tokens=4_000,
    share=0.25,
)
