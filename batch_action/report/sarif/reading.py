"""An analysis read back: what it remembers, in full or as much of it as code scanning returned."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from batch_action.escape import prose
from batch_action.models.findings import Known, Severity
from batch_action.report.sarif import memory, wording
from batch_action.report.sarif.rules import Rule, read_id
from batch_action.report.sarif.wording import Trace

_HASH = re.compile(r"([0-9a-f]{16})(?::\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A result's words, to be said again."""

    text: str
    """The message without its last line."""
    markdown: str = ""
    """The finding's block; empty where it did not come back."""
    snippet: str = ""
    columns: tuple[int, int] | None = None
    """How many lines it spans, and the column behind its last one."""

    @property
    def words(self) -> str:
        """The block, or one of the plain text."""
        return self.markdown or prose(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A finding of which only what people see came back: git has to tell the rest."""

    trace: Trace
    path: str
    category: str
    rule: str
    severity: Severity
    title: str
    security: bool | None
    """None: its rule came back without properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one analysis remembers."""

    exact: bool = False
    """Our own properties came back."""
    batches: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()
    halves: tuple[Half, ...] = ()
    told: dict[str, Told] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    face: frozenset[tuple[object, ...]] = frozenset()
    """What people see of it."""
    rest: frozenset[tuple[str, str]] = frozenset()
    """Fingerprint and state of what it remembers without showing it."""


def parse(document: object) -> Memory:
    """The memory in a SARIF document; what is damaged or somebody else's is left out."""
    run = next(_mappings(_dict(document).get("runs")), {})
    driver = _dict(_dict(run.get("tool")).get("driver"))
    rules = {str(rule.get("id")): dict(rule) for rule in _mappings(driver.get("rules"))}
    bag = _dict(run.get("properties")).get(memory.KEY)
    rest = [k for one in _mappings(_dict(bag).get("rest")) if (k := memory.read(one))]
    known: dict[str, Known] = {}
    halves: dict[str, Half] = {}
    told: dict[str, Told] = {}
    for result in _mappings(run.get("results")):
        fingerprint = _fingerprint(result)
        if fingerprint is None or fingerprint in told:
            continue
        told[fingerprint] = _told(result)
        whole = memory.read(_dict(result.get("properties")).get(memory.KEY))
        if whole is not None and whole.fingerprint == fingerprint:
            known[fingerprint] = whole
        elif part := half(_text(result), _path(result), str(result.get("ruleId")), rules):
            halves[fingerprint] = part
    known |= {one.fingerprint: one for one in rest if one.fingerprint not in told}
    batches = _dict(bag).get("batches")
    return Memory(
        exact=isinstance(bag, Mapping),
        batches=tuple(b for b in batches if isinstance(b, str))
        if isinstance(batches, list)
        else (),
        known=tuple(known.values()),
        halves=tuple(halves.values()),
        told=told,
        rules=rules,
        face=frozenset(_face(result) for result in _mappings(run.get("results"))),
        rest=frozenset((one.fingerprint, one.state.value) for one in rest),
    )


def half(text: str, path: str, rule: str, rules: Mapping[str, Rule]) -> Half | None:
    """What a result or an alert shows of a finding; None when it is none of ours."""
    trace, parts = wording.trace(text), read_id(rule)
    if trace is None or parts is None or not path:
        return None
    properties = _dict(rules.get(rule, {}).get("properties"))
    tags = properties.get("tags")
    return Half(
        trace=trace,
        path=path,
        category=parts[0],
        rule=parts[1],
        severity=parts[2],
        title=wording.title(text),
        security="security" in tags if isinstance(tags, list) else None,
    )


def same(before: Memory, after: Memory) -> bool:
    """Whether a new document shows and remembers what the last one did."""
    return before.face == after.face and (not before.exact or before.rest == after.rest)


def _face(result: Mapping[str, Any]) -> tuple[object, ...]:
    region = _region(result)
    return (
        _fingerprint(result),
        str(result.get("ruleId")),
        str(result.get("level")),
        _text(result),
        _path(result),
        region.get("startLine"),
        region.get("endLine", region.get("startLine")),
    )


def _told(result: Mapping[str, Any]) -> Told:
    region = _region(result)
    markdown = _dict(result.get("message")).get("markdown")
    snippet = _dict(region.get("snippet")).get("text")
    columns = None
    match region:
        case {"startLine": int(first), "endColumn": int(column)}:
            columns = (int(region.get("endLine", first)) - first, column)
    return Told(
        text=wording.unsigned(_text(result)),
        markdown=markdown if isinstance(markdown, str) else "",
        snippet=snippet if isinstance(snippet, str) else "",
        columns=columns,
    )


def _fingerprint(result: Mapping[str, Any]) -> str | None:
    value = _dict(result.get("partialFingerprints")).get("primaryLocationLineHash")
    found = _HASH.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def _text(result: Mapping[str, Any]) -> str:
    text = _dict(result.get("message")).get("text")
    return text if isinstance(text, str) else ""


def _place(result: Mapping[str, Any]) -> Mapping[str, Any]:
    first = next(_mappings(result.get("locations")), {})
    return _dict(first.get("physicalLocation"))


def _region(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return _dict(_place(result).get("region"))


def _path(result: Mapping[str, Any]) -> str:
    uri = _dict(_place(result).get("artifactLocation")).get("uri")
    return unquote(uri, errors="surrogateescape") if isinstance(uri, str) else ""


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else ()
