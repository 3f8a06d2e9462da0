"""The findings of the offline reviewer."""

from dataclasses import dataclass

from batch_action.sandbox.reviewer.prompts import SourceFile

MAX_QUOTED_LINES = 8
"""Maximum lines of code that a finding quotes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule, with what its findings have in common."""

    id: str
    severity: str
    keywords: tuple[str, ...]
    """Words that name its category, from the special to the general."""
    remediation: str = "Change the code so that the rule is satisfied"
    cwe: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One finding, independent of the schema of the answer."""

    path: str
    rule: str
    start: int
    end: int
    message: str
    remediation: str
    severity: str
    keywords: tuple[str, ...]
    evidence: str
    pre_existing: bool
    cwe: str | None
    license: str | None
    """The license that it is about; empty when unknown, None for other findings."""

    @property
    def security(self) -> bool:
        """Whether it is about a vulnerability."""
        return "security" in self.keywords


def make_finding(
    file: SourceFile,
    rule: Rule,
    lines: tuple[int, int],
    message: str,
    license: str | None = None,
) -> Finding | None:
    """Create a finding on a range of lines; None when the prompt does not show them."""
    start, end = lines[0], min(max(lines), lines[0] + MAX_QUOTED_LINES - 1)
    quoted = [file.lines[n] for n in range(start, end + 1) if n in file.lines]
    if start not in file.lines or not any(text.strip() for text in quoted):
        return None
    touched = any(n in file.added for n in range(start, end + 1))
    return Finding(
        path=file.path,
        rule=rule.id,
        start=start,
        end=start + len(quoted) - 1,
        message=message.rstrip("."),
        remediation=rule.remediation,
        severity=rule.severity,
        keywords=rule.keywords,
        evidence="\n".join(quoted),
        pre_existing=file.changed and not touched,
        cwe=rule.cwe,
        license=license,
    )
