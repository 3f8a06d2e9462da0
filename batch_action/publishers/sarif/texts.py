"""The texts of a SARIF run: its rules, and the messages from which a finding can be read back.

There is a rule for each category, rule and severity that has a result. GitHub takes severity, tags
and documentation from the rule, so findings of one kind but different severities need different
rules. Category, rule and severity of a finding never change, as its rule id must not.

Code scanning returns a subset of what was uploaded, without our properties. So each message ends
with a footer that identifies the finding, for people and for us.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from batch_action.escape import code_span, markdown, message, plain
from batch_action.models.findings import Finding, FindingStatus, Severity, TrackedFinding
from batch_action.models.github import TOOL_NAME
from batch_action.models.verification import Verification, VerificationResult
from batch_action.publishers.finding_block import RESULT_LABELS
from batch_action.publishers.markers import MAX_TITLE_CHARS
from batch_action.text import task_slug

KEY = "batchAction/v1"
"""The name of our properties; an incompatible later format gets another name."""
MAX_PROSE_CHARS = 1_500
MAX_TRIGGER_CHARS = 500
MAX_MESSAGE_CHARS = 8_000

_FOOTER = re.compile(
    r"\s*\(Finding ([0-9a-f]{16}), first seen ([0-9-]{0,10}), "
    r"lines? (\d{1,7})(?: to (\d{1,7}))? of blob ([0-9a-f]{1,12}) in ([0-9a-f]{1,12})"
    r"(, older than the reviewed change)?"
    rf"(?:, ({'|'.join(Verification)})(?: by ([\w-]{{1,60}}))?)?\)$"
)
_NOT_IN_LOGIN = re.compile(r"[^\w-]", re.ASCII)


def category_of(task: str, state_key: str) -> str:
    """Return the category by which code scanning replaces one analysis with the next."""
    return f"{TOOL_NAME}/{task_slug(task, state_key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The footer of a message: what identifies a finding when no property came back."""

    fingerprint: str
    since: str
    start_line: int
    end_line: int
    blob: str
    """The first digits of the blob's id."""
    commit: str
    """The first digits of the commit's id."""
    pre_existing: bool
    verification: Verification | None
    confirmed_by: str


def message_text(status: FindingStatus, previous: str) -> str:
    """Return a message's text without its footer: the text of the last analysis if there is one.

    A reason that came in with this run is added, once.
    """
    text = message(previous, MAX_MESSAGE_CHARS) if previous else _new_text(status)
    reason = _reason(status.verified) if status.verified else ""
    return text if reason in text else f"{text} {reason}"


def _reason(verified: VerificationResult) -> str:
    label = RESULT_LABELS.get(verified.result)
    reason = message(verified.reason, MAX_PROSE_CHARS)
    return f"{label}: {_end_sentence(reason)}" if label and reason else ""


def _new_text(status: FindingStatus) -> str:
    tracked, finding = status.tracked, status.finding
    parts = [_end_sentence(message(tracked.title, MAX_TITLE_CHARS) or "Untitled finding")]
    if finding is not None:
        raw = finding.texts.read().raw
        trigger = message(raw.trigger, MAX_TRIGGER_CHARS)
        explanation = message(raw.explanation, MAX_PROSE_CHARS)
        remediation = message(raw.remediation, MAX_PROSE_CHARS)
        parts += [_end_sentence(trigger)] if trigger else []
        parts += [_end_sentence(explanation)] if explanation else []
        parts += [f"Fix: {_end_sentence(remediation)}"] if remediation else []
    return " ".join(parts)


def add_footer(text: str, tracked: TrackedFinding) -> str:
    """Return the text with the footer of its finding."""
    anchor = tracked.anchor
    lines = f"line {anchor.start_line}"
    if anchor.end_line != anchor.start_line:
        lines = f"lines {anchor.start_line} to {anchor.end_line}"
    older = ", older than the reviewed change" if tracked.pre_existing else ""
    verification = f", {tracked.verification.value}" if tracked.verification else ""
    login = _NOT_IN_LOGIN.sub("", tracked.confirmed_by)[:MAX_NAME_CHARS]
    person = f" by {login}" if login else ""
    return (
        f"{text} (Finding {tracked.fingerprint}, first seen {tracked.opened_on}, "
        f"{lines} of blob {anchor.blob[:12]} in {anchor.commit[:12]}{older}{verification}{person})"
    )


