"""Findings as JSON, for SARIF's property bags."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from batch_action.escape import attribute, path_url, plain, unattribute
from batch_action.models.findings import Anchor, FindingState, Severity, TrackedFinding
from batch_action.publishers.markers import MAX_TITLE_CHARS

KEY = "batchAction/v1"
"""The name of our properties; an incompatible later format gets another name."""

_HEX16 = re.compile(r"[0-9a-f]{16}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def to_json(tracked: TrackedFinding) -> dict[str, Any]:
    """Return a finding as JSON; free text is percent-encoded, so that it survives unchanged."""
    anchor = tracked.anchor
    return {
        "id": tracked.fingerprint,
        "state": tracked.state.name.lower(),
        "severity": tracked.severity.value,
        "category": attribute(tracked.category),
        "rule": attribute(tracked.rule),
        "title": plain(tracked.title, MAX_TITLE_CHARS),
        "path": path_url(anchor.path),
        "blob": anchor.blob,
        "commit": anchor.commit,
        "lines": [anchor.start_line, anchor.end_line],
        "scope": list(anchor.scope),
        "digest": tracked.evidence_digest,
        "security": tracked.security,
        "preExisting": tracked.pre_existing,
        "openedOn": attribute(tracked.opened_on),
        "closedOn": attribute(tracked.closed_on),
        "closingCommit": attribute(tracked.closing_commit),
        "ignoredBy": attribute(tracked.ignored_by),
        "reason": attribute(plain(tracked.ignore_reason, MAX_TITLE_CHARS)),
    }


def from_json(data: object) -> TrackedFinding | None:
    """Return the finding of `to_json`; None when a value is missing or invalid."""
    if not isinstance(data, Mapping):
        return None
    try:
        return TrackedFinding(
            fingerprint=_match(_HEX16, data["id"]),
            anchor=Anchor(
                path=unquote(_text(data["path"]), errors="surrogateescape"),
                blob=_match(_SHA, data["blob"]),
                commit=_match(_SHA, data["commit"]),
                start_line=_line_range(data["lines"])[0],
                end_line=_line_range(data["lines"])[1],
                scope=_line_range(data["scope"]),
            ),
            state=FindingState[_text(data["state"]).upper()],
            severity=Severity(data["severity"]),
            category=unattribute(_text(data["category"])),
            rule=unattribute(_text(data["rule"])),
            title=_text(data["title"]),
            evidence_digest=_text(data["digest"]),
            security=data["security"] is True,
            pre_existing=data["preExisting"] is True,
            opened_on=unattribute(_text(data["openedOn"])),
            closed_on=unattribute(_text(data["closedOn"])),
            closing_commit=unattribute(_text(data["closingCommit"])),
            ignored_by=unattribute(_text(data["ignoredBy"])),
            ignore_reason=unattribute(_text(data.get("reason", ""))),
        )
    except (KeyError, ValueError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - handled like every invalid value
    return value


def _match(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _line_range(value: object) -> tuple[int, int]:
    match value:
        case [int(first), int(last)] if 0 < first <= last:
            return first, last
    raise ValueError(value)
