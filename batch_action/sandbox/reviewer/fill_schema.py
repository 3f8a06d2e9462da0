"""Fill the JSON schema of a request with findings, a verdict or file drafts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batch_action.sandbox.anthropic.schemas import resolve_reference
from batch_action.sandbox.reviewer.file_drafts import Draft, write_drafts
from batch_action.sandbox.reviewer.findings import Finding
from batch_action.sandbox.reviewer.prompts import Prompt
from batch_action.sandbox.reviewer.verdicts import SUMMARIES, verdict_of

UNCERTAIN_WORDS = ("uncertain", "unknown", "inconclusive", "unsure", "unclear", "maybe", "needs")
SECURITY_WORDS = (
    "injection",
    "xss",
    "secret",
    "credential",
    "crypto",
    "deserial",
    "access",
    "auth",
    "permission",
    "csrf",
    "ssrf",
    "traversal",
    "path",
    "security",
    "vulnerability",
    "tls",
    "transport",
    "dos",
    "denial",
    "race",
    "config",
    "exposure",
    "leak",
    "disclosure",
    "validation",
    "supply",
    "dependency",
    "logging",
)
LINE_FIELDS = frozenset({"start_line", "line", "line_number", "end_line", "lineno"})

SEVERITIES = (
    ("critical", "blocker", "severe"),
    ("high", "error", "major"),
    ("medium", "moderate", "warning"),
    ("low", "minor", "note", "info", "nit"),
)

Schema = Mapping[str, Any]


def _explanation(finding: Finding) -> str:
    return f"{finding.message}. The rule `{finding.rule}` matches this line."


def _trigger(finding: Finding) -> str:
    """A license needs nothing to happen."""
    return "" if finding.license is not None else f"Line {finding.start} runs."


FIELD_VALUES: Mapping[str, Callable[[Finding], Any]] = {
    "path": lambda r: r.path,
    "file": lambda r: r.path,
    "start_line": lambda r: r.start,
    "line": lambda r: r.start,
    "line_number": lambda r: r.start,
    "lineno": lambda r: r.start,
    "end_line": lambda r: r.end,
    "evidence": lambda r: r.evidence,
    "quote": lambda r: r.evidence,
    "snippet": lambda r: r.evidence,
    "trigger": _trigger,
    "title": lambda r: r.message,
    "explanation": _explanation,
    "description": _explanation,
    "message": _explanation,
    "why": _explanation,
    "remediation": lambda r: r.remediation,
    "remedy": lambda r: r.remediation,
    "fix": lambda r: r.remediation,
    "rule": lambda r: r.rule,
    "cwe": lambda r: r.cwe,
    "license": lambda r: r.license or None,
    "suggestion": lambda _: None,
    "pre_existing": lambda r: r.pre_existing,
    "security": lambda r: r.security,
    "severity": lambda r: r.severity,
    "confidence": lambda r: "high" if r.security else "medium",
}


class SchemaFiller:
    """Fills one schema with the findings on one prompt."""

    def __init__(self, schema: Schema, findings: Sequence[Finding], prompt: Prompt) -> None:
        self._root = schema
        self._findings = findings
        self._prompt = prompt

    def fill(self) -> Any:
        """Return a value that is valid for the schema."""
        return self._value(self._root, "", None)

    def _value(self, schema: Schema, name: str, finding: Finding | None) -> Any:  # noqa: PLR0911
        schema = self._resolve(schema, name, finding)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            members = {str(member).lower(): member for member in schema["enum"]}
            if {"valid", "invalid"} <= set(members):
                verdict = verdict_of(self._prompt, self._findings).lower()
                return members.get(verdict, members["invalid"])
            return _choose_member(schema["enum"], name, finding)
        kinds = schema.get("type", "object" if "properties" in schema else "null")
        match kinds if isinstance(kinds, str) else _choose_type(kinds, _field_value(name, finding)):
            case "object":
                inner = schema.get("properties", {})
                return {key: self._value(part, key, finding) for key, part in inner.items()}
            case "array":
                return self._array(schema, name, finding)
            case "string":
                return self._string(name, finding)
            case "integer":
                value = _field_value(name, finding)
                return value if isinstance(value, int) else int(name in LINE_FIELDS)
            case "number":
                return 0.5
            case "boolean":
                return bool(_field_value(name, finding))
            case _:
                return None

    def _resolve(self, schema: Schema, name: str, finding: Finding | None) -> Schema:
        """Follow references, merge `allOf`, and choose one member of `anyOf`."""
        while True:
            if "$ref" in schema:
                schema = resolve_reference(schema["$ref"], self._root) or {}
            elif schema.get("anyOf"):
                forms = [self._resolve(form, name, finding) for form in schema["anyOf"]]
                nulls = [form for form in forms if form.get("type") == "null"]
                others = [form for form in forms if form.get("type") != "null"]
                is_null = bool(nulls) and (_field_value(name, finding) is None or not others)
                schema = (nulls if is_null else others)[0]
            elif schema.get("allOf"):
                merged = [self._resolve(part, name, finding) for part in schema["allOf"]]
                schema = {key: value for part in merged for key, value in part.items()}
            else:
                return schema

    def _array(self, schema: Schema, name: str, finding: Finding | None) -> list[Any]:
        item = schema.get("items", {})
        item = self._resolve(item, name, finding)
        inner = item.get("properties", {})
        if {"path", "text"} <= set(inner):
            return [_select_fields(draft, inner) for draft in write_drafts(self._prompt)]
        if finding is None and LINE_FIELDS & set(inner):
            only_security = self._security_only(inner.get("category", {}))
            about_licenses = "license" in inner
            return [
                self._value(item, name, finding)
                for finding in self._findings
                if (finding.license is not None) == about_licenses
                and (finding.security or not only_security)
            ]
        return [self._value(item, name, finding)] if schema.get("minItems") else []

    def _security_only(self, category: Schema) -> bool:
        members = self._resolve(category, "category", None).get("enum", ())
        named = [str(m).lower() for m in members if not _is_other(str(m))]
        return bool(named) and all(any(word in m for word in SECURITY_WORDS) for m in named)

    def _string(self, name: str, finding: Finding | None) -> str:
        value = _field_value(name, finding)
        if value is not None:
            return str(value)
        if name in FIELD_VALUES and finding is not None:
            return ""
        if name == "summary" and self._prompt.before is not None:
            return f"{SUMMARIES[verdict_of(self._prompt, ())]}."
        if name == "summary":
            files = ", ".join(file.path for file in self._prompt.files) or "nothing"
            count = len(self._findings)
            return f"{count} finding{'s' * (count != 1)} on {files}."
        return f"Nothing to say on {name or 'this'}."


def _select_fields(draft: Draft, inner: Schema) -> Draft:
    """Return the draft with the fields of the schema only."""
    return {name: draft.get(name, "") for name in inner}


def fill_schema(schema: Schema, findings: Sequence[Finding], prompt: Prompt) -> str:
    """Answer a prompt with JSON in the schema."""
    return json.dumps(SchemaFiller(schema, findings, prompt).fill(), ensure_ascii=False)


def plain_answer(findings: Sequence[Finding]) -> str:
    """Answer a prompt without a schema."""
    lines = [f"- {r.path}:{r.start} {r.message} ({r.rule})" for r in findings]
    return "\n".join(lines) or "Nothing found."


def _field_value(name: str, finding: Finding | None) -> Any:
    return FIELD_VALUES[name](finding) if finding is not None and name in FIELD_VALUES else None


def _choose_type(kinds: Sequence[str], value: Any) -> str:
    """Choose from a list of types: null when the field has no value."""
    if value is None and "null" in kinds:
        return "null"
    return next((kind for kind in kinds if kind != "null"), "null")


def _severity_rank(severity: object) -> int:
    """Rank a severity, the worst first; unknown words are in the middle."""
    word = str(severity).lower()
    return next((rank for rank, words in enumerate(SEVERITIES) if word in words), 2)


def _is_other(member: str) -> bool:
    return any(word in member.lower() for word in ("other", "misc", "general"))


def _choose_member(members: Sequence[Any], name: str, finding: Finding | None) -> Any:
    """Choose the enum member nearest to the finding, or the most cautious one."""
    by_name = {str(member).lower(): member for member in members}
    value = _field_value(name, finding)
    if str(value).lower() in by_name:
        return by_name[str(value).lower()]
    if finding is not None and name == "severity":
        return min(members, key=lambda member: abs(_severity_rank(member) - _severity_rank(value)))
    keywords = finding.keywords if finding is not None else ()
    for word in (*keywords, *UNCERTAIN_WORDS):
        for text, member in by_name.items():
            if word in text:
                return member
    others = [member for text, member in by_name.items() if _is_other(text)]
    return others[-1] if others else members[-1]
