"""The SARIF document, fitted to GitHub's limits.

If it is too large, the Markdown of all results is left out first, then the least severe results.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_action import __version__
from batch_action.escape import message, path_url, visible
from batch_action.models.findings import (
    OPEN_STATES,
    Finding,
    FindingState,
    FindingStatus,
    Reconciliation,
)
from batch_action.models.github import TOOL_NAME
from batch_action.models.report import RunReport
from batch_action.publishers import finding_block, markers
from batch_action.publishers.finding_block import set_dates
from batch_action.publishers.sarif import texts
from batch_action.publishers.sarif.reader import AnalysisState, ResultText
from batch_action.publishers.sarif.texts import KEY, category_of, rule_id, rules_for

PROJECT_URL = "https://github.com/batch-action/batch-action"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MAX_RESULTS = 5_000
"""GitHub accepts 25,000 results and shows 5,000 of them; we choose which."""
MAX_HIDDEN = 20_000
"""Findings that are stored without being results."""
MAX_FIXED = 500
"""Fixed findings that are stored."""
MAX_GZIP_BYTES = 9_500_000
"""GitHub refuses more than 10 MB."""
GZIP_WBITS = 31
"""zlib's gzip header has no time and the same OS byte under every Python: equal bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifDraft:
    """The document to upload."""

    document: dict[str, Any]
    data: bytes
    """The document as JSON."""
    compressed: bytes
    """`data` as gzip."""
    open: int
    """Number of open findings that are results."""
    suppressed: int
    """Number of open findings over the limits: stored but not shown; the worst are shown."""


def render(
    report: RunReport,
    reconciled: Reconciliation,
    previous: AnalysisState,
    *,
    open_dismissals: Mapping[str, str] | None = None,
    limit: int = MAX_GZIP_BYTES,
) -> SarifDraft:
    """Return the fullest document of a run of at most `limit` compressed bytes.

    Args:
        report: the run.
        reconciled: the status of every finding; its commit is the analyzed one.
        previous: the state of the last analysis.
        open_dismissals: fingerprint to reason of each dismissed finding that stays a result,
            because its alert would close otherwise.
        limit: bytes of the compressed document; an empty one always fits.
    """
    dismissals = open_dismissals or {}
    shown: list[FindingStatus] = []
    hidden: list[FindingStatus] = []
    for status in reconciled.statuses:
        tracked = status.tracked
        is_result = tracked.state in OPEN_STATES or tracked.fingerprint in dismissals
        (shown if is_result else hidden).append(set_dates(status, report))
    count, with_markdown = min(len(shown), MAX_RESULTS), True
    while True:
        stored = [*shown[count:], *_limit_fixed(hidden)][:MAX_HIDDEN]
        run = _build_run(report, reconciled.commit, shown[:count], stored, previous)
        indices = {rule["id"]: number for number, rule in enumerate(run["tool"]["driver"]["rules"])}
        for status in shown[:count]:
            result = _build_result(status, previous, dismissals)
            result["ruleIndex"] = indices[result["ruleId"]]
            if with_markdown:
                result["message"]["markdown"] = _markdown(status, previous, reconciled, report)
            run["results"].append(result)
        document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        data = text.encode("utf-8", "replace")
        compressed = zlib.compress(data, level=9, wbits=GZIP_WBITS)
        if len(compressed) <= limit or (count == 0 and not with_markdown):
            break
        with_markdown, count = False, count if with_markdown else count * 3 // 4
    is_open = [status.tracked.state in OPEN_STATES for status in shown]
    return SarifDraft(
        document=document,
        data=data,
        compressed=compressed,
        open=sum(is_open[:count]),
        suppressed=sum(is_open[count:]),
    )


