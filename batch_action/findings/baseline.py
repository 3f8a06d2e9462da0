"""The baseline file: findings that the repository's maintainers accepted; listed, not told."""

import json
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_action.errors import ConfigError
from batch_action.models.findings import TrackedFinding
from batch_action.models.ledger import Fingerprint

MAX_BASELINE = 10_000_000


class BaselineEntry(BaseModel):
    """One accepted finding; everything but the fingerprint is for people."""

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


def parsed(data: bytes, name: str) -> Baseline:
    """The file's content. Raises ConfigError."""
    problem = "it is too large"
    if len(data) <= MAX_BASELINE:
        try:
            return Baseline.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(x) for x in first["loc"]) or "the file"
            problem = f"{place}: {first['msg']}"
    raise ConfigError(
        f"The baseline file {name} cannot be read ({problem}).",
        fix="Write it anew with `batch-action baseline`, or delete it.",
    )


def unnamed(known: TrackedFinding) -> TrackedFinding:
    """The same finding without a word about what it is."""
    return replace(known, category="security", title="")


def written(task: str, known: Iterable[TrackedFinding], before: bytes | None, name: str) -> str:
    """The file with these findings of *task*; what it holds of other tasks is kept."""
    others = [one for one in parsed(before, name).findings if one.task != task] if before else []
    fresh = [
        BaselineEntry(
            fingerprint=k.fingerprint,
            task=task,
            path=k.anchor.path,
            category=k.category,
            title=k.title,
        )
        for k in known
    ]
    ordered = sorted((*others, *fresh), key=lambda one: (one.task, one.path, one.fingerprint))
    findings = [one.model_dump() for one in ordered]
    return json.dumps({"version": 1, "findings": findings}, indent=2, ensure_ascii=False) + "\n"
