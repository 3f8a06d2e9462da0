"""The base of all answer models: closed, every field required, no bounds.

Their plain JSON schema is therefore legal for structured outputs. The API does not guarantee the
letter case of enum values, so it is normalized before validation.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from batch_action.models.file_results import Verdict
from batch_action.models.findings import Confidence, RawFinding, Severity
from batch_action.models.responses import FileAssessment, FileDraft, TaskResponse

_CWE = re.compile(r"\s*(?:CWE[-\s_]*)?0*([1-9]\d{0,4})\b", re.IGNORECASE)


def _to_lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _to_upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


LowerCased = BeforeValidator(_to_lower)
UpperCased = BeforeValidator(_to_upper)


class ResponseModel(BaseModel):
    """An immutable model without additional fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseFinding(ResponseModel):
    """One problem at one location. The docstrings are part of the schema."""

    rule: str
    """A short kebab-case name of the kind of problem, e.g. off-by-one."""
    severity: Annotated[Severity, LowerCased]
    confidence: Annotated[Confidence, LowerCased]
    start_line: int
    end_line: int
    evidence: str
    title: str
    explanation: str
    remediation: str
    suggestion: str | None
    pre_existing: bool


class WrittenFile(ResponseModel):
    """One whole file."""

    path: str
    text: str
    summary: str


class WrittenFiles(ResponseModel):
    """The files that were asked for; an empty list is a good answer."""

    files: list[WrittenFile]


def to_raw_findings(
    items: Iterable[Any],
    *,
    security_categories: frozenset[str] = frozenset(),
    whole_file_categories: frozenset[str] = frozenset(),
    category: str = "",
) -> tuple[RawFinding, ...]:
    """Convert answer items that have the fields of `BaseFinding`, and maybe `category` and `cwe`.

    *category* is the category of items that have none of their own; such items carry a field
    `security` instead.
    """
    return tuple(
        _to_raw_finding(
            item,
            category or item.category.value,
            security_categories=security_categories,
            whole_file_categories=whole_file_categories,
        )
        for item in items
    )


def to_verdict_response(answer: Any, raw_findings: tuple[RawFinding, ...]) -> TaskResponse:
    """Convert an answer with `verdict` and `summary`; VALID with findings becomes UNCERTAIN."""
    contradicted = answer.verdict is Verdict.VALID and bool(raw_findings)
    verdict = Verdict.UNCERTAIN if contradicted else answer.verdict
    return TaskResponse(
        raw_findings=raw_findings,
        assessment=FileAssessment(verdict=verdict, summary=answer.summary),
    )


def to_drafts_response(answer: WrittenFiles) -> TaskResponse:
    """Return the files as drafts, unchecked."""
    return TaskResponse(
        drafts=tuple(
            FileDraft(path=file.path, text=file.text, summary=file.summary) for file in answer.files
        )
    )


def _to_raw_finding(
    item: Any,
    category: str,
    *,
    security_categories: frozenset[str],
    whole_file_categories: frozenset[str],
) -> RawFinding:
    first = max(1, item.start_line)
    return RawFinding(
        rule=item.rule,
        category=category,
        severity=Severity(item.severity),
        confidence=item.confidence,
        start_line=first,
        end_line=max(first, item.end_line),
        evidence=item.evidence,
        title=item.title,
        explanation=item.explanation,
        remediation=item.remediation,
        suggestion=item.suggestion or None,
        cwe=_normalize_cwe(getattr(item, "cwe", None)),
        pre_existing=item.pre_existing,
        whole_file=category in whole_file_categories,
        security=category in security_categories or bool(getattr(item, "security", False)),
    )


def _normalize_cwe(text: str | None) -> str | None:
    """Return `CWE-89` however it is written; None if the text has no CWE number."""
    match = _CWE.match(text or "")
    return f"CWE-{int(match[1])}" if match else None
