"""Reading of the last analysis: its findings from our properties, or rebuilt from git.

Code scanning may return an analysis without our properties. Then the messages identify the findings
(see `texts`), and git supplies the code.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from batch_action.clients.git import GitRepo
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.issues import Issues
from batch_action.errors import ConfigError
from batch_action.escape import plain
from batch_action.findings.anchoring import SourceText
from batch_action.findings.identity import NO_EVIDENCE, evidence_digest
from batch_action.models.findings import (
    Anchor,
    Dismissal,
    FindingState,
    Severity,
    TrackedFinding,
)
from batch_action.models.github import CodeScanningAlert, CodeScanningAnalysis
from batch_action.publishers import markers
from batch_action.publishers.prose import prose
from batch_action.publishers.sarif.texts import (
    KEY,
    Footer,
    Rule,
    parse_footer,
    parse_rule_id,
    strip_footer,
    title_of,
)
from batch_action.selection.content import reviewed_text
from batch_action.syntax.neighborhoods import CONTEXT_LINES, neighborhood
from batch_action.tasks.task import Task

_HASH = re.compile(r"([0-9a-f]{16})(?::\d+)?")
MAX_FIXED_ALERTS = 100
"""Fixed alerts that are read when the analysis came back without our properties."""
SHA1_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultText:
    """The texts of a result, to be uploaded again."""

    text: str
    """The message without its footer."""
    markdown: str = ""
    """The finding's block; empty when it did not come back."""
    snippet: str = ""
    end: tuple[int, int] | None = None
    """The number of lines after the first one, and the column after the end."""

    @property
    def block(self) -> str:
        """The block, or one made of the plain text."""
        return self.markdown or prose(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialFinding:
    """A finding of which only the visible part came back: git has the rest."""

    footer: Footer
    path: str
    category: str
    rule: str
    severity: Severity
    title: str
    security: bool | None
    """None: its rule came back without properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisState:
    """The state in the SARIF document of one analysis."""

    has_properties: bool = False
    """Whether our own properties came back."""
    batches: tuple[str, ...] = ()
    tracked: tuple[TrackedFinding, ...] = ()
    partial: tuple[PartialFinding, ...] = ()
    texts: dict[str, ResultText] = field(default_factory=dict)
    """The texts of each result, by fingerprint."""
    rules: dict[str, Rule] = field(default_factory=dict)
    visible: frozenset[tuple[object, ...]] = frozenset()
    """The visible part of each result."""
    hidden: frozenset[tuple[str, str]] = frozenset()
    """Fingerprint and state of each finding that is stored without being a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnalysis:
    """The state of code scanning before this run."""

    info: CodeScanningAnalysis | None = None
    state: AnalysisState = field(default_factory=AnalysisState)
    tracked: tuple[TrackedFinding, ...] = ()
    dismissed: dict[str, CodeScanningAlert] = field(default_factory=dict)
    """The dismissed alerts by their findings' fingerprints."""

    @property
    def id(self) -> int | None:
        """The analysis's id; None when there is no analysis."""
        return self.info.id if self.info else None

    @property
    def head(self) -> str:
        """The analyzed commit; empty when there is no analysis."""
        return self.info.commit if self.info else ""


def read_last_analysis(
    scanning: CodeScanning, ref: str, category: str, git: GitRepo, task: Task
) -> LastAnalysis:
    """Read the last analysis; rebuild what GitHub did not store from git and the alerts."""
    info = scanning.latest_analysis(ref, category)
    if info is None:
        return LastAnalysis()
    state = parse(scanning.document(info.id))
    tracked = {finding.fingerprint: finding for finding in state.tracked}
    if not state.has_properties:
        closed = alerts_by_fingerprint(scanning.alerts(ref, "fixed", limit=MAX_FIXED_ALERTS))
        fixed = {f: a for f, a in closed.items() if a.fixed_at and f not in state.texts}
        fixed_findings = [
            finding
            for alert in fixed.values()
            if (finding := parse_partial(alert.message, alert.path, alert.rule, state.rules))
        ]
        tracked |= rebuild_from_git(
            [*state.partial, *fixed_findings],
            {f: alert.fixed_at[:10] for f, alert in fixed.items()},
            info.commit,
            git,
            task,
        )
    return LastAnalysis(
        info=info,
        state=state,
        tracked=tuple(tracked.values()),
        dismissed=alerts_by_fingerprint(scanning.alerts(ref, "dismissed")),
    )


def dismissals_of(
    last: LastAnalysis, recorded: Collection[str], issues: Issues
) -> Iterator[Dismissal]:
    """Yield the dismissals by people with write access that are not *recorded* in the ledger."""
    for fingerprint, alert in last.dismissed.items():
        actor = alert.dismissed_by
        if fingerprint in recorded or not actor:
            continue
        if issues.can_write(actor):
            yield Dismissal(
                fingerprint=fingerprint,
                actor=actor,
                source=alert.url or "sarif",
                reason=plain(alert.dismissed_reason),
            )


def alerts_by_fingerprint(alerts: Iterable[CodeScanningAlert]) -> dict[str, CodeScanningAlert]:
    """Return our alerts by the fingerprint in their message; the first one of a finding counts."""
    found: dict[str, CodeScanningAlert] = {}
    for alert in alerts:
        footer = parse_footer(alert.message)
        if footer is not None:
            found.setdefault(footer.fingerprint, alert)
    return found


# The SARIF document


def parse(document: object) -> AnalysisState:
    """Return the state in a SARIF document, without results that are damaged or not ours."""
    run = next(_mappings(_dict(document).get("runs")), {})
    driver = _dict(_dict(run.get("tool")).get("driver"))
    rules = {str(rule.get("id")): dict(rule) for rule in _mappings(driver.get("rules"))}
    properties = _dict(run.get("properties")).get(KEY)
    hidden = [
        finding
        for item in _mappings(_dict(properties).get("hidden"))
        if (finding := _parse_stored(item))
    ]
    tracked: dict[str, TrackedFinding] = {}
    partial: dict[str, PartialFinding] = {}
    texts: dict[str, ResultText] = {}
    for result in _mappings(run.get("results")):
        fingerprint = _fingerprint(result)
        if fingerprint is None or fingerprint in texts:
            continue
        texts[fingerprint] = _result_text(result)
        stored = _parse_stored(_dict(result.get("properties")).get(KEY))
        if stored is not None and stored.fingerprint == fingerprint:
            tracked[fingerprint] = stored
        elif partial_finding := parse_partial(
            _text(result), _path(result), str(result.get("ruleId")), rules
        ):
            partial[fingerprint] = partial_finding
    tracked |= {f.fingerprint: f for f in hidden if f.fingerprint not in texts}
    batches = _dict(properties).get("batches")
    return AnalysisState(
        has_properties=isinstance(properties, Mapping),
        batches=tuple(b for b in batches if isinstance(b, str))
        if isinstance(batches, list)
        else (),
        tracked=tuple(tracked.values()),
        partial=tuple(partial.values()),
        texts=texts,
        rules=rules,
        visible=frozenset(_visible_part(result) for result in _mappings(run.get("results"))),
        hidden=frozenset((f.fingerprint, f.state.value) for f in hidden),
    )


def _parse_stored(properties: object) -> TrackedFinding | None:
    fields = {name: v for name, v in _dict(properties).items() if isinstance(v, str)}
    return markers.parse_tracked(fields)


def parse_partial(
    text: str, path: str, rule: str, rules: Mapping[str, Rule]
) -> PartialFinding | None:
    """Return the finding that a result or an alert shows; None when it is none of ours."""
    footer, parts = parse_footer(text), parse_rule_id(rule)
    if footer is None or parts is None or not path:
        return None
    properties = _dict(rules.get(rule, {}).get("properties"))
    tags = properties.get("tags")
    return PartialFinding(
        footer=footer,
        path=path,
        category=parts[0],
        rule=parts[1],
        severity=parts[2],
        title=title_of(text),
        security="security" in tags if isinstance(tags, list) else None,
    )


def is_same(before: AnalysisState, after: AnalysisState) -> bool:
    """Return whether a new document shows and stores what the last one did."""
    is_visibly_same = before.visible == after.visible
    return is_visibly_same and (not before.has_properties or before.hidden == after.hidden)


def _visible_part(result: Mapping[str, Any]) -> tuple[object, ...]:
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


def _result_text(result: Mapping[str, Any]) -> ResultText:
    region = _region(result)
    markdown = _dict(result.get("message")).get("markdown")
    snippet = _dict(region.get("snippet")).get("text")
    end = None
    match region:
        case {"startLine": int(first), "endColumn": int(column)}:
            end = (int(region.get("endLine", first)) - first, column)
    return ResultText(
        text=strip_footer(_text(result)),
        markdown=markdown if isinstance(markdown, str) else "",
        snippet=snippet if isinstance(snippet, str) else "",
        end=end,
    )


def _fingerprint(result: Mapping[str, Any]) -> str | None:
    value = _dict(result.get("partialFingerprints")).get("primaryLocationLineHash")
    match = _HASH.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def _text(result: Mapping[str, Any]) -> str:
    text = _dict(result.get("message")).get("text")
    return text if isinstance(text, str) else ""


def _location(result: Mapping[str, Any]) -> Mapping[str, Any]:
    first = next(_mappings(result.get("locations")), {})
    return _dict(first.get("physicalLocation"))


def _region(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return _dict(_location(result).get("region"))


def _path(result: Mapping[str, Any]) -> str:
    uri = _dict(_location(result).get("artifactLocation")).get("uri")
    return unquote(uri, errors="surrogateescape") if isinstance(uri, str) else ""


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


# Partial findings


def rebuild_from_git(
    partial: Sequence[PartialFinding],
    fixed_on: Mapping[str, str],
    head: str,
    git: GitRepo,
    task: Task,
) -> dict[str, TrackedFinding]:
    """Return the tracked findings of partial ones, by fingerprint.

    A blob that is not in this clone (a shallow one) has certainly changed: then an invented id that
    no blob has replaces its id, and ten lines around the finding are its scope.

    Args:
        partial: findings of the analysis of `head`.
        fixed_on: the date on which a fixed finding was closed, by fingerprint.
        head: the analyzed commit.
        git: the repository.
        task: the task of the analysis.
    """
    blobs = _full_blob_ids(partial, head, git)
    short_commits = {finding.footer.commit for finding in partial}
    commits = {short: _full_commit_id(short, head, git) for short in short_commits}
    paths = {blobs[f.footer.blob]: f.path for f in partial if f.footer.blob in blobs}
    sources = {
        blob: SourceText(reviewed_text(data, paths[blob]))
        for blob, data in git.blobs(sorted(paths))
    }
    rebuilt = {}
    for finding in partial:
        footer = finding.footer
        blob = blobs.get(footer.blob) or footer.blob.ljust(SHA1_CHARS, "0")
        tracked = _rebuild(finding, blob, commits[footer.commit], sources.get(blob), task)
        if date := fixed_on.get(footer.fingerprint):
            tracked = replace(
                tracked, state=FindingState.FIXED, closed_on=date, closing_commit=head
            )
        rebuilt[footer.fingerprint] = tracked
    return rebuilt


def _full_commit_id(short: str, head: str, git: GitRepo) -> str:
    """Return the commit of an abbreviated id; the analyzed one if there is none."""
    if head.startswith(short):
        return head
    try:
        commit = git.resolve(short)
    except ConfigError:
        return head
    return commit if commit.startswith(short) else head


def _full_blob_ids(partial: Sequence[PartialFinding], head: str, git: GitRepo) -> dict[str, str]:
    """Return the full id of each abbreviated one that is a blob of this clone."""
    full_ids: dict[str, str] = {}
    if git.has_commit(head):
        blobs = git.tree_blobs(head, {finding.path for finding in partial})
        for finding in partial:
            if blobs.get(finding.path, "").startswith(finding.footer.blob):
                full_ids[finding.footer.blob] = blobs[finding.path]
    others = sorted({finding.footer.blob for finding in partial} - full_ids.keys())
    candidates = git.sizes(others)
    for short in others:
        matching = [blob for blob in candidates if blob.startswith(short)]
        full_ids |= {short: matching[0]} if len(matching) == 1 else {}
    return full_ids


def _rebuild(
    finding: PartialFinding, blob: str, commit: str, source: SourceText | None, task: Task
) -> TrackedFinding:
    footer = finding.footer
    is_whole_file = finding.category in task.whole_file_categories
    first, last = footer.start_line, footer.end_line
    scope, digest = (max(1, first - CONTEXT_LINES), last + CONTEXT_LINES), ""
    if source is not None and last <= len(source.lines):
        lines = source.lines
        scope = (1, len(lines)) if is_whole_file else neighborhood(lines, first, last)
        digest = evidence_digest("\n".join(lines[first - 1 : last]))
    is_security = finding.category in task.security_categories
    return TrackedFinding(
        fingerprint=footer.fingerprint,
        anchor=Anchor(
            path=finding.path,
            blob=blob,
            commit=commit,
            start_line=first,
            end_line=last,
            scope_start=scope[0],
            scope_end=scope[1],
        ),
        state=FindingState.OPEN,
        severity=finding.severity,
        category=finding.category,
        rule=finding.rule,
        title=finding.title,
        evidence_digest=NO_EVIDENCE if is_whole_file else digest,
        security=is_security if finding.security is None else finding.security,
        pre_existing=footer.pre_existing,
        opened_on=footer.since,
        verification=footer.verification,
        confirmed_by=footer.confirmed_by,
    )
