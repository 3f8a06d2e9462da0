"""Security scan: vulnerabilities with severity, CWE and remediation."""

from enum import StrEnum
from typing import Annotated

from batch_action.models.responses import Reading
from batch_action.tasks.responses import Answer, BaseRemark, Folded, to_remarks
from batch_action.tasks.task import Task


class Category(StrEnum):
    """The focus areas; the prompt defines each."""

    INJECTION = "injection"
    AUTHENTICATION = "authentication"
    SECRETS = "secrets"
    DATA_EXPOSURE = "data-exposure"
    CRYPTOGRAPHY = "cryptography"
    INPUT_VALIDATION = "input-validation"
    DEPENDENCIES = "dependencies"
    OTHER = "other"


class SecurityRemark(BaseRemark):
    """A vulnerability."""

    category: Annotated[Category, Folded]
    cwe: str | None


class SecurityReport(Answer):
    """All vulnerabilities of one file; an empty list is a good answer."""

    findings: list[SecurityRemark]


SECURITY = frozenset(category.value for category in Category)

TASK = Task(
    name="security-scan",
    description="Vulnerabilities with severity, CWE and remedy",
    answer=SecurityReport,
    reading=lambda answer: Reading(remarks=to_remarks(answer.findings, security=SECURITY)),
    security=SECURITY,
    security_only=True,
)
