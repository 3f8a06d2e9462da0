"""The rules of a SARIF run: one for each category, rule and severity that has a result.

GitHub takes severity, tags and documentation from the rule, so findings of one kind and of
different severities need different rules. All three are fixed at a finding's birth, as a rule id
must be.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from batch_action.escape import code_span, markdown, message, plain
from batch_action.models.findings import Confidence, Finding, Severity, TrackedFinding
from batch_action.publishers.sarif.messages import level

Rule = dict[str, Any]
Reported = Sequence[tuple[TrackedFinding, Finding | None]]
"""The findings of one rule, the worst first."""

LONGEST_NAME = 60
MOST_TAGS = 10
"""GitHub refuses more than 20 tags and shows 10."""

SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
"""GitHub reads over 9.0 as critical, from 7.0 as high, from 4.0 as medium."""

PROBLEMS = {"error": "error", "warning": "warning", "note": "recommendation"}
PRECISIONS = frozenset({"very-high", "high", "medium", "low"})

_CWE = re.compile(r"cwe[-\s:_]*0*(\d{1,5})\b", re.IGNORECASE)
_CWE_TAG = re.compile(r"external/cwe/cwe-(\d{2,5})")
_LETTERS = re.compile(
    r"api|aws|cors|cpu|csp|css|csrf|dns|dos|html|https?|id|io|ip|json|jwt|ldap|os|pii|rce|sql|ssh|"
    r"ssl|ssrf|ssti|tls|toctou|ur[il]|utf|xml|xpath|xss|xxe|yaml",
    re.IGNORECASE,
)


def identify(known: TrackedFinding) -> str:
    """The rule's id: category, rule and severity, from which all three can be read back."""
    return f"{_part(known.category)}/{_part(known.rule)}/{known.severity.value}"


def read_id(text: str) -> tuple[str, str, Severity] | None:
    """Category, rule and severity of a rule id; None when it is none of ours."""
    parts = text.split("/")
    try:
        category, rule, severity = parts
        return unquote(category), unquote(rule), Severity(severity)
    except ValueError:
        return None


def rules_for(reported: Reported, before: Mapping[str, Rule], task: str) -> list[Rule]:
    """The rules of these findings, by their ids; *before*: those of the last analysis."""
    groups: dict[str, list[tuple[TrackedFinding, Finding | None]]] = {}
    for known, finding in reported:
        groups.setdefault(identify(known), []).append((known, finding))
    return [
        _rule(name, group, _properties(before.get(name)), task)
        for name, group in sorted(groups.items())
    ]


def _properties(rule: Rule | None) -> Mapping[str, Any]:
    found = (rule or {}).get("properties")
    return found if isinstance(found, Mapping) else {}


def _rule(id: str, group: Reported, before: Mapping[str, Any], task: str) -> Rule:
    known, _ = group[0]
    weaknesses = _weaknesses([f for _, f in group if f is not None], before.get("tags", ()))
    word = level(known.severity)
    properties: dict[str, Any] = {
        "tags": _tags(known, weaknesses),
        "precision": _precision([f for _, f in group if f is not None], before),
        "problem.severity": PROBLEMS[word],
    }
    if known.security:
        properties["security-severity"] = SCORES[known.severity]
    name = plain(known.rule, LONGEST_NAME) or "unnamed"
    kind = message(known.category, LONGEST_NAME) or "unnamed"
    return {
        "id": id,
        "name": name,
        "shortDescription": {"text": _title(name, known.category)},
        "fullDescription": {
            "text": f"Found by the task {message(task, LONGEST_NAME)}: category {kind}, severity "
            f"{known.severity.value}. Each alert says what is wrong there and what to do about it."
        },
        "defaultConfiguration": {"level": word},
        "help": _help(known, name, weaknesses, task),
        "properties": properties,
    }


def _help(known: TrackedFinding, name: str, weaknesses: Sequence[int], task: str) -> dict[str, str]:
    """How such a finding comes about, and how to be rid of it."""
    life = (
        "A model reviewed the file and quoted the code it means; the quotation was found in the "
        "reviewed commit. The alert closes by itself once the code has changed and a review of it "
        "no longer reports the problem. To be rid of a false alarm, dismiss the alert: it stays "
        "dismissed in every place where batch-action reports."
    )
    links = ", ".join(
        f"[CWE-{number}](https://cwe.mitre.org/data/definitions/{number}.html)"
        for number in weaknesses
    )
    facts = (
        f"**Rule** {code_span(name)} · **category** {markdown(known.category, LONGEST_NAME)} · "
        f"**severity** {known.severity.value} · **task** {markdown(task, LONGEST_NAME)}"
    )
    rows = [facts, life, f"Weakness: {links}." if links else ""]
    told = f"Weakness: {', '.join(f'CWE-{number}' for number in weaknesses)}." if links else ""
    return {
        "text": f"{_title(name, known.category)}. {life} {told}".strip(),
        "markdown": "\n\n".join(row for row in rows if row),
    }


def _tags(known: TrackedFinding, weaknesses: Sequence[int]) -> list[str]:
    category = plain(known.category, LONGEST_NAME)
    tags = list(dict.fromkeys(["security"] * known.security + [category] * bool(category)))
    # Two digits at least, as CodeQL writes them.
    tags += [f"external/cwe/cwe-{number:02}" for number in weaknesses]
    return tags[:MOST_TAGS]


def _weaknesses(findings: Iterable[Finding], before: object) -> list[int]:
    """The CWE numbers of tonight's findings and of the last analysis."""
    tags = [tag for tag in before if isinstance(tag, str)] if isinstance(before, list) else []
    found = [m[1] for f in findings for m in _CWE.finditer(f.raw.cwe or "")]
    found += [m[1] for tag in tags if (m := _CWE_TAG.fullmatch(tag))]
    return sorted({int(number) for number in found} - {0})


def _precision(findings: Sequence[Finding], before: Mapping[str, Any]) -> str:
    """As sure as the reviewer was of the worst one."""
    if findings:
        sure: dict[Confidence, str] = {c: c.value for c in Confidence}
        return sure[findings[0].raw.confidence]
    told = before.get("precision")
    return told if told in PRECISIONS else "medium"


def _part(text: str) -> str:
    return quote(plain(text, LONGEST_NAME) or "unnamed", safe="")


def _title(name: str, category: str) -> str:
    """`sql-injection` as `SQL injection`, with the category where it says more."""
    words = [w.upper() if _LETTERS.fullmatch(w) else w for w in re.split(r"[-_\s]+", name) if w]
    text = message(" ".join(words) or name)
    kind = message(category.replace("-", " "), LONGEST_NAME)
    more = f" ({kind})" if kind and kind.lower() not in text.lower() else ""
    return text[:1].upper() + text[1:] + more
