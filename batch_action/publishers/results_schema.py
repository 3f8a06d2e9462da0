"""The results of a run as data for programs: the results file and the body of the webhook.

The models are the format: `docs/results.schema.json` is generated from them. Text written by the
model is data here; a program that shows it has to escape it. Security findings that are hidden on
a public repository are counted but not listed, because the file is uploaded and the messages are
forwarded.
"""

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from batch_action.models.file_results import Verdict
from batch_action.models.findings import Confidence, FindingState, Severity
from batch_action.models.ledger import Usage
from batch_action.models.report import FileStatus

SCHEMA: Final = "batch-action/results/1"
FAILURE_SCHEMA: Final = "batch-action/failure/1"
ErrorKind = Literal["configuration", "over-budget", "anthropic", "github", "other"]


class SchemaModel(BaseModel):
    """The base of all models: another field is another version of the schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LocationRecord(SchemaModel):
    """The lines of a finding at a commit."""

    path: str
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
    category: str
    rule: str
    title: str
    location: LocationRecord
    explanation: str | None
    remediation: str | None
    suggestion: str | None = Field(description="Replaces exactly the lines of the location.")
    evidence: str | None = Field(description="The lines as they are in the file.")
    cwe: str | None
    security: bool
    pre_existing: bool = Field(description="Older than the reviewed change.")
    opened_on: str | None = Field(description="Date on which it was first reported.")
    closed_on: str | None = Field(description="Date of the fix.")
    closing_commit: str | None = Field(description="The commit at which it was found fixed.")
    note: str | None


class FindingCounts(SchemaModel):
    """Findings by state; `open` includes new ones, those that are back and those re-checked."""

    new: int
    fixed: int
    back: int
    open: int
    dismissed: int
    ignored: int


class SuppressedRecord(SchemaModel):
    """The number of findings that one filter suppressed."""

    filter: str
    count: int
    destination: str | None = Field(description="null for a filter of all destinations.")


class FileRecord(SchemaModel):
    """The status of one file."""

    path: str
    status: FileStatus
    reason: str


class FileStatusesRecord(SchemaModel):
    """The status of every file, the skipped ones by reason, and the suppressed findings."""

    files: tuple[FileRecord, ...]
    skipped: dict[str, int]
    suppressed: tuple[SuppressedRecord, ...]


class SpendingRecord(SchemaModel):
    """US dollars, from the usage that the API returned; null where a price is not known."""

    paid_usd: float | None = Field(description="What this run cost.")
    batch_usd: float | None = Field(
        description="The same requests in batches: what they cost, unless they were interactive."
    )
    interactive_usd: float | None = Field(description="The same without batch and cache.")
    batch_cached_usd: float | None = Field(description="The same in a batch with a warm cache.")
    saved_usd: float | None
    month_to_date_usd: float | None
    usage: Usage
    cache_share: float = Field(description="Cached input tokens as a share of all, 0 to 1.")


class FileVerdictRecord(SchemaModel):
    """The verdict on one file."""

    path: str
    verdict: Verdict
    summary: str
    commit: str


class GeneratedFileRecord(SchemaModel):
    """A file that a task wrote."""

    path: str
    source: str
    commit: str
    replaces: str | None = Field(description="The blob that it replaces; null for a new file.")
    summary: str


class RefusedFileRecord(SchemaModel):
    """A generated file that failed a check."""

    path: str
    source: str
    reason: str


class DestinationRecord(SchemaModel):
    """The result of one destination, as it was read back."""

    name: str
    action: str
    url: str | None
    number: int | None
    ids: tuple[str, ...]
    new: int
    fixed: int
    open: int
    note: str


class Results(SchemaModel):
    """The results of one task in one run."""

    schema_: Literal["batch-action/results/1"] = Field(alias="schema")
    at: str = Field(description="Time of the collect, RFC 3339.")
    task: str
    repository: str | None
    repository_id: str
    ref: str
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
    warnings: tuple[str, ...]


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
    return (json.dumps(value.model_dump(mode="json", by_alias=True), indent=2) + "\n").encode()
