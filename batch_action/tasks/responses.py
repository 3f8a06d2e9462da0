"""The base of all answer models: closed, every field required and described, no bounds.

Their plain JSON schema is therefore legal for structured outputs. The descriptions of fields and
the docstrings of models and enums are its descriptions, which the model reads; a field with an enum
has the enum's. The API does not guarantee the letter case of enum values, so it is normalized
before validation.
"""

import re
import sys
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from batch_action.models.findings import (
    Confidence,
    FileAssessment,
    RawFinding,
    Severity,
    TaskResponse,
    Verdict,
)
from batch_action.models.generated import FileDraft
from batch_action.text import shorten

_CWE = re.compile(r"\s*(?:CWE[-\s_]*)?0*([1-9]\d{0,4})\b", re.IGNORECASE)
# No text of an answer may outgrow what a destination takes, whatever the model wrote.
MAX_RULE_CHARS = 80
MAX_CODE_CHARS = 10_000
MAX_SUMMARY_CHARS = 2_000
MAX_CHARS = {
    "evidence": MAX_CODE_CHARS,
    "title": 300,
    "trigger": 1_000,
    "explanation": 5_000,
    "remediation": 3_000,
}


def _to_lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _to_upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


FINDING_FIELDS = (
    *("start_line", "end_line", "evidence", "trigger", "explanation", "pre_existing", "security"),
    *("title", "rule", "cwe", "license", "category", "severity", "confidence"),
    *("remediation", "suggestion"),
)
"""The order in which the fields of a finding are answered: a judgment after what it is based on."""


def _drop_titles(schema: dict[str, Any]) -> None:
    """Drop the titles, which only repeat names."""
    schema.pop("title", None)
    for field in schema["properties"].values():
        field.pop("title", None)


def _order_fields(schema: dict[str, Any]) -> None:
    _drop_titles(schema)
    fields = schema["properties"]
    schema["required"] = sorted(fields, key=FINDING_FIELDS.index)
    schema["properties"] = {name: fields[name] for name in schema["required"]}


LowerCased = BeforeValidator(_to_lower)
UpperCased = BeforeValidator(_to_upper)


class ResponseModel(BaseModel):
    """An immutable model without additional fields."""

    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        json_schema_extra=_drop_titles,
    )


class BaseFinding(ResponseModel):
    """One problem at one location."""

    model_config = ConfigDict(json_schema_extra=_order_fields)

    start_line: int = Field(description="The number before the first line of evidence.")
    end_line: int = Field(description="The number before its last line.")
    evidence: str = Field(description="Lines copied from the file.")
    trigger: str = Field(
        description="The input or order of events, what happens, and what should: one or two "
        "sentences."
    )
    explanation: str = Field(description="Two to five sentences: why it happens, and to whom.")
    pre_existing: bool = Field(description="The problem was there before the change.")
    security: bool = Field(
        description="An attacker could use what you found. It is then not shown in public places."
    )
    title: str = Field(description="At most twelve words that name what is wrong, not what to do.")
    rule: str = Field(
        description="Two to four words in kebab-case for the kind of problem, e.g. "
        "unchecked-return-value."
    )
    severity: Annotated[Severity, LowerCased]
    confidence: Annotated[Confidence, LowerCased]
    remediation: str = Field(description="One to three sentences, concrete.")
    suggestion: str | None = Field(
        description="The replacement for exactly the evidence, if it is small and certain, else "
        "null."
    )

    def to_raw(
        self, task: str, *, security: frozenset[str], whole_file: frozenset[str]
    ) -> RawFinding:
        """Convert it; without a category of its own it has the task's name as category."""
        fields = vars(self)
        # Of tens of thousands of findings, many have the same one.
        category = sys.intern(str(fields.get("category", task)))
        first = max(1, self.start_line)
        texts = {name: shorten(fields[name], size) for name, size in MAX_CHARS.items()}
        suggestion = self.suggestion or ""
        return RawFinding(
            **texts,
            rule=sys.intern(shorten(" ".join(self.rule.split()), MAX_RULE_CHARS)),
            confidence=self.confidence,
            pre_existing=self.pre_existing,
            category=category,
            severity=Severity(self.severity),
            start_line=first,
            end_line=max(first, self.end_line),
            # A part of a suggestion would be other code.
            suggestion=suggestion if 0 < len(suggestion) <= MAX_CODE_CHARS else None,
            cwe=_normalize_cwe(fields.get("cwe")),
            whole_file=category in whole_file,
            security=category in security or self.security,
            is_computed=False,
        )


class WrittenFile(ResponseModel):
    """One whole file."""

    path: str = Field(
        description="Relative to the repository's root, exactly as it is given to you."
    )
    text: str = Field(description="The file as it will be saved, from its first line to its last.")
    summary: str = Field(
        description="One sentence for the maintainer who decides whether to accept it: what is new "
        "in it."
    )
    security: bool = Field(
        description="An attacker could use what the summary says. It is then not shown in public "
        "places."
    )


class WrittenFiles(ResponseModel):
    """The files that were asked for; an empty list is a good answer."""

    files: list[WrittenFile]


def to_response(
    answer: Any, *, task: str, security: frozenset[str], whole_file: frozenset[str]
) -> TaskResponse:
    """Convert a validated answer with `findings`, `files`, `claims`, or `verdict` and `summary`.

    *security* and *whole_file* are categories. VALID with findings becomes UNCERTAIN.
    """
    # A model takes long to say that it has no such field.
    fields = vars(answer)
    raw_findings = tuple(
        item.to_raw(task, security=security, whole_file=whole_file)
        for item in fields.get("findings", ())
    )
    verdict = fields.get("verdict")
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
            for f in fields.get("files", ())
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
        claims=tuple(claim.to_checked() for claim in fields.get("claims", ())),
        explanation=answer.to_explanation() if hasattr(answer, "to_explanation") else None,
    )


def _normalize_cwe(text: str | None) -> str | None:
    """Return `CWE-89` however it is written; None if the text has no CWE number."""
    match = _CWE.match(text or "")
    return f"CWE-{int(match[1])}" if match else None