def _limit_fixed(hidden: Sequence[FindingStatus]) -> list[FindingStatus]:
    """Return the findings with only the most recently fixed ones, which may come back."""
    fixed = [s for s in hidden if s.tracked.state is FindingState.FIXED]
    fixed.sort(key=lambda s: s.tracked.closed_on, reverse=True)
    return [*(s for s in hidden if s.tracked.state is not FindingState.FIXED), *fixed[:MAX_FIXED]]


def _build_run(
    report: RunReport,
    commit: str,
    results: Sequence[FindingStatus],
    stored: Sequence[FindingStatus],
    previous: AnalysisState,
) -> dict[str, Any]:
    driver = {
        "name": TOOL_NAME,
        "version": __version__,
        "semanticVersion": __version__,
        "informationUri": PROJECT_URL,
        "rules": rules_for([(s.tracked, s.finding) for s in results], previous.rules, report.task),
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"{category_of(report.task, report.state_key)}/"},
        "columnKind": "utf16CodeUnits",
        "results": [],
        "properties": {
            KEY: {
                "batches": list(report.batch_ids),
                "hidden": [markers.fields_of(status.tracked) for status in stored],
            }
        },
    }
    if report.repository is not None:
        provenance = {
            "repositoryUri": f"{report.server_url}/{report.repository}",
            "revisionId": commit,
        }
        branch = {"branch": report.ref} if report.ref else {}
        run["versionControlProvenance"] = [provenance | branch]
    return run


def _build_result(
    status: FindingStatus, previous: AnalysisState, dismissals: Mapping[str, str]
) -> dict[str, Any]:
    tracked, finding = status.tracked, status.finding
    anchor, before = tracked.anchor, previous.texts.get(tracked.fingerprint)
    text = texts.message_text(status, before.text if before else "")
    region: dict[str, Any] = {
        "startLine": anchor.start_line,
        "startColumn": 1,
        "endLine": anchor.end_line,
    }
    snippet, end_column = _code(finding, before, anchor.end_line - anchor.start_line)
    if end_column is not None:
        region["endColumn"] = end_column
    if snippet:
        region["snippet"] = {"text": snippet}
    location = {"artifactLocation": {"uri": path_url(anchor.path)}, "region": region}
    result: dict[str, Any] = {
        "ruleId": rule_id(tracked),
        "level": texts.level_of(tracked.severity),
        "message": {"text": texts.add_footer(text, tracked)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {
            # The only one that GitHub compares.
            "primaryLocationLineHash": tracked.fingerprint,
            KEY: tracked.fingerprint,
        },
        "properties": {KEY: markers.fields_of(tracked)},
    }
    if (reason := dismissals.get(tracked.fingerprint)) is not None:
        suppression = {"kind": "external", "status": "accepted"}
        justification = message(reason, texts.MAX_PROSE_CHARS)
        result["suppressions"] = [
            suppression | ({"justification": justification} if justification else {})
        ]
    return result


def _code(
    finding: Finding | None, previous: ResultText | None, extra_lines: int
) -> tuple[str, int | None]:
    """Return the quoted code and the column after its end, from the last analysis if need be."""
    evidence = finding.texts.read().evidence if finding is not None else ""
    if evidence:
        last_line = evidence.rpartition("\n")[2]
        utf16_units = len(last_line.encode("utf-16-le", "surrogatepass")) // 2
        return visible(finding_block.truncate_code(evidence)), max(utf16_units, 1) + 1
    if previous is None:
        return "", None
    snippet = visible(previous.snippet)
    if previous.end is None or previous.end[0] != extra_lines:
        return snippet, None
    return snippet, previous.end[1]


def _markdown(
    status: FindingStatus, previous: AnalysisState, reconciled: Reconciliation, report: RunReport
) -> str:
    """Return the block of the last analysis, of another destination, or a new one."""
    fingerprint = status.tracked.fingerprint
    text = previous.texts.get(fingerprint)
    block = (text.markdown if text else "") or reconciled.blocks.get(fingerprint, "")
    block = block or finding_block.render_block(status.tracked, status.finding, report)
    return finding_block.add_reason(block, status.verified)
