"""Remarks found by plain patterns, for the languages that ruff does not read."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from .prompts import SourceFile
from .remarks import Remark, remark

SCRIPTS = frozenset({".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue"})
CODE = SCRIPTS | {".go", ".java", ".kt", ".rb", ".php", ".cs", ".rs", ".scala", ".swift", ".c"}
PYTHON = frozenset({".py", ".pyi"})
COMMENT = re.compile(r"\s*(//|#|\*|/\*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """A pattern of one line, and what to say about it."""

    name: str
    suffixes: frozenset[str] | None
    """The endings of the files it is for; none for all files."""
    regex: re.Pattern[str]
    message: str
    remedy: str
    severity: str
    words: tuple[str, ...]
    cwe: str | None = None


SAFE = ("security", "vulnerability", "bug")
PATTERNS = (
    Pattern(
        name="masked-secret",
        suffixes=None,
        regex=re.compile("•{8}"),
        message="A secret is written into the file",
        remedy="Revoke the secret, and read it from the environment or a secret store",
        severity="critical",
        words=("secret", "credential", "hard", *SAFE),
        cwe="CWE-798",
    ),
    Pattern(
        name="hard-coded-secret",
        suffixes=CODE,
        regex=re.compile(
            r"(?i)(passw(or)?d|secret|api_?key|token)\w*\"?\s*(:=|[:=])\s*[\"'`][^\"'`\s]{6,}[\"'`]"
        ),
        message="A password or key is written into the source",
        remedy="Read it from the environment or a secret store",
        severity="high",
        words=("secret", "credential", "hard", *SAFE),
        cwe="CWE-798",
    ),
    Pattern(
        name="eval",
        suffixes=SCRIPTS | {".rb", ".php"},
        regex=re.compile(r"(?<![\w.])eval\s*\("),
        message="Text is executed as code",
        remedy="Parse the text instead of executing it",
        severity="high",
        words=("injection", *SAFE),
        cwe="CWE-95",
    ),
    Pattern(
        name="inner-html",
        suffixes=SCRIPTS,
        regex=re.compile(
            r"\.(innerHTML|outerHTML)\s*\+?=(?!=)|dangerouslySetInnerHTML|document\.write\("
        ),
        message="Text is put into the page as HTML",
        remedy="Assign to textContent, or escape the text",
        severity="high",
        words=("xss", "injection", *SAFE),
        cwe="CWE-79",
    ),
    Pattern(
        name="shell",
        suffixes=SCRIPTS,
        regex=re.compile(r"\bexec(Sync)?\s*\(\s*(`[^`]*\$\{|[\"'][^\"']*[\"']\s*\+)"),
        message="A shell command is put together from text",
        remedy="Use execFile with a list of arguments",
        severity="critical",
        words=("injection", *SAFE),
        cwe="CWE-78",
    ),
    Pattern(
        name="sql",
        suffixes=CODE,
        regex=re.compile(
            r"(?i)[\"'`]\s*(select\s.+\sfrom|insert\s+into|update\s.+\sset|delete\s+from)\b[^;]*"
            r"([\"']\s*(\+|\.\s*\$)|\$\{|%s[^\"]*\"\s*,)"
        ),
        message="An SQL statement is put together from text",
        remedy="Use a statement with parameters",
        severity="high",
        words=("injection", *SAFE),
        cwe="CWE-89",
    ),
    Pattern(
        name="loose-equality",
        suffixes=SCRIPTS,
        regex=re.compile(r"(?<![=!<>])[=!]=(?!=)(?!\s*null\b)"),
        message="A loose comparison converts its operands",
        remedy="Compare with === or !==",
        severity="low",
        words=("correctness", "bug", "logic", "error"),
    ),
    Pattern(
        name="empty-catch",
        suffixes=SCRIPTS | {".java", ".kt", ".cs", ".php", ".scala"},
        regex=re.compile(r"\bcatch\s*(\([^)]*\))?\s*\{\s*\}"),
        message="An error is caught and forgotten",
        remedy="Handle the error, or let it pass",
        severity="medium",
        words=("exception", "handling", "error", "reliab", "bug"),
        cwe="CWE-390",
    ),
    Pattern(
        name="console-log",
        suffixes=SCRIPTS,
        regex=re.compile(r"\bconsole\.(log|debug)\("),
        message="A debugging message is left behind",
        remedy="Remove it, or use the logger",
        severity="low",
        words=("maintain", "style", "quality", "clean", "other"),
    ),
    Pattern(
        name="ignored-error",
        suffixes=frozenset({".go"}),
        regex=re.compile(r"^\s*(\w+\s*,\s*)?_\s*:?=\s*[\w.]+\("),
        message="An error is thrown away",
        remedy="Check the error",
        severity="medium",
        words=("exception", "handling", "error", "reliab", "bug"),
        cwe="CWE-252",
    ),
)


def review(file: SourceFile) -> list[Remark]:
    """Try every pattern that is for the file on every line shown."""
    suffix = PurePosixPath(file.path).suffix.lower()
    found = [
        _remark(file, number, pattern)
        for pattern in PATTERNS
        if pattern.suffixes is None or suffix in pattern.suffixes
        for number, text in sorted(file.lines.items())
        if pattern.regex.search(text) and (pattern.suffixes is None or not COMMENT.match(text))
    ]
    return [made for made in found if made is not None]


def _remark(file: SourceFile, number: int, pattern: Pattern) -> Remark | None:
    return remark(
        file,
        pattern.name,
        (number, number),
        pattern.message,
        severity=pattern.severity,
        words=pattern.words,
        remedy=pattern.remedy,
        cwe=pattern.cwe,
    )
