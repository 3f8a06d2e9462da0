"""The results of a run as data for programs: the results file and the body of the webhook.

The models are the format: `docs/results.schema.json` is generated from them. Text written by the
model is data here; a program that shows it has to escape it. Security findings that are hidden on
a public repository are counted but not listed, because the file is uploaded and the messages are
forwarded.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

from batch_action.errors import (
    AnthropicError,
    BatchActionError,
    BudgetError,
    ConfigError,
    GitHubError,
)
from batch_action.escape import plain, replace_surrogates, visible
from batch_action.models.findings import (
    Confidence,
    FindingState,
    FindingStatus,
    Severity,
    Verdict,
)
from batch_action.models.github_context import GitHubContext
from batch_action.models.ledger import Usage
from batch_action.models.report import DestinationResult, FileStatus, PublishResult, RunReport
from batch_action.models.verification import Verification
from batch_action.publishers import links, report_text, suppressed
from batch_action.text import format_json, json_pieces

SCHEMA: Final = "batch-action/results/1"
FAILURE_SCHEMA: Final = "batch-action/failure/1"
MAX_CODE_CHARS = 20_000
MAX_PROSE_CHARS = 10_000

ErrorKind = Literal["configuration", "over-budget", "anthropic", "github", "other"]
ERROR_KINDS: tuple[tuple[type[BatchActionError], ErrorKind], ...] = (
    (ConfigError, "configuration"),
    (BudgetError, "over-budget"),
    (AnthropicError, "anthropic"),
    (GitHubError, "github"),
)


Path = Annotated[str, BeforeValidator(replace_surrogates)]
Line = Annotated[str, BeforeValidator(plain)]
Note = Annotated[str, BeforeValidator(lambda text: plain(text, report_text.MAX_NOTE_CHARS))]
Prose = Annotated[str, BeforeValidator(lambda text: visible(text)[:MAX_PROSE_CHARS])]
Code = Annotated[str, BeforeValidator(lambda text: visible(text)[:MAX_CODE_CHARS])]
OrNull = Annotated[str | None, BeforeValidator(lambda text: text or None)]


def _cost_field(name: str, description: str) -> Any:
    return Field(validation_alias=AliasPath("cost", name), description=description)


class SchemaModel(BaseModel):
    """The base of all models: another field is another version of the schema."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, from_attributes=True
    )


class LocationRecord(SchemaModel):
    """The lines of a finding at a commit."""

    path: Path
    start_line: int
    end_line: int
    commit: str
    blob: str
    url: str | None = Field(description="The lines on GitHub.")


class FindingRecord(SchemaModel):
    """One finding."""

    fingerprint: str = Field(description="16 hex digits; they never change for a finding.")
    state: FindingState
    changed: bool = Field(description="It became new, fixed or back in this run.")
    severity: Severity
    confidence: Confidence | None = Field(description="null when this run did not report it.")
    category: Line
    rule: Line
    title: Line
    location: LocationRecord
    trigger: Prose | None = Field(
        description="The input or order of events, what happens, and what should."
    )
    explanation: Prose | None
    remediation: Prose | None
    suggestion: Code | None = Field(description="Replaces exactly the lines of the location.")
    proposal: Code | None = Field(
        description="A suggestion that is no replacement for whole lines: for reading only."
    )
    evidence: Code | None = Field(description="The lines as they are in the file.")
    cwe: Line | None
    security: bool
    pre_existing: bool = Field(description="Older than the reviewed change.")
    opened_on: str | None = Field(description="Date on which it was first reported.")
    closed_on: str | None = Field(description="Date of the fix.")
    closing_commit: str | None = Field(description="The commit at which it was found fixed.")
    note: Line | None
    verification: Verification | None = Field(description="null when it is not to be verified.")
    verification_reason: Prose | None = Field(
        description="The reason of the result; null unless it came in with this run."
    )
    confirmed_by: Line | None = Field(description="The login of the person who confirmed it.")


class FindingCounts(SchemaModel):
    """Findings by state; `open` includes new ones, those that are back and those re-checked."""

    new: int
    fixed: int
    back: int
    open: int = Field(description="Without the disputed ones.")
    disputed: int = Field(description="Open, but listed apart: none of them is about security.")
    dismissed: int
    ignored: int


class SuppressedRecord(SchemaModel):
    """The number of findings that one filter suppressed."""

    filter: str
    count: int
    destination: OrNull = Field(description="null for a filter of all destinations.")


class HeldBackRecord(SchemaModel):
    """A finding that the model reported and that is not tracked."""

    reason: str = Field(description="A filter of `suppressed`.")
    path: Path
    line: int = Field(description="Of a discarded finding: as the model said.")
    severity: Severity
    rule: Line
    title: Line


