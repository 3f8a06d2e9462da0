"""The license-check task: code and notices that conflict with the repository's license.

Missing headers and their identifiers are checked by `license/headers` without the model.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from batch_action.models.findings import RawFinding
from batch_action.models.licenses import LicensePolicy, spdx_expression
from batch_action.tasks.license import headers
from batch_action.tasks.responses import BaseFinding, LowerCased, ResponseModel
from batch_action.tasks.task import Task


class LicenseCategory(StrEnum):
    """What the model looks for; the prompt defines each."""

    CONTRADICTING_HEADER = headers.CONTRADICTING_HEADER
    FOREIGN_CODE = "foreign-code"
    NOTICE_REMOVED = "notice-removed"
    DENIED_LICENSE = headers.DENIED_LICENSE
    UNKNOWN_LICENSE = headers.UNKNOWN_LICENSE


class LicenseFinding(BaseFinding):
    """Something that conflicts with the repository's license."""

    category: Annotated[LicenseCategory, LowerCased]
    license: str | None = Field(description="The SPDX identifier or expression that it is about.")

    def to_raw(
        self, task: str, *, security: frozenset[str], whole_file: frozenset[str]
    ) -> RawFinding:
        """Convert it, with its license appended to the explanation."""
        raw = super().to_raw(task, security=security, whole_file=whole_file)
        return replace(raw, explanation=_with_license(raw.explanation, self.license))


class LicenseReport(ResponseModel):
    """All license problems of one file; an empty list is a good answer."""

    findings: list[LicenseFinding]


WHOLE_FILE_CATEGORIES = frozenset({headers.MISSING_HEADER, headers.CONTRADICTING_HEADER})
MAX_LICENSE_CHARS = 80
"""Characters shown of a license that is not on the SPDX list."""


def _with_license(explanation: str, license_name: str | None) -> str:
    if not license_name or not license_name.strip():
        return explanation
    if expression := spdx_expression(license_name):
        return f"{explanation} License: {expression}."
    plain = " ".join(license_name.replace("`", "'").split())
    if len(plain) > MAX_LICENSE_CHARS:
        plain = f"{plain[:MAX_LICENSE_CHARS]}…"
    return f"{explanation} License: unknown (`{plain}` is not on the SPDX list)."


def describe_licenses(licensing: LicensePolicy) -> str:
    """Return the part of the prompt that lists the repository's licenses by SPDX identifier."""
    own = ", ".join(
        f"`{expression}` (from {source})" for source, expression in licensing.repository_licenses
    )
    return "\n".join(
        [
            "## The licenses of this repository",
            "",
            f"- Its own license: {own or 'not stated in its files'}.",
            f"- Also allowed here: {_join_names(licensing.allowed)}.",
            f"- Denied here: {_join_names(licensing.denied)}.",
        ]
    )


def _join_names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


TASK = Task(
    name="license-check",
    description="License headers, copied code and removed notices",
    answer_model=LicenseReport,
    whole_file_categories=WHOLE_FILE_CATEGORIES,
    checks_licenses=True,
    base_output_tokens=4_000,
    output_ratio=0.25,
)
