"""The base of all answer models: closed, every field required, no bounds.

Their plain JSON schema is therefore legal for structured outputs. The API does not guarantee the
letter case of enum values, so it is normalized before validation.
"""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from batch_action.models.findings import (
    Confidence,
    FileAssessment,
    FileDraft,
    RawFinding,
    Severity,
    TaskResponse,
    Verdict,
)
from batch_action.text import shorten

_CWE = re.compile(r"\s*(?:CWE[-\s_]*)?0*([1-9]\d{0,4})\b", re.IGNORECASE)
# No text of an answer may outgrow what a destination takes, whatever the model wrote.
MAX_RULE_CHARS = 80
MAX_CODE_CHARS = 10_000
MAX_SUMMARY_CHARS = 2_000
MAX_CHARS = {
    "evidence": MAX_CODE_CHARS,
    "title": 300,
    "explanation": 5_000,
    "remediation": 3_000,
}


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
    security: bool

    def to_raw(
        self, task: str, *, security: frozenset[str], whole_file: frozenset[str]
    ) -> RawFinding:
        """Convert it; without a category of its own it has the task's name as category."""
        category = str(getattr(self, "category", task))
        first = max(1, self.start_line)
        texts = {name: shorten(getattr(self, name), size) for name, size in MAX_CHARS.items()}
        suggestion = self.suggestion or ""
        return RawFinding(
            **texts,
            rule=shorten(" ".join(self.rule.split()), MAX_RULE_CHARS),
            confidence=self.confidence,
            pre_existing=self.pre_existing,
            category=category,
            severity=Severity(self.severity),
            start_line=first,
            end_line=max(first, self.end_line),
            # A part of a suggestion would be other code.
            suggestion=suggestion if 0 < len(suggestion) <= MAX_CODE_CHARS else None,
            cwe=_normalize_cwe(getattr(self, "cwe", None)),
            whole_file=category in whole_file,
            security=category in security or self.security,
        )


class WrittenFile(ResponseModel):
    """One whole file."""

    path: str
    text: str
    summary: str
    security: bool


class WrittenFiles(ResponseModel):
    """The files that were asked for; an empty list is a good answer."""

    files: list[WrittenFile]


def to_response(
    answer: Any, *, task: str, security: frozenset[str], whole_file: frozenset[str]
) -> TaskResponse:
    """Convert a validated answer with `findings`, with `files`, or with `verdict` and `summary`.

    *security* and *whole_file* are categories. VALID with findings becomes UNCERTAIN.
    """
    raw_findings = tuple(
        item.to_raw(task, security=security, whole_file=whole_file)
        for item in getattr(answer, "findings", ())
    )
    verdict = getattr(answer, "verdict", None)
    if verdict is Verdict.VALID and raw_findings:
        verdict = Verdict.UNCERTAIN
    return TaskResponse(
        raw_findings=raw_findings,
        drafts=tuple(
            FileDraft(
                path=f.path,
                text=f.text,
                summary=shorten(f.summary, MAX_SUMMARY_CHARS),
                security=f.security,
            )
            for f in getattr(answer, "files", ())
        ),
        assessment=(
            FileAssessment(
                verdict=verdict,
                summary=shorten(answer.summary, MAX_SUMMARY_CHARS),
                security=answer.security,
            )
            if verdict
            else None
        ),
    )


def _normalize_cwe(text: str | None) -> str | None:
    """Return `CWE-89` however it is written; None if the text has no CWE number."""
    match = _CWE.match(text or "")
    return f"CWE-{int(match[1])}" if match else None