class FileRecord(SchemaModel):
    """The status of one file."""

    path: Path
    status: FileStatus
    reason: Line


class FileStatusesRecord(SchemaModel):
    """The status of every file, the skipped ones by reason, and the suppressed findings."""

    files: tuple[FileRecord, ...]
    skipped: dict[str, int]
    suppressed: tuple[SuppressedRecord, ...]
    held_back: tuple[HeldBackRecord, ...]


class SpendingRecord(SchemaModel):
    """US dollars, from the usage that the API returned; null where a price is not known."""

    paid_usd: float | None = Field(description="What this run cost.")
    batch_usd: float | None = _cost_field(
        "batch_usd", "The same requests in batches: what they cost, unless they were interactive."
    )
    interactive_usd: float | None = _cost_field(
        "interactive_usd", "The same without batch and cache."
    )
    batch_cached_usd: float | None = _cost_field(
        "batch_cached_usd", "The same in a batch with a warm cache."
    )
    saved_usd: float | None
    month_to_date_usd: float | None
    usage: Usage
    cache_share: float = Field(description="Cached input tokens as a share of all, 0 to 1.")


class FileVerdictRecord(SchemaModel):
    """The verdict on one file."""

    path: Path
    verdict: Verdict
    summary: Prose
    commit: str


class GeneratedFileRecord(SchemaModel):
    """A file that a task wrote."""

    path: Path
    source: Path
    commit: str
    replaces: str | None = Field(description="The blob that it replaces; null for a new file.")
    summary: Prose


class RefusedFileRecord(SchemaModel):
    """A generated file that failed a check."""

    path: Path
    source: Path
    reason: Line


class DestinationRecord(SchemaModel):
    """The result of one destination, as it was read back."""

    name: str = Field(validation_alias="destination")
    action: str
    url: str | None
    number: int | None
    ids: tuple[str, ...]
    new: int
    fixed: int
    open: int
    note: Note


class Results(SchemaModel):
    """The results of one task in one run."""

    schema_: Literal["batch-action/results/1"] = Field(alias="schema")
    at: str = Field(description="Time of the collect, RFC 3339.")
    task: str
    repository: str | None
    repository_id: str
    ref: Path
    pull_request: int | None
    commit: str = Field(description="The newest reviewed commit.")
    run_url: str | None
    model: str
    batch_ids: tuple[str, ...]
    headline: str = Field(description="The findings in one sentence.")
    counts: FindingCounts
    findings: tuple[FindingRecord, ...] = Field(description="Worst first.")
    file_statuses: FileStatusesRecord
    spending: SpendingRecord | None = Field(description="null when no batch ended.")
    file_verdicts: tuple[FileVerdictRecord, ...]
    generated: tuple[GeneratedFileRecord, ...]
    refused: tuple[RefusedFileRecord, ...]
    destinations: tuple[DestinationRecord, ...]
    warnings: tuple[Note, ...]


class Failure(SchemaModel):
    """The error that ended a run; sent to the webhook only."""

    schema_: Literal["batch-action/failure/1"] = Field(alias="schema")
    at: str
    task: str
    repository: str | None
    repository_id: str
    run_url: str | None
    kind: ErrorKind
    exit_code: int
    problem: str
    fix: str


