"""The security-scan task: vulnerabilities with severity, CWE and remediation."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from batch_action.tasks.responses import BaseFinding, LowerCased, ResponseModel
from batch_action.tasks.task import Task


class SecurityCategory(StrEnum):
    """The focus areas; the prompt defines each."""

    INJECTION = "injection"
    AUTHENTICATION = "authentication"
    SECRETS = "secrets"
    DATA_EXPOSURE = "data-exposure"
    CRYPTOGRAPHY = "cryptography"
    INPUT_VALIDATION = "input-validation"
    DEPENDENCIES = "dependencies"
    OTHER = "other"


class SecurityFinding(BaseFinding):
    """A vulnerability."""

    category: Annotated[SecurityCategory, LowerCased]
    cwe: str | None = Field(
        description="The most specific identifier that fits, such as CWE-89, or null if none does."
    )


class SecurityReport(ResponseModel):
    """All vulnerabilities of one file; an empty list is a good answer."""

    findings: list[SecurityFinding]


SECURITY_CATEGORIES = frozenset(category.value for category in SecurityCategory)

AGENT_INSTRUCTIONS = (
    *("AGENTS.md", "AGENTS.override.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "REVIEW.md"),
    *("SKILL.md", "copilot-instructions.md", "*.instructions.md", "*.prompt.md", "*.chatmode.md"),
    *("*.agent.md", "*.mdc", "llms.txt", ".cursorrules", ".windsurfrules", ".clinerules"),
    *("**/.claude/**", "**/.cursor/**", "**/.windsurf/**", "**/.clinerules/**", "**/.agents/**"),
)
"""Files whose text an agent obeys: an injection there is a vulnerability."""

TASK = Task(
    name="security-scan",
    description="Vulnerabilities with severity, CWE and remediation",
    answer_model=SecurityReport,
    security_categories=SECURITY_CATEGORIES,
    security_only=True,
    also_reads=AGENT_INSTRUCTIONS,
    shared_prompts=("common", "excerpt"),
)
