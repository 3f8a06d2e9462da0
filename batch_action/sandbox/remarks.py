"""What the sandbox's reviewer has to say about some lines."""

from dataclasses import dataclass

from .prompts import SourceFile

MAX_LINES = 8
"""A remark quotes no more lines than this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One remark, in nobody's schema yet."""

    path: str
    rule: str
    start: int
    end: int
    message: str
    remedy: str
    severity: str
    words: tuple[str, ...]
    """What kind of problem it is: words from the special to the general."""
    evidence: str
    pre_existing: bool
    security: bool
    cwe: str | None
    license: str | None = None
    """The license it is about; empty when that cannot be told, nothing for other remarks."""


def remark(
    file: SourceFile,
    rule: str,
    lines: tuple[int, int],
    message: str,
    *,
    severity: str,
    words: tuple[str, ...],
    remedy: str = "",
    cwe: str | None = None,
    license: str | None = None,
) -> Remark | None:
    """Make a remark on lines that the prompt shows; none when it does not show them."""
    start, end = lines[0], min(max(lines), lines[0] + MAX_LINES - 1)
    shown = [file.lines[n] for n in range(start, end + 1) if n in file.lines]
    if start not in file.lines or not any(text.strip() for text in shown):
        return None
    touched = any(n in file.added for n in range(start, end + 1))
    return Remark(
        path=file.path,
        rule=rule,
        start=start,
        end=start + len(shown) - 1,
        message=message.rstrip("."),
        remedy=remedy or "Change the code so that the rule is satisfied",
        severity=severity,
        words=words,
        evidence="\n".join(shown),
        pre_existing=file.changed and not touched,
        security="security" in words,
        cwe=cwe,
        license=license,
    )
