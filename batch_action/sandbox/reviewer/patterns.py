"""Rules that are one regular expression each, for the languages that ruff does not check."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from batch_action.sandbox.reviewer.findings import Finding, Rule, make_finding
from batch_action.sandbox.reviewer.prompts import SourceFile

SCRIPTS = frozenset({".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue"})
CODE = SCRIPTS | {".go", ".java", ".kt", ".rb", ".php", ".cs", ".rs", ".scala", ".swift", ".c"}
PYTHON = frozenset({".py", ".pyi"})
COMMENT = re.compile(r"\s*(//|#|\*|/\*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """A rule that matches single lines."""

    rule: Rule
    message: str
    regex: re.Pattern[str]
    suffixes: frozenset[str] | None
    """The file name suffixes that it is for; None for all files."""
    trifle: bool = False
    """Whether it is a matter of style, or often meant."""


SECURITY = ("security", "vulnerability", "bug")
PATTERNS = (
    Pattern(
        rule=Rule(
            id="masked-secret",
            severity="critical",
            keywords=("secret", "credential", "hard", *SECURITY),
            remediation="Revoke the secret, and read it from the environment or a secret store",
            cwe="CWE-798",
        ),
        message="A secret is written into the file",
        regex=re.compile("•{8}"),
        suffixes=None,
    ),
    Pattern(
        rule=Rule(
            id="hard-coded-secret",
            severity="high",
            keywords=("secret", "credential", "hard", *SECURITY),
            remediation="Read it from the environment or a secret store",
            cwe="CWE-798",
        ),
        message="A password or key is written into the source",
        regex=re.compile(
            r"(?i)(passw(or)?d|secret|api_?key|token)\w*\"?\s*(:=|[:=])\s*[\"'`][^\"'`\s]{6,}[\"'`]"
        ),
        suffixes=CODE,
    ),
    Pattern(
        rule=Rule(
            id="eval",
            severity="high",
            keywords=("injection", *SECURITY),
            remediation="Parse the text instead of executing it",
            cwe="CWE-95",
        ),
        message="Text is executed as code",
        regex=re.compile(r"(?<![\w.])eval\s*\("),
        suffixes=SCRIPTS | {".rb", ".php"},
    ),
    Pattern(
        rule=Rule(
            id="inner-html",
            severity="high",
            keywords=("xss", "injection", *SECURITY),
            remediation="Assign to textContent, or escape the text",
            cwe="CWE-79",
        ),
        message="Text is put into the page as HTML",
        regex=re.compile(
            r"\.(innerHTML|outerHTML)\s*\+?=(?!=)(?!\s*([\"'`])[^+$]*\2?\s*\+?\s*;?\s*$)"
            r"|document\.write\((?![\"'`][^+$]*\)\s*;?\s*$)"
        ),
        suffixes=SCRIPTS,
    ),
    Pattern(
        rule=Rule(
            id="shell",
            severity="critical",
            keywords=("injection", *SECURITY),
            remediation="Use execFile with a list of arguments",
            cwe="CWE-78",
        ),
        message="A shell command is put together from text",
        regex=re.compile(r"\bexec(Sync)?\s*\(\s*(`[^`]*\$\{|[\"'][^\"']*[\"']\s*\+)"),
        suffixes=SCRIPTS,
    ),
    Pattern(
        rule=Rule(
            id="sql",
            severity="high",
            keywords=("injection", *SECURITY),
            remediation="Use a statement with parameters",
            cwe="CWE-89",
        ),
        message="An SQL statement is put together from text",
        regex=re.compile(
            r"(?i)[\"'`]\s*(select\s.+\sfrom|insert\s+into|update\s.+\sset|delete\s+from)\b[^;]*"
            r"([\"']\s*(\+|\.\s*\$)|\$\{|%s[^\"]*\"\s*,)"
        ),
        suffixes=CODE,
    ),
    Pattern(
        rule=Rule(
            id="loose-equality",
            severity="low",
            keywords=("correctness", "bug", "logic", "error"),
            remediation="Compare with === or !==",
        ),
        message="A loose comparison converts its operands",
        regex=re.compile(r"(?<![=!<>])[=!]=(?!=)(?!\s*null\b)"),
        suffixes=SCRIPTS,
        trifle=True,
    ),
    Pattern(
        rule=Rule(
            id="empty-catch",
            severity="medium",
            keywords=("exception", "handling", "error", "reliab", "bug"),
            remediation="Handle the error, or let it pass",
            cwe="CWE-390",
        ),
        message="An error is caught and forgotten",
        regex=re.compile(r"\bcatch\s*(\([^)]*\))?\s*\{\s*\}"),
        suffixes=SCRIPTS | {".java", ".kt", ".cs", ".php", ".scala"},
    ),
    Pattern(
        rule=Rule(
            id="console-log",
            severity="low",
            keywords=("maintain", "style", "quality", "clean", "other"),
            remediation="Remove it, or use the logger",
        ),
        message="A debugging message is left behind",
        regex=re.compile(r"\bconsole\.(log|debug)\("),
        suffixes=SCRIPTS,
        trifle=True,
    ),
    Pattern(
        rule=Rule(
            id="ignored-error",
            severity="medium",
            keywords=("exception", "handling", "error", "reliab", "bug"),
            remediation="Check the error",
            cwe="CWE-252",
        ),
        message="An error is thrown away",
        regex=re.compile(
            r"^\s*\w+\s*,\s*_\s*:?=\s*(os\.\w+|strconv\.\w+|(json|xml|yaml)\.Marshal\w*|http\.\w+"
            r"|url\.Parse\w*|time\.Parse\w*|io\.ReadAll|net\.\w+|hex\.\w+|sql\.Open)\("
        ),
        suffixes=frozenset({".go"}),
    ),
)


def review_lines(file: SourceFile, *, trifles: bool) -> list[Finding]:
    """Apply the patterns for the file's language to every line shown."""
    suffix = PurePosixPath(file.path).suffix.lower()
    findings = [
        make_finding(file, pattern.rule, (number, number), pattern.message)
        for pattern in PATTERNS
        if trifles or not pattern.trifle
        if pattern.suffixes is None or suffix in pattern.suffixes
        for number, text in sorted(file.lines.items())
        if pattern.regex.search(text) and (pattern.suffixes is None or not COMMENT.match(text))
    ]
    return [finding for finding in findings if finding is not None]
