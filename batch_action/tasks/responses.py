"""What a model may answer: closed models, every field required, no bounds.

So their plain JSON schema is legal for structured outputs as it stands. Letter case of enum values
is not guaranteed by the API, so it is folded before validation.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from batch_action.models.findings import Confidence, RawFinding, Severity

CWE = re.compile(r"\s*(?:CWE[-\s_]*)?0*([1-9]\d{0,4})\b", re.IGNORECASE)


def _fold(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Folded = BeforeValidator(_fold)


def raised(value: Any) -> Any:
    """A word of an enum in capitals, whatever case it came in."""
    return value.strip().upper() if isinstance(value, str) else value


class ResponseModel(BaseModel):
    """Closed, and strict about types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseFinding(ResponseModel):
    """One problem at one place. The descriptions are part of the prompt."""

    rule: str
    """A short kebab-case name of the kind of problem, e.g. off-by-one."""
    severity: Annotated[Severity, Folded]
    confidence: Annotated[Confidence, Folded]
    start_line: int
    end_line: int
    evidence: str
    title: str
    explanation: str
    remediation: str
    suggestion: str | None
    pre_existing: bool


def to_raw_findings(
    items: Iterable[Any],
    *,
    security: frozenset[str] = frozenset(),
    whole_file: frozenset[str] = frozenset(),
    category: str = "",
) -> tuple[RawFinding, ...]:
    """Remarks of answer items that carry BaseRemark's fields, and perhaps `category` and `cwe`.

    *category*: of all of them, where they have none of their own; they say themselves then whether
    they are about security.
    """
    return tuple(
        _remark(item, category or item.category.value, security, whole_file) for item in items
    )


def _weakness(said: str | None) -> str | None:
    """`CWE-89`, however it was written; what is no such number is left out, not the finding."""
    found = CWE.match(said or "")
    return f"CWE-{int(found[1])}" if found else None


def _remark(
    item: Any, category: str, security: frozenset[str], whole_file: frozenset[str]
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
        cwe=_weakness(getattr(item, "cwe", None)),
        pre_existing=item.pre_existing,
        whole_file=category in whole_file,
        security=category in security or bool(getattr(item, "security", False)),
    )
