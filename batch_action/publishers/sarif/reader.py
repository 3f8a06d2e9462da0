"""An analysis read back: what it remembers, in full or as much of it as code scanning returned."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from batch_action.clients.git import GitRepo
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.escape import plain, prose
from batch_action.findings.anchoring import SourceText
from batch_action.findings.identity import NO_EVIDENCE, evidence_digest
from batch_action.findings.scope import AROUND, neighbourhood
from batch_action.models.findings import (
    Anchor,
    BatchAnswers,
    Dismissal,
    FindingState,
    Severity,
    TrackedFinding,
)
from batch_action.models.github import AlertInfo, AnalysisInfo
from batch_action.publishers.sarif import messages, state
from batch_action.publishers.sarif.messages import Trace
from batch_action.publishers.sarif.rules import Rule, read_id
from batch_action.selection.content import decode
from batch_action.tasks.task import Task

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
    def blocks(self) -> str:
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
    tracked: tuple[TrackedFinding, ...] = ()
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
    bag = _dict(run.get("properties")).get(state.KEY)
    rest = [k for one in _mappings(_dict(bag).get("rest")) if (k := state.read(one))]
    known: dict[str, TrackedFinding] = {}
    halves: dict[str, Half] = {}
    told: dict[str, Told] = {}
    for result in _mappings(run.get("results")):
        fingerprint = _fingerprint(result)
        if fingerprint is None or fingerprint in told:
            continue
        told[fingerprint] = _told(result)
        whole = state.read(_dict(result.get("properties")).get(state.KEY))
        if whole is not None and whole.fingerprint == fingerprint:
            known[fingerprint] = whole
        elif part := parse_partial(_text(result), _path(result), str(result.get("ruleId")), rules):
            halves[fingerprint] = part
    known |= {one.fingerprint: one for one in rest if one.fingerprint not in told}
    batches = _dict(bag).get("batches")
    return Memory(
        exact=isinstance(bag, Mapping),
        batches=tuple(b for b in batches if isinstance(b, str))
        if isinstance(batches, list)
        else (),
        tracked=tuple(known.values()),
        halves=tuple(halves.values()),
        told=told,
        rules=rules,
        face=frozenset(_face(result) for result in _mappings(run.get("results"))),
        rest=frozenset((one.fingerprint, one.state.value) for one in rest),
    )


def parse_partial(text: str, path: str, rule: str, rules: Mapping[str, Rule]) -> Half | None:
    """What a result or an alert shows of a finding; None when it is none of ours."""
    trace, parts = messages.trace(text), read_id(rule)
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
        title=messages.title(text),
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
        text=messages.unsigned(_text(result)),
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


MOST_FIXED = 100
"""Fixed alerts that are looked at when the analysis itself does not remember them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What code scanning holds before tonight."""

    facts: AnalysisInfo | None = None
    session: Memory = field(default_factory=Memory)
    tracked: tuple[TrackedFinding, ...] = ()
    dismissed: dict[str, AlertInfo] = field(default_factory=dict)
    """The dismissed alerts by their findings' fingerprints."""

    @property
    def id(self) -> int | None:
        """The analysis's number."""
        return self.facts.id if self.facts else None

    @property
    def head(self) -> str:
        """The analysed commit; empty when there is no analysis."""
        return self.facts.commit if self.facts else ""


def read(ctx: RunContext, scanning: CodeScanning, ref: str, category: str) -> Last:
    """The last analysis; of what GitHub did not keep of it, what git and the alerts can tell."""
    facts = scanning.latest(ref, category)
    if facts is None:
        return Last()
    session = parse(scanning.document(facts.id))
    known = {one.fingerprint: one for one in session.tracked}
    if not session.exact:
        gone = by_fingerprint(scanning.alerts(ref, "fixed", most=MOST_FIXED))
        fixed = {f: a for f, a in gone.items() if a.fixed_at and f not in session.told}
        halves = [
            half
            for alert in fixed.values()
            if (half := parse_partial(alert.text, alert.path, alert.rule, session.rules))
        ]
        known |= retrace(
            [*session.halves, *halves],
            {f: alert.fixed_at[:10] for f, alert in fixed.items()},
            facts.commit,
            ctx.git,
            ctx.task,
        )
    return Last(
        facts=facts,
        session=session,
        tracked=tuple(known.values()),
        dismissed=by_fingerprint(scanning.alerts(ref, "dismissed")),
    )