def strip_footer(text: str) -> str:
    """Return the text without its footer."""
    return _FOOTER.sub("", text)


def parse_footer(text: str) -> Footer | None:
    """Return the footer of a message; None without a valid one."""
    match = _FOOTER.search(text)
    if match is None:
        return None
    first, last = int(match[3]), int(match[4] or match[3])
    if not 0 < first <= last:
        return None
    return Footer(
        fingerprint=match[1],
        since=match[2],
        start_line=first,
        end_line=last,
        blob=match[5],
        commit=match[6],
        pre_existing=match[7] is not None,
        verification=Verification(match[8]) if match[8] else None,
        confirmed_by=match[9] or "",
    )


def title_of(text: str) -> str:
    """Return the first sentence: the title, unless the title has a period in it."""
    return strip_footer(text).partition(". ")[0].removesuffix(".")


def level_of(severity: Severity) -> str:
    """Return SARIF's level for a severity."""
    return {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}.get(
        severity, "note"
    )


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


Rule = dict[str, Any]
Reported = Sequence[tuple[TrackedFinding, Finding | None]]
"""Tracked findings with their new findings, if any; the most severe first."""

MAX_NAME_CHARS = 60
MAX_TAGS = 10
"""GitHub refuses more than 20 tags and shows 10."""

SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
"""For GitHub, over 9.0 is critical, from 7.0 high, from 4.0 medium."""

PROBLEM_SEVERITIES = {"error": "error", "warning": "warning", "note": "recommendation"}
PRECISIONS = frozenset({"very-high", "high", "medium", "low"})

_CWE = re.compile(r"cwe[-\s:_]*0*(\d{1,5})\b", re.IGNORECASE)
_CWE_TAG = re.compile(r"external/cwe/cwe-(\d{2,5})")
_ACRONYM = re.compile(
    r"api|aws|cors|cpu|csp|css|csrf|dns|dos|html|https?|id|io|ip|json|jwt|ldap|os|pii|rce|sql|ssh|"
    r"ssl|ssrf|ssti|tls|toctou|ur[il]|utf|xml|xpath|xss|xxe|yaml",
    re.IGNORECASE,
)


def rule_id(tracked: TrackedFinding) -> str:
    """Return a finding's rule id: category, rule and severity, each percent-encoded."""
    return f"{_part(tracked.category)}/{_part(tracked.rule)}/{tracked.severity.value}"


def parse_rule_id(text: str) -> tuple[str, str, Severity] | None:
    """Return category, rule and severity of a rule id; None when it is none of ours."""
    parts = text.split("/")
    try:
        category, rule, severity = parts
        return unquote(category), unquote(rule), Severity(severity)
    except ValueError:
        return None


def rules_for(reported: Reported, previous: Mapping[str, Rule], task: str) -> list[Rule]:
    """Return the rules of these findings, sorted by id; `previous`: those of the last analysis."""
    groups: dict[str, list[tuple[TrackedFinding, Finding | None]]] = {}
    for tracked, finding in reported:
        groups.setdefault(rule_id(tracked), []).append((tracked, finding))
    return [
        _rule(name, group, _properties(previous.get(name)), task)
        for name, group in sorted(groups.items())
    ]


def _properties(rule: Rule | None) -> Mapping[str, Any]:
    properties = (rule or {}).get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _rule(id: str, group: Reported, previous: Mapping[str, Any], task: str) -> Rule:
    tracked, _ = group[0]
    weaknesses = _weaknesses([f for _, f in group if f is not None], previous.get("tags", ()))
    level = level_of(tracked.severity)
    properties: dict[str, Any] = {
        "tags": _tags(tracked, weaknesses),
        "precision": _precision([f for _, f in group if f is not None], previous),
        "problem.severity": PROBLEM_SEVERITIES[level],
    }
    if tracked.security:
        properties["security-severity"] = SCORES[tracked.severity]
    name = plain(tracked.rule, MAX_NAME_CHARS) or "unnamed"
    category = message(tracked.category, MAX_NAME_CHARS) or "unnamed"
    return {
        "id": id,
        "name": name,
        # GitHub shows it as the title of each alert of the rule.
        "shortDescription": {"text": _title_of_alerts(group)},
        "fullDescription": {
            "text": f"Found by the task {message(task, MAX_NAME_CHARS)}: category {category}, "
            f"severity {tracked.severity.value}. Each alert describes the problem and its fix."
        },
        "defaultConfiguration": {"level": level},
        "help": _help(tracked, name, weaknesses, task),
        "properties": properties,
    }


