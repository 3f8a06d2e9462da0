"""A document that GitHub takes: words go first, then the least severe results."""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from batch_action import __version__
from batch_action.escape import message, path_url, visible
from batch_action.models.findings import (
    OPEN_STATES,
    Finding,
    FindingState,
    FindingStatus,
    Reconciliation,
    TrackedFinding,
)
from batch_action.models.github import TOOL
from batch_action.models.report import RunReport
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
    suppressed: int
    """How many it has no room for; they are remembered, the worst are shown."""


def category(task: str, state_key: str) -> str:
    """The name under which code scanning replaces one analysis by the next."""
    return f"{TOOL}/{task}-{state_key}" if state_key else f"{TOOL}/{task}"


def render(
    report: RunReport,
    reconciled: Reconciliation,
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
    statuses = [_dated(standing, report) for standing in reconciled.statuses]
    shown = [
        s for s in statuses if s.tracked.state in OPEN_STATES or s.tracked.fingerprint in dismissed
    ]
    hidden = [
        s for s in statuses if s.tracked.fingerprint not in {t.tracked.fingerprint for t in shown}
    ]

    def build(most: int, *, words: bool) -> dict[str, Any]:
        results = shown[:most]
        rest = [*shown[most:], *_remembered(hidden)][:MOST_REMEMBERED]
        return _document(report, reconciled, results, rest, before, dismissed, words=words)

    fit: Fit = fitted(build, most=min(len(shown), MOST_RESULTS), limit=limit)
    live = [s.tracked.state in OPEN_STATES for s in shown]
    return Draft(
        data=fit.data,
        packed=fit.packed,
        document=fit.document,
        live=sum(live[: fit.most]),
        suppressed=sum(live[fit.most :]),
    )


def _is_result(standing: FindingStatus, dismissed: Mapping[str, str]) -> bool:
    return standing.tracked.state in OPEN_STATES or standing.tracked.fingerprint in dismissed


def _dated(standing: FindingStatus, report: RunReport) -> FindingStatus:
    known = standing.tracked
    closed = (known.closed or report.date) if known.state is FindingState.FIXED else ""
    return replace(
        standing, tracked=replace(known, since=known.since or report.date, closed=closed)
    )


def _remembered(hidden: Iterable[FindingStatus]) -> list[FindingStatus]:
    """What is accepted, and the newest of what is fixed: it may come back."""
    hidden = list(hidden)
    fixed = [s for s in hidden if s.tracked.state is FindingState.FIXED]
    fixed.sort(key=lambda s: s.tracked.closed, reverse=True)
    return [*(s for s in hidden if s.tracked.state is not FindingState.FIXED), *fixed[:MOST_FIXED]]


def _document(
    report: RunReport,
    reconciled: Reconciliation,
    shown: Sequence[FindingStatus],
    rest: Sequence[FindingStatus],
    before: Memory,
    dismissed: Mapping[str, str],
    *,
    words: bool,
) -> dict[str, Any]:
    rules = rules_for([(s.tracked, s.finding) for s in shown], before.rules, report.task)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = []
    for standing in shown:
        known, finding = standing.tracked, standing.finding
        told = before.told.get(known.fingerprint)
        result = _result(known, finding, told, index[identify(known)])
        if words:
            block = told.markdown if told else ""
            block = block or reconciled.blocks.get(known.fingerprint, "")
            result["message"]["markdown"] = block or finding_block.write(known, finding, report)
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
        "automationDetails": {"id": f"{category(report.task, report.state_key)}/"},
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": {
            state.KEY: {
                "batches": list(report.batch_ids),
                "rest": [state.written(standing.tracked) for standing in rest],
            }
        },
    }
    if report.repository is not None:
        run["versionControlProvenance"] = [_provenance(report, reconciled.commit)]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _provenance(report: RunReport, commit: str) -> dict[str, str]:
    where = {
        "repositoryUri": f"{report.server_url}/{report.repository}",
        "revisionId": commit,
    }
    return where | ({"branch": report.ref} if report.ref else {})


def _result(
    known: TrackedFinding, finding: Finding | None, told: Told | None, rule: int
) -> dict[str, Any]:
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
