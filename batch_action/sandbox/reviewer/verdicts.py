"""Compare two versions of a file by its public names and its tokens."""

import re
from collections.abc import Sequence

from batch_action.sandbox.reviewer.findings import Finding, Rule, make_finding
from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile
from batch_action.sandbox.reviewer.public_names import PublicName, public_names

COMMENTS = re.compile(
    r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'|/\*(?:.|\n)*?\*/|//[^\n]*|(?m:^\s*#[^\n]*)'
)
TOKENS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\d[\w.]*|[A-Za-z_]\w*|[^\w\s]")
RESERVED_WORDS = frozenset(
    re.findall(
        r"\w+",
        "if else elif for while return raise throw try except catch finally with yield await async"
        " break continue not and or in is new delete switch case match defer go select range",
    )
)
MAX_NAMES = 3
"""Maximum removed names in a message."""
SUMMARIES = {
    "VALID": "The public names and the tokens of the code are unchanged",
    "INVALID": "A public name is gone, or has another signature",
    "UNCERTAIN": "The public names are unchanged, the tokens of the code are not",
}
REMOVED_NAME = Rule(
    id="removed-name",
    severity="high",
    keywords=("removed", "api", "other"),
    remediation="Keep the names, or change all callers",
)
CHANGED_SIGNATURE = Rule(
    id="changed-signature",
    severity="high",
    keywords=("signature", "api", "other"),
    remediation="Keep the old signature",
)


def verdict_of(prompt: Prompt, findings: Sequence[Finding]) -> str:
    """Return VALID, INVALID or UNCERTAIN for a whole prompt."""
    if prompt.before is not None and prompt.files:
        return compare_versions(prompt.before, prompt.files[0])[0]
    if any(finding.severity in ("critical", "high") for finding in findings):
        return "INVALID"
    return "UNCERTAIN" if findings else "VALID"


def compare_versions(before: SourceFile, after: SourceFile) -> tuple[str, list[Finding]]:
    """Return VALID, INVALID or UNCERTAIN, and the changes that break other files."""
    old = {name.name: name for name in public_names(before)}
    new = {name.name: name for name in public_names(after)}
    candidates = [_removed_names(after, [name for name in old if name not in new])]
    candidates += [
        _changed_signature(after, old[name], now)
        for name, now in new.items()
        if name in old and old[name].signature != now.signature
    ]
    findings = [finding for finding in candidates if finding is not None]
    if findings:
        return "INVALID", findings
    return ("VALID" if _code_tokens(before) == _code_tokens(after) else "UNCERTAIN"), []


def _removed_names(after: SourceFile, removed: Sequence[str]) -> Finding | None:
    if not removed:
        return None
    listed = ", ".join(removed[:MAX_NAMES]) + (" and more" if len(removed) > MAX_NAMES else "")
    first = next((n for n, text in sorted(after.lines.items()) if text.strip()), 1)
    return make_finding(after, REMOVED_NAME, (first, first), f"No longer there: {listed}")


def _changed_signature(after: SourceFile, old: PublicName, new: PublicName) -> Finding | None:
    message = f"{new.name} was called as {old.signature or 'before'}"
    return make_finding(after, CHANGED_SIGNATURE, (new.line, new.line), message)


def _code_tokens(file: SourceFile) -> list[str]:
    """List the reserved words, literals and operators, sorted: renames and moves keep them."""
    tokens = TOKENS.findall(COMMENTS.sub(" ", file.text))
    name = re.compile(r"[A-Za-z_]\w*")
    return sorted(
        t for t in tokens if t in RESERVED_WORDS or not (name.fullmatch(t) or t in "(),:;")
    )