def _help(
    tracked: TrackedFinding, name: str, weaknesses: Sequence[int], task: str
) -> dict[str, str]:
    """Return the documentation: where such a finding comes from, and how to close its alert."""
    explanation = (
        "A model reviewed the file and quoted the code in question; the quotation was found in the "
        "reviewed commit. The alert closes once the code has changed and a review no longer "
        "reports the problem. For a false positive, dismiss the alert: it stays dismissed in "
        "every place where batch-action reports."
    )
    links = ", ".join(
        f"[CWE-{number}](https://cwe.mitre.org/data/definitions/{number}.html)"
        for number in weaknesses
    )
    facts = (
        f"**Rule** {code_span(name)} · **category** {markdown(tracked.category, MAX_NAME_CHARS)} · "
        f"**severity** {tracked.severity.value} · **task** {markdown(task, MAX_NAME_CHARS)}"
    )
    paragraphs = [facts, explanation, f"Weakness: {links}." if links else ""]
    plain_links = (
        f"Weakness: {', '.join(f'CWE-{number}' for number in weaknesses)}." if links else ""
    )
    return {
        "text": f"{_title(name, tracked.category)}. {explanation} {plain_links}".strip(),
        "markdown": "\n\n".join(text for text in paragraphs if text),
    }


def _tags(tracked: TrackedFinding, weaknesses: Sequence[int]) -> list[str]:
    category = plain(tracked.category, MAX_NAME_CHARS)
    tags = list(dict.fromkeys(["security"] * tracked.security + [category] * bool(category)))
    # At least two digits, as CodeQL writes them.
    tags += [f"external/cwe/cwe-{number:02}" for number in weaknesses]
    return tags[:MAX_TAGS]


def _weaknesses(findings: Iterable[Finding], previous_tags: object) -> list[int]:
    """Return the CWE numbers of the new findings and of the last analysis."""
    tags = previous_tags if isinstance(previous_tags, list) else []
    numbers = [m[1] for f in findings for m in _CWE.finditer(f.texts.read().raw.cwe or "")]
    numbers += [m[1] for tag in tags if isinstance(tag, str) and (m := _CWE_TAG.fullmatch(tag))]
    return sorted({int(number) for number in numbers} - {0})


def _precision(findings: Sequence[Finding], previous: Mapping[str, Any]) -> str:
    """Return the confidence of the most severe finding, or the last analysis's precision."""
    if findings:
        return findings[0].confidence.value
    precision = previous.get("precision")
    return precision if precision in PRECISIONS else "medium"


def _part(text: str) -> str:
    return quote(plain(text, MAX_NAME_CHARS) or "unnamed", safe="")


def _title_of_alerts(group: Reported) -> str:
    """Return what is wrong: the title of the only finding, or the rule of several."""
    tracked, _ = group[0]
    # The list of alerts renders no Markdown.
    title = message(tracked.title.replace("`", ""), MAX_TITLE_CHARS) if len(group) == 1 else ""
    return title or _title(plain(tracked.rule, MAX_NAME_CHARS) or "unnamed", tracked.category)


def _title(name: str, category: str) -> str:
    """Return `sql-injection` as `SQL injection`, with the category unless the name contains it."""
    words = [w.upper() if _ACRONYM.fullmatch(w) else w for w in re.split(r"[-_\s]+", name) if w]
    text = message(" ".join(words) or name)
    category_text = message(category.replace("-", " "), MAX_NAME_CHARS)
    if category_text.lower() not in text.lower():
        text += f" ({category_text})"
    return text[:1].upper() + text[1:]