def dismissals(ctx: RunContext, batch_answers: BatchAnswers, last: Last) -> Iterator[Dismissal]:
    """What people with write access dismissed, as far as the ledger does not know it yet."""
    for fingerprint, alert in last.dismissed.items():
        by = alert.dismissed_by
        if fingerprint in batch_answers.dismissed or not by:
            continue
        if ctx.require_github().issues.may_write(by):
            yield Dismissal(
                fingerprint=fingerprint,
                by=by,
                where=alert.url or "sarif",
                reason=plain(alert.reason),
            )


def by_fingerprint(alerts: Iterable[AlertInfo]) -> dict[str, AlertInfo]:
    """Our alerts by the finding that their message names; of two the one that changed last."""
    found: dict[str, AlertInfo] = {}
    for alert in alerts:
        trace = messages.trace(alert.text)
        if trace is not None:
            found.setdefault(trace.fingerprint, alert)
    return found


ID_LENGTH = 40


def retrace(
    halves: Sequence[Half], fixed: Mapping[str, str], head: str, repo: GitRepo, task: Task
) -> dict[str, TrackedFinding]:
    """The findings behind what was shown of them at a commit, by their fingerprints.

    A blob that is not here any more (a shallow clone) has surely changed: then an id that is nobody
    else's stands for it, and ten lines around for its neighbourhood. *fixed*: when, by fingerprint.
    """
    blobs = _blobs(halves, head, repo)
    commits = {short: _commit(short, head, repo) for short in {h.trace.commit for h in halves}}
    pages = {
        blob: SourceText(mask(decode(data))[0]) for blob, data in repo.blobs(sorted(blobs.values()))
    }
    found = {}
    for half in halves:
        trace = half.trace
        blob = blobs.get(trace.blob) or trace.blob.ljust(ID_LENGTH, "0")
        known = _known(half, blob, commits[trace.commit], pages.get(blob), task)
        if closed := fixed.get(trace.fingerprint):
            known = replace(known, state=FindingState.FIXED, closed=closed, closed_by=head)
        found[trace.fingerprint] = known
    return found


def _commit(short: str, head: str, repo: GitRepo) -> str:
    """The commit that an abbreviated id means; the one that was analysed if there is none."""
    if head.startswith(short):
        return head
    try:
        found = repo.resolve(short)
    except ConfigError:
        return head
    return found if found.startswith(short) else head


def _blobs(halves: Sequence[Half], head: str, repo: GitRepo) -> dict[str, str]:
    """The full id for each abbreviated one that means a blob of this clone."""
    found: dict[str, str] = {}
    if repo.has_commit(head):
        there = repo.tree_blobs(head, {half.path for half in halves})
        for half in halves:
            if there.get(half.path, "").startswith(half.trace.blob):
                found[half.trace.blob] = there[half.path]
    others = sorted({half.trace.blob for half in halves} - found.keys())
    full = repo.sizes(others)
    for short in others:
        fitting = [blob for blob in full if blob.startswith(short)]
        found |= {short: fitting[0]} if len(fitting) == 1 else {}
    return found


def _known(
    half: Half, blob: str, commit: str, page: SourceText | None, task: Task
) -> TrackedFinding:
    trace = half.trace
    whole = half.category in task.whole_file
    first, last = trace.start_line, trace.end_line
    scope, digest = (max(1, first - AROUND), last + AROUND), ""
    if page is not None and last <= len(page.lines):
        scope = (1, len(page.lines)) if whole else neighbourhood(page.lines, first, last)
        digest = evidence_digest("\n".join(page.lines[first - 1 : last]))
    return TrackedFinding(
        fingerprint=trace.fingerprint,
        anchor=Anchor(
            path=half.path,
            blob=blob,
            commit=commit,
            start_line=first,
            end_line=last,
            scope=scope,
        ),
        state=FindingState.OPEN,
        severity=half.severity,
        category=half.category,
        rule=half.rule,
        title=half.title,
        evidence_digest=NO_EVIDENCE if whole else digest,
        security=half.category in task.security if half.security is None else half.security,
        pre_existing=trace.pre_existing,
        since=trace.since,
    )
