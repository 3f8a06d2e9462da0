"""What one night found, as data for machines: the results file and the webhook's body.

The models are the format: `docs/results.schema.json` is generated from them. Texts of the model are
data here; whoever shows them escapes them for where they go. What the guard of public repositories
keeps back is counted, not told: such files are uploaded, and such messages forwarded.
"""

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from batch_action.models.file_results import Verdict
from batch_action.models.findings import Confidence, FindingState, Severity
from batch_action.models.ledger import Usage
from batch_action.models.report import FileStatus

SCHEMA: Final = "batch-action/results/1"
Kind = Literal["configuration", "over-budget", "anthropic", "github", "other"]
FAILURE_SCHEMA: Final = "batch-action/failure/1"


class Value(BaseModel):
    """Closed: another field is another version of the schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Place(Value):
    """Where a finding stands, at a commit."""

    path: str
    start_line: int
    end_line: int
    commit: str
    blob: str
    url: str | None = Field(description="The lines on GitHub.")


class Told(Value):
    """One finding."""

    fingerprint: str = Field(description="16 hex digits; the same as long as the finding lives.")
    state: FindingState
    changed: bool = Field(description="It became new, fixed or back in this night.")
    severity: Severity
    confidence: Confidence | None = Field(description="null when it was not reported this night.")
    category: str
    rule: str
    title: str
    place: Place
    explanation: str | None
    remediation: str | None
    suggestion: str | None = Field(description="Replaces exactly the lines of the place.")
    evidence: str | None = Field(description="The lines as they stand in the file.")
    cwe: str | None
    security: bool
    pre_existing: bool = Field(description="Older than the reviewed change.")
    since: str | None = Field(description="Date of birth.")
    closed: str | None = Field(description="Date of the fix.")
    closed_by: str | None = Field(description="The commit at which it was found fixed.")
    note: str | None


class Counts(Value):
    """Findings by what became of them; `open` counts new, back and re-checked ones too."""

    new: int
    fixed: int
    back: int
    open: int
    dismissed: int
    ignored: int


class HeldBack(Value):
    """What one filter held back."""

    filter: str
    count: int
    destination: str | None = Field(description="null when it holds everywhere.")


class File(Value):
    """What became of one file."""

    path: str
    status: FileStatus
    reason: str


class Receipt(Value):
    """Every file of the night, the ones left out by reason, and what filters held back."""

    files: tuple[File, ...]
    skipped: dict[str, int]
    held_back: tuple[HeldBack, ...]


class Money(Value):
    """US dollars from the usage the API returned; null where a price is not known."""

    paid_usd: float | None = Field(description="What this night cost.")
    batch_usd: float | None = Field(
        description="The same in batches: what it cost, unless it was asked at once."
    )
    interactive_usd: float | None = Field(description="The same without batch and cache.")
    batch_cached_usd: float | None = Field(description="The same in a batch with a warm cache.")
    saved_usd: float | None
    month_usd: float | None
    usage: Usage
    cache_share: float = Field(description="Cached input tokens as a share of all, 0 to 1.")


class Judged(Value):
    """The ruling on one refactored file."""

    path: str
    verdict: Verdict
    summary: str
    commit: str


class Generated(Value):
    """A file that a task wrote."""

    path: str
    source: str
    commit: str
    replaces: str | None = Field(description="The blob that stood there; null for a new file.")
    summary: str


class Refused(Value):
    """A generated file that failed a check."""

    path: str
    source: str
    reason: str


class Destination(Value):
    """Where the findings went, as it was read back."""

    name: str
    action: str
    url: str | None
    number: int | None
    ids: tuple[str, ...]
    new: int
    fixed: int
    open: int
    note: str


class Results(Value):
    """One night of one task."""

    schema_: Literal["batch-action/results/1"] = Field(alias="schema")
    at: str = Field(description="When it was collected, RFC 3339.")
    task: str
    repository: str | None
    repository_id: str
    ref: str
    pull: int | None
    commit: str = Field(description="The newest reviewed commit.")
    run_url: str | None
    model: str
    batch_ids: tuple[str, ...]
    verdict: str = Field(description="The night in one sentence.")
    counts: Counts
    findings: tuple[Told, ...] = Field(description="Worst first.")
    file_statuses: Receipt
    spending: Money | None = Field(description="null when no batch ended.")
    file_verdicts: tuple[Judged, ...]
    generated: tuple[Generated, ...]
    refused: tuple[Refused, ...]
    destinations: tuple[Destination, ...]
    warnings: tuple[str, ...]


class Failure(Value):
    """A run that could not do its work; sent to the webhook only."""

    schema_: Literal["batch-action/failure/1"] = Field(alias="schema")
    at: str
    task: str
    repository: str | None
    repository_id: str
    run_url: str | None
    kind: Kind
    exit_code: int
    problem: str
    fix: str


def schema(model: type[Value], name: str) -> dict[str, Any]:
    """The published JSON schema of one of the two."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:batch-action:{name}:1",
        **model.model_json_schema(mode="serialization"),
    }


def encoded(value: Value) -> bytes:
    """JSON in ASCII, so that no invisible character hides in a file that people open."""
    return (json.dumps(value.model_dump(mode="json", by_alias=True), indent=2) + "\n").encode()
