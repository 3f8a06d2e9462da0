"""What a run remembers of its findings, in the property bags that SARIF leaves to us."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from batch_action.escape import attribute, path_url, plain, unattribute
from batch_action.models.findings import Anchor, FindingState, Severity, TrackedFinding
from batch_action.publishers.markers import LONGEST_TITLE

KEY = "batchAction/v1"
"""The name of our bag; a later version that cannot be read so gets another one."""

_HEX16 = re.compile(r"[0-9a-f]{16}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def written(known: TrackedFinding) -> dict[str, Any]:
    """A finding as JSON; free text is percent-encoded, so that any of it comes back as it was."""
    anchor = known.anchor
    return {
        "id": known.fingerprint,
        "state": known.state.name.lower(),
        "severity": known.severity.value,
        "category": attribute(known.category),
        "rule": attribute(known.rule),
        "title": plain(known.title, LONGEST_TITLE),
        "path": path_url(anchor.path),
        "blob": anchor.blob,
        "commit": anchor.commit,
        "lines": [anchor.start_line, anchor.end_line],
        "scope": list(anchor.scope),
        "digest": known.evidence_digest,
        "security": known.security,
        "preExisting": known.pre_existing,
        "since": attribute(known.since),
        "closed": attribute(known.closed),
        "closedBy": attribute(known.closed_by),
        "held": attribute(known.suppressed),
        "reason": attribute(plain(known.reason, LONGEST_TITLE)),
    }


def read(data: object) -> TrackedFinding | None:
    """The finding behind `written`; None when a value is missing or none of ours."""
    if not isinstance(data, Mapping):
        return None
    try:
        return TrackedFinding(
            fingerprint=_matching(_HEX16, data["id"]),
            anchor=Anchor(
                path=unquote(_text(data["path"]), errors="surrogateescape"),
                blob=_matching(_SHA, data["blob"]),
                commit=_matching(_SHA, data["commit"]),
                start_line=_span(data["lines"])[0],
                end_line=_span(data["lines"])[1],
                scope=_span(data["scope"]),
            ),
            state=FindingState[_text(data["state"]).upper()],
            severity=Severity(data["severity"]),
            category=unattribute(_text(data["category"])),
            rule=unattribute(_text(data["rule"])),
            title=_text(data["title"]),
            evidence_digest=_text(data["digest"]),
            security=data["security"] is True,
            pre_existing=data["preExisting"] is True,
            since=unattribute(_text(data["since"])),
            closed=unattribute(_text(data["closed"])),
            closed_by=unattribute(_text(data["closedBy"])),
            suppressed=unattribute(_text(data["held"])),
            reason=unattribute(_text(data.get("reason", ""))),
        )
    except (KeyError, ValueError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one kind of damage like the others
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _span(value: object) -> tuple[int, int]:
    match value:
        case [int(first), int(last)] if 0 < first <= last:
            return first, last
    raise ValueError(value)
