"""Answering in whatever JSON schema a request carries."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .drafting import Draft, drafts
from .prompts import Prompt
from .remarks import Remark
from .schemas import resolve
from .verdicts import SAID, ruling

LABEL = "sandbox reviewer"
CAUTIOUS = ("uncertain", "unknown", "inconclusive", "unsure", "unclear", "maybe", "needs")
SECURITY = (
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
LINES = frozenset({"start_line", "line", "line_number", "end_line", "lineno"})

LADDER = (
    ("critical", "blocker", "severe"),
    ("high", "error", "major"),
    ("medium", "moderate", "warning"),
    ("low", "minor", "note", "info", "nit"),
)

Schema = Mapping[str, Any]


def _why(remark: Remark) -> str:
    return (
        f"{remark.message}. This is the word of a plain rule, not of Claude"
        f" ({LABEL}: {remark.rule})."
    )


BY_NAME: Mapping[str, Callable[[Remark], Any]] = {
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
    "title": lambda r: f"{r.message} ({LABEL}: {r.rule})",
    "explanation": _why,
    "description": _why,
    "message": _why,
    "why": _why,
    "remediation": lambda r: f"{r.remedy} ({LABEL}: {r.rule})",
    "remedy": lambda r: f"{r.remedy} ({LABEL}: {r.rule})",
    "fix": lambda r: f"{r.remedy} ({LABEL}: {r.rule})",
    "rule": lambda r: r.rule,
    "cwe": lambda r: r.cwe,
    "license": lambda r: r.license or None,
    "suggestion": lambda _: None,
    "pre_existing": lambda r: r.pre_existing,
    "security": lambda r: r.security,
    "severity": lambda r: r.severity,
    "confidence": lambda r: "high" if r.security else "medium",
}


class Filler:
    """Fills one schema from the remarks on one prompt."""

    def __init__(self, schema: Schema, remarks: Sequence[Remark], prompt: Prompt) -> None:
        self._root = schema
        self._remarks = remarks
        self._prompt = prompt

    def fill(self) -> Any:
        """Give a value that the schema accepts."""
        return self._value(self._root, "", None)

    def _value(self, schema: Schema, name: str, remark: Remark | None) -> Any:  # noqa: PLR0911
        schema = self._plain(schema, name, remark)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            rulings = {str(member).lower(): member for member in schema["enum"]}
            if {"valid", "invalid"} <= set(rulings):
                said = ruling(self._prompt, self._remarks).lower()
                return rulings.get(said, rulings["invalid"])
            return _member(schema["enum"], name, remark)
        kinds = schema.get("type", "object" if "properties" in schema else "null")
        match kinds if isinstance(kinds, str) else _kind(kinds, _wish(name, remark)):
            case "object":
                inner = schema.get("properties", {})
                return {key: self._value(part, key, remark) for key, part in inner.items()}
            case "array":
                return self._array(schema, name, remark)
            case "string":
                return self._string(name, remark)
            case "integer":
                wish = _wish(name, remark)
                return wish if isinstance(wish, int) else int(name in LINES)
            case "number":
                return 0.5
            case "boolean":
                return bool(_wish(name, remark))
            case _:
                return None

    def _plain(self, schema: Schema, name: str, remark: Remark | None) -> Schema:
        """Follow references, and choose one of several forms."""
        while True:
            if "$ref" in schema:
                schema = resolve(schema["$ref"], self._root) or {}
            elif schema.get("anyOf"):
                forms = [self._plain(form, name, remark) for form in schema["anyOf"]]
                empty = [form for form in forms if form.get("type") == "null"]
                full = [form for form in forms if form.get("type") != "null"]
                none = bool(empty) and (_wish(name, remark) is None or not full)
                schema = (empty if none else full)[0]
            elif schema.get("allOf"):
                merged = [self._plain(part, name, remark) for part in schema["allOf"]]
                schema = {key: value for part in merged for key, value in part.items()}
            else:
                return schema

    def _array(self, schema: Schema, name: str, remark: Remark | None) -> list[Any]:
        item = schema.get("items", {})
        plain = self._plain(item, name, remark)
        inner = plain.get("properties", {})
        if {"path", "text"} <= set(inner):
            return [_fitted(draft, inner) for draft in drafts(self._prompt)]
        if remark is None and LINES & set(inner):
            secure = self._security_only(inner.get("category", {}))
            legal = "license" in inner
            heard = [r for r in self._remarks if (r.license is not None) == legal]
            chosen = [r for r in heard if r.security or not secure]
            return [self._value(plain, name, r) for r in chosen]
        return [self._value(plain, name, remark)] if schema.get("minItems") else []

    def _security_only(self, category: Schema) -> bool:
        members = self._plain(category, "category", None).get("enum", ())
        named = [str(m).lower() for m in members if not _is_other(str(m))]
        return bool(named) and all(any(word in m for word in SECURITY) for m in named)

    def _string(self, name: str, remark: Remark | None) -> str:
        wish = _wish(name, remark)
        if wish is not None:
            return str(wish)
        if name in BY_NAME and remark is not None:
            return ""
        if name == "summary" and self._prompt.before is not None:
            return f"{SAID[ruling(self._prompt, ())]} ({LABEL}, not Claude)."
        if name == "summary":
            files = ", ".join(file.path for file in self._prompt.files) or "nothing"
            count = len(self._remarks)
            return f"{count} remark{'s' * (count != 1)} on {files} ({LABEL}, not Claude)."
        return f"Nothing to say on {name or 'this'} ({LABEL}, not Claude)."


def _fitted(draft: Draft, inner: Schema) -> Draft:
    """A draft with the fields that the schema wants."""
    return {name: draft.get(name, "") for name in inner}


def answer(schema: Schema, remarks: Sequence[Remark], prompt: Prompt) -> str:
    """Write the answer to a prompt as JSON in the schema."""
    return json.dumps(Filler(schema, remarks, prompt).fill(), ensure_ascii=False)


def plain_answer(remarks: Sequence[Remark]) -> str:
    """Write the answer to a prompt that carries no schema."""
    lines = [f"- {r.path}:{r.start} {r.message} ({LABEL}: {r.rule})" for r in remarks]
    return "\n".join(lines) or f"Nothing found ({LABEL}, not Claude)."


def _wish(name: str, remark: Remark | None) -> Any:
    return BY_NAME[name](remark) if remark is not None and name in BY_NAME else None


def _kind(kinds: Sequence[str], wish: Any) -> str:
    """Choose from a list of types: null when there is nothing to say."""
    if wish is None and "null" in kinds:
        return "null"
    return next((kind for kind in kinds if kind != "null"), "null")


def _rank(severity: object) -> int:
    """Place a word for a severity on a ladder; unknown words stand in the middle."""
    word = str(severity).lower()
    return next((step for step, words in enumerate(LADDER) if word in words), 2)


def _is_other(member: str) -> bool:
    return any(word in member.lower() for word in ("other", "misc", "general"))


def _member(members: Sequence[Any], name: str, remark: Remark | None) -> Any:
    """Choose the member that is nearest to the remark, or the most cautious one."""
    low = {str(member).lower(): member for member in members}
    wish = _wish(name, remark)
    if str(wish).lower() in low:
        return low[str(wish).lower()]
    if remark is not None and name == "severity":
        return min(members, key=lambda member: abs(_rank(member) - _rank(wish)))
    words = remark.words if remark is not None else ()
    for word in (*words, *CAUTIOUS):
        for text, member in low.items():
            if word in text:
                return member
    spare = [member for text, member in low.items() if _is_other(text)]
    return spare[-1] if spare else members[-1]