def json_schema(model: type[SchemaModel], name: str) -> dict[str, Any]:
    """Build the published JSON schema of `Results` or `Failure`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:batch-action:{name}:1",
        **model.model_json_schema(mode="serialization"),
    }


def encode(value: SchemaModel) -> bytes:
    """Encode as JSON in ASCII, so that no invisible character is hidden in a file people open."""
    return (format_json(value.model_dump(mode="json", by_alias=True)) + "\n").encode()


def count_findings(statuses: Iterable[FindingStatus]) -> FindingCounts:
    """Count the findings by state; `new`, `fixed` and `back` only if this run changed them."""
    statuses = tuple(statuses)
    changed = Counter(s.tracked.state for s in statuses if s.changed)
    total = Counter(s.tracked.state for s in statuses)
    return FindingCounts(
        new=changed[FindingState.NEW],
        fixed=changed[FindingState.FIXED],
        back=changed[FindingState.BACK],
        open=sum(s.tracked.counts_as_open for s in statuses),
        disputed=sum(s.tracked.is_disputed for s in statuses),
        dismissed=total[FindingState.DISMISSED],
        ignored=total[FindingState.IGNORED],
    )


def initial_result(
    destination: str,
    statuses: Iterable[FindingStatus],
    suppressed: tuple[tuple[str, int], ...] = (),
) -> DestinationResult:
    """Count what a destination is to show, before anything is written: `skipped`."""
    counts = count_findings(statuses)
    return DestinationResult(
        destination=destination,
        action="skipped",
        new=counts.new,
        fixed=counts.fixed,
        open=counts.open,
        suppressed=suppressed,
    )


def encode_results(published: PublishResult, at: datetime) -> Iterator[bytes]:
    """Encode the results of a run, like `encode`, in pieces of one finding or file.

    There may be tens of thousands of them. *at*: the time of the collect.
    """
    report = published.report
    whole = _build_results(published, at).model_dump(mode="json", by_alias=True)
    findings = (_build_finding(status, report) for status in published.visible)
    files = (FileRecord.model_validate(entry) for entry in report.file_statuses)
    indent = "\n" + 4 * " "
    whole["findings"] = (
        record.model_dump_json(indent=2, ensure_ascii=True).replace("\n", indent)
        for record in findings
    )
    whole["file_statuses"]["files"] = (json.dumps(file.model_dump(mode="json")) for file in files)
    for piece in json_pieces(whole):
        yield piece.encode()
    yield b"\n"


def _build_results(published: PublishResult, at: datetime) -> Results:
    """Build the results of a run without the lists of findings and files."""
    report, statuses = published.report, published.visible
    fields = {
        "schema": SCHEMA,
        "at": _format_time(at),
        "headline": report_text.format_headline(
            statuses, security_hidden=published.reconciliation.hides_security
        ),
        "counts": count_findings(statuses),
        "findings": (),
        "file_statuses": {
            "files": (),
            "skipped": dict(report.file_statuses.skipped),
            "suppressed": suppressed.count_all_suppressed(published),
            "held_back": [
                HeldBackRecord(
                    reason=held.reason,
                    path=held.path,
                    line=held.line,
                    severity=held.severity,
                    rule=held.rule,
                    title=held.title,
                )
                for held in published.reconciliation.visible_held_back
            ],
        },
        "destinations": published.results,
        "warnings": published.warnings,
    }
    of_report = [name for name in Results.model_fields if hasattr(report, name)]
    return Results.model_validate({name: getattr(report, name) for name in of_report} | fields)


def build_failure(
    error: BatchActionError, at: datetime, task: str, context: GitHubContext
) -> Failure:
    """Build the message about a run that ended in *error*."""
    return Failure(
        schema=FAILURE_SCHEMA,
        at=_format_time(at),
        task=task,
        repository=context.repository,
        repository_id=context.repository_id,
        run_url=context.run_url,
        kind=next((kind for errors, kind in ERROR_KINDS if isinstance(error, errors)), "other"),
        exit_code=error.exit_code,
        problem=visible(error.problem),
        fix=visible(error.fix),
    )


def build_id(published: PublishResult) -> str:
    """Build the id of a run's results; a repeated run has the same, so receivers can drop it."""
    report = published.report
    parts = [
        report.repository_id,
        report.task,
        report.state_key,
        str(report.pull_request),
        report.commit,
        *report.batch_ids,
    ]
    if not report.batch_ids:
        # Without a batch, only user commands changed something: the states and the day identify it.
        states = (f"{s.tracked.fingerprint} {s.tracked.state}" for s in published.statuses)
        parts += [report.date, *states]
    return hash_id(parts)


def hash_id(parts: Iterable[str]) -> str:
    """Build an id of 32 hex digits from *parts*."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _build_finding(status: FindingStatus, report: RunReport) -> FindingRecord:
    tracked, finding = status.tracked, status.finding
    anchor, texts = tracked.anchor, finding.texts.read() if finding else None
    raw = texts.raw if texts else None
    is_fixed = tracked.state is FindingState.FIXED
    return FindingRecord(
        fingerprint=tracked.fingerprint,
        state=tracked.state,
        changed=status.changed,
        severity=tracked.severity,
        confidence=raw.confidence if raw else None,
        category=tracked.category,
        rule=tracked.rule,
        title=tracked.title,
        location=LocationRecord(
            path=anchor.path,
            start_line=anchor.start_line,
            end_line=anchor.end_line,
            commit=anchor.commit,
            blob=anchor.blob,
            url=links.build_permalink(anchor, report),
        ),
        trigger=raw.trigger or None if raw else None,
        explanation=raw.explanation if raw else None,
        remediation=raw.remediation if raw else None,
        suggestion=texts.replacement if texts else None,
        proposal=texts.raw.suggestion if texts and not texts.replacement else None,
        evidence=texts.evidence if texts else None,
        cwe=raw.cwe or None if raw else None,
        security=tracked.security,
        pre_existing=tracked.pre_existing,
        opened_on=tracked.opened_on or report.date,
        closed_on=(tracked.closed_on or report.date) if is_fixed else None,
        closing_commit=tracked.closing_commit or None,
        note=plain(status.note or tracked.ignore_reason) or None,
        verification=tracked.verification,
        verification_reason=(status.verified and status.verified.reason) or None,
        confirmed_by=tracked.confirmed_by or None,
    )
