"""The baseline file: findings that the repository's maintainers accepted, so none is reported."""

import json
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_action.config.loading import requirement_of
from batch_action.errors import ConfigError
from batch_action.models.fact import Fingerprint
from batch_action.models.findings import TrackedFinding

MAX_BASELINE_BYTES = 10_000_000


class BaselineEntry(BaseModel):
    """One accepted finding; only the fingerprint is compared, the rest is for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: Fingerprint
    task: str
    path: str
    category: str
    title: str


class Baseline(BaseModel):
    """The baseline file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    findings: tuple[BaselineEntry, ...]


def parse(data: bytes, name: str) -> Baseline:
    """Parse the baseline file.

    Raises ConfigError: when it is too large or invalid.
    """
    problem = "it is too large"
    if len(data) <= MAX_BASELINE_BYTES:
        try:
            return Baseline.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(x) for x in first["loc"]) or "the file"
            problem = f"{place}: {requirement_of(first).rstrip('.')}"
    raise ConfigError(
        f"The baseline file {name} cannot be read ({problem}).",
        fix="Write it again with `batch-action baseline`, or delete it.",
    )


def redact(tracked: TrackedFinding) -> TrackedFinding:
    """Return the finding without its category and title."""
    return replace(tracked, category="security", title="")


def render(task: str, accepted: Iterable[TrackedFinding], before: bytes | None, name: str) -> str:
    """Return the file's JSON with the findings of *task* replaced; other tasks' entries stay.

    Raises ConfigError: when the file *before* is invalid.
    """
    others = [e for e in parse(before, name).findings if e.task != task] if before else []
    entries = [
        BaselineEntry(
            fingerprint=tracked.fingerprint,
            task=task,
            path=tracked.anchor.path,
            category=tracked.category,
            title=tracked.title,
        )
        for tracked in accepted
    ]
    ordered = sorted((*others, *entries), key=lambda e: (e.task, e.path, e.fingerprint))
    findings = [entry.model_dump() for entry in ordered]
    return json.dumps({"version": 1, "findings": findings}, indent=2, ensure_ascii=False) + "\n"
