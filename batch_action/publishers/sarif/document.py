"""A document that GitHub takes: words go first, then the least severe results."""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from batch_action import __version__
from batch_action.escape import message, path_url, visible
from batch_action.models.findings import LIVE, Finding, Known, Reconciled, Standing, State
from batch_action.models.github import TOOL
from batch_action.models.report import Night
from batch_action.publishers import finding_block
from batch_action.publishers.sarif import messages, state
from batch_action.publishers.sarif.reader import Memory, Told
from batch_action.publishers.sarif.rules import identify, rules_for


class Build(Protocol):
    """A document with so many results, with their blocks or without."""

    def __call__(self, most: int, *, words: bool) -> dict[str, Any]:
        """Give it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A document that is small enough."""

    document: dict[str, Any]
    data: bytes
    packed: bytes
    most: int
    """How many results it shows at most."""


def fitted(build: Build, *, most: int, limit: int) -> Fit:
    """The fullest document of at most `limit` compressed bytes; an empty one is never too large."""
    words = True
    while True:
        document = build(most, words=words)
        told = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        data = told.encode("utf-8", "replace")
        # No time in the header: equal documents are equal bytes.
        packed = gzip.compress(data, mtime=0)
        if len(packed) <= limit or (most == 0 and not words):
            return Fit(document=document, data=data, packed=packed, most=most)
        if words:
            words = False
        else:
            most = most * 3 // 4


HOME = "https://github.com/batch-action/batch-action"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RESULTS = 5_000
"""GitHub takes 25,000 results and keeps 5,000 of them; we choose which."""
MOST_REMEMBERED = 20_000
MOST_FIXED = 500
LARGEST = 9_500_000
"""Bytes of gzip; GitHub refuses more than 10 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The document as it goes out."""

    data: bytes
    packed: bytes
    """The same, compressed."""
    document: dict[str, Any]
    live: int
    """How many open findings it shows."""
    held: int
    """How many it has no room for; they are remembered, the worst are shown."""


def category(task: str, state_key: str) -> str:
    """The name under which code scanning replaces one analysis by the next."""
    return f"{TOOL}/{task}-{state_key}" if state_key else f"{TOOL}/{task}"


def render(
    night: Night,
    reconciled: Reconciled,
    before: Memory,
    *,
    kept: Mapping[str, str] | None = None,
    limit: int = LARGEST,
) -> Draft:
    """The document after tonight.

    Args:
        night: its circumstances.
        reconciled: every finding's standing; its commit is the analysed one.
        before: what the last analysis said.
        kept: fingerprints of dismissed findings with an alert that must not close, and why.
        limit: bytes of the compressed document.

    """
    dismissed = kept or {}
    standings = [_dated(standing, night) for standing in reconciled.standings]
    shown = [s for s in standings if s.known.state in LIVE or s.known.fingerprint in dismissed]
    hidden = [
        s for s in standings if s.known.fingerprint not in {t.known.fingerprint for t in shown}
    ]

    def build(most: int, *, words: bool) -> dict[str, Any]:
        results = shown[:most]
        rest = [*shown[most:], *_remembered(hidden)][:MOST_REMEMBERED]
        return _document(night, reconciled, results, rest, before, dismissed, words=words)

    fit: Fit = fitted(build, most=min(len(shown), MOST_RESULTS), limit=limit)
    live = [s.known.state in LIVE for s in shown]
    return Draft(
        data=fit.data,
        packed=fit.packed,
        document=fit.document,
        live=sum(live[: fit.most]),
        held=sum(live[fit.most :]),
    )


def _is_result(standing: Standing, dismissed: Mapping[str, str]) -> bool:
    return standing.known.state in LIVE or standing.known.fingerprint in dismissed


def _dated(standing: Standing, night: Night) -> Standing:
    known = standing.known
    closed = (known.closed or night.date) if known.state is State.FIXED else ""
    return replace(standing, known=replace(known, since=known.since or night.date, closed=closed))


def _remembered(hidden: Iterable[Standing]) -> list[Standing]:
    """What is accepted, and the newest of what is fixed: it may come back."""
    hidden = list(hidden)
    fixed = [s for s in hidden if s.known.state is State.FIXED]
    fixed.sort(key=lambda s: s.known.closed, reverse=True)
    return [*(s for s in hidden if s.known.state is not State.FIXED), *fixed[:MOST_FIXED]]


def _document(
    night: Night,
    reconciled: Reconciled,
    shown: Sequence[Standing],
    rest: Sequence[Standing],
    before: Memory,
    dismissed: Mapping[str, str],
    *,
    words: bool,
) -> dict[str, Any]:
    rules = rules_for([(s.known, s.finding) for s in shown], before.rules, night.task)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = []
    for standing in shown:
        known, finding = standing.known, standing.finding
        told = before.told.get(known.fingerprint)
        result = _result(known, finding, told, index[identify(known)])
        if words:
            block = told.markdown if told else ""
            block = block or reconciled.words.get(known.fingerprint, "")
            result["message"]["markdown"] = block or finding_block.write(known, finding, night)
        if known.fingerprint in dismissed:
            result["suppressions"] = [_suppression(dismissed[known.fingerprint])]
        results.append(result)
    driver = {
        "name": TOOL,
        "version": __version__,
        "semanticVersion": __version__,
        "informationUri": HOME,
        "rules": rules,
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"{category(night.task, night.state_key)}/"},
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": {
            state.KEY: {
                "batches": list(night.batch_ids),
                "rest": [state.written(standing.known) for standing in rest],
            }
        },
    }
    if night.repository is not None:
        run["versionControlProvenance"] = [_provenance(night, reconciled.commit)]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _provenance(night: Night, commit: str) -> dict[str, str]:
    where = {
        "repositoryUri": f"{night.server_url}/{night.repository}",
        "revisionId": commit,
    }
    return where | ({"branch": night.ref} if night.ref else {})


def _result(known: Known, finding: Finding | None, told: Told | None, rule: int) -> dict[str, Any]:
    anchor = known.anchor
    said = messages.sentence(known, finding, told.text if told else "")
    region: dict[str, Any] = {
        "startLine": anchor.start_line,
        "startColumn": 1,
        "endLine": anchor.end_line,
    }
    snippet, column = _code(finding, told, anchor.end_line - anchor.start_line)
    if column is not None:
        region["endColumn"] = column
    if snippet:
        region["snippet"] = {"text": snippet}
    place = {"artifactLocation": {"uri": path_url(anchor.path)}, "region": region}
    return {
        "ruleId": identify(known),
        "ruleIndex": rule,
        "level": messages.level(known.severity),
        "message": {"text": messages.signed(said, known)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {
            # The only one that GitHub compares.
            "primaryLocationLineHash": known.fingerprint,
            state.KEY: known.fingerprint,
        },
        "properties": {state.KEY: state.written(known)},
    }


def _code(finding: Finding | None, told: Told | None, lines: int) -> tuple[str, int | None]:
    """The quoted code, and the column behind its last line; from the last analysis if not now."""
    if finding is not None and finding.evidence:
        last = finding.evidence.rpartition("\n")[2]
        units = len(last.encode("utf-16-le", "surrogatepass")) // 2
        return visible(finding_block.cut(finding.evidence)), max(units, 1) + 1
    if told is None:
        return "", None
    same = told.columns is not None and told.columns[0] == lines
    return visible(told.snippet), told.columns[1] if told.columns and same else None


def _suppression(why: str) -> dict[str, str]:
    told = {"kind": "external", "status": "accepted"}
    justification = message(why, messages.LONGEST_PROSE)
    return told | ({"justification": justification} if justification else {})
