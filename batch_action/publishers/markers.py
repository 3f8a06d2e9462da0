"""Our hidden markers: what an issue remembers, in HTML comments at the start of a line.

Values are percent-encoded by `escape.attribute`, so that none of them can end the comment; text
from elsewhere cannot contain a marker, because `escape` breaks it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batch_action.errors import GitHubError
from batch_action.escape import attribute, plain, unattribute
from batch_action.models.findings import Anchor, FindingState, Severity, TrackedFinding

SCHEMA = 1
LONGEST_TITLE = 120

_HEAD = re.compile(r"^<!-- batch-action v(\d+) ([^\n]*?) ?-->[^\S\n]*$", re.MULTILINE)
_START = re.compile(r"<!-- batch-action:finding v(\d+) (.*?) ?-->\s*")
_END = re.compile(r"<!-- /batch-action:finding(?: [^\n]*?)? ?-->\s*")
_OTHER = re.compile(r"<!-- /?batch-action[ :]")
_INSIDE = re.compile(r"^(<!-- /?batch)-(?=action[ :])", re.MULTILINE)
_NIGHT = re.compile(r"<!-- batch-action:night v\d+ ([^\n]*?) ?-->")
_MORE = re.compile(r"<!-- batch-action:more v\d+ n=(\d+) -->")
_HEX16 = re.compile(r"[0-9a-f]{16}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A finding in a text: what its marker says, and what stands between the markers."""

    tracked: TrackedFinding
    text: str


def fields_of(fields: Mapping[str, str]) -> str:
    """Fields as a marker spells them; the values are attributes already."""
    return " ".join(f"{name}={value}" for name, value in fields.items())


def read_fields(text: str) -> dict[str, str]:
    """The fields a marker spells."""
    pairs = (word.partition("=") for word in text.split())
    return {name: value for name, _, value in pairs}


def identity_of(task: str, repository_id: str) -> str:
    """The part of the head marker by which a task's issue is found, whatever its version."""
    return f"task={attribute(task)} repository={attribute(repository_id)} head="


def named(task: str, state_key: str) -> str:
    """The task as a marker names it: each `state-key` has texts of its own."""
    return f"{task}@{state_key}" if state_key else task


def head(
    task: str, repository_id: str, commit: str, batches: tuple[str, ...], *, first: bool = False
) -> str:
    """The issue's first line; `first`: the night that opened it."""
    names = ",".join(attribute(batch) for batch in batches)
    told = f"{identity_of(task, repository_id)}{attribute(commit)} batches={names}"
    told += " first=1" if first else ""
    return f"<!-- batch-action v{SCHEMA} {told} -->"


def read_head(body: str) -> dict[str, str] | None:
    """The head marker's fields; None when the text has none.

    Raises GitHubError when a later version wrote it: it must not be rewritten by this one.
    """
    match = _HEAD.search(body)
    if match is None:
        return None
    if int(match[1]) > SCHEMA:
        raise GitHubError(
            f"The issue was written by a later version of batch-action (schema {match[1]}).",
            fix="Update the action, or close that issue to start a new one.",
        )
    return read_fields(match[2])


def value(fields: Mapping[str, str], name: str) -> str:
    """A field's text; empty when it is missing or damaged."""
    try:
        return unattribute(fields.get(name, ""))
    except ValueError:
        return ""


def report(batches: tuple[str, ...], commit: str) -> str:
    """The first line of the one notification of a night."""
    names = ",".join(attribute(batch) for batch in batches)
    return f"<!-- batch-action:night v{SCHEMA} batches={names} head={attribute(commit)} -->"


def read_night(body: str) -> tuple[str, ...]:
    """The batches of the night that a notification is about; none where it is none."""
    match = _NIGHT.match(body.lstrip())
    fields = read_fields(match[1]) if match else {}
    return tuple(batch for batch in value(fields, "batches").split(",") if batch)


def more(number: int) -> str:
    """The first line of a comment that holds findings for which the body has no room."""
    return f"<!-- batch-action:more v{SCHEMA} n={number} -->"


def read_more(body: str) -> int | None:
    """Which of these comments a text is; None when it is none."""
    match = _MORE.match(body.lstrip())
    return int(match[1]) if match else None


def start(known: TrackedFinding) -> str:
    """The line before a finding's block: all that is known of it but its words."""
    anchor = known.anchor
    fields = {
        "id": known.fingerprint,
        "state": known.state.name.lower(),
        "severity": known.severity.value,
        "category": attribute(known.category),
        "rule": attribute(known.rule),
        "path": attribute(anchor.path),
        "blob": anchor.blob,
        "commit": anchor.commit,
        "lines": f"{anchor.start_line}-{anchor.end_line}",
        "scope": f"{anchor.scope[0]}-{anchor.scope[1]}",
        "digest": known.evidence_digest,
        "since": attribute(known.since),
        "closed": attribute(known.closed),
        "by": attribute(known.closed_by),
        "held": attribute(known.suppressed),
        **({"reason": attribute(plain(known.reason, LONGEST_TITLE))} if known.reason else {}),
        "security": str(int(known.security)),
        "pre": str(int(known.pre_existing)),
        "title": attribute(plain(known.title, LONGEST_TITLE)),
    }
    return f"<!-- batch-action:finding v{SCHEMA} {fields_of(fields)} -->"


def wrap(known: TrackedFinding, text: str) -> str:
    """A finding's block between its markers."""
    # Words from elsewhere must not end their block, nor begin another.
    text = _INSIDE.sub("\\1\N{NON-BREAKING HYPHEN}", text)
    return f"{start(known)}\n{text}\n<!-- /batch-action:finding id={known.fingerprint} -->"


def blocks(text: str) -> Iterator[Block]:
    """The finding blocks of a text; a damaged marker loses its own block only."""
    known: TrackedFinding | None = None
    inside: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not _OTHER.match(line):
            inside.append(line)
            continue
        if known is not None:
            yield Block(tracked=known, text="\n".join(inside))
        begin = _START.fullmatch(line)
        known = _known(read_fields(begin[2])) if begin and int(begin[1]) <= SCHEMA else None
        inside = []
    if known is not None:
        yield Block(tracked=known, text="\n".join(inside))


def _known(fields: Mapping[str, str]) -> TrackedFinding | None:
    """A marker's finding; None when a value is missing or not one of ours."""
    try:
        return TrackedFinding(
            fingerprint=_matching(_HEX16, fields["id"]),
            anchor=_anchor(fields),
            state=FindingState[fields["state"].upper()],
            severity=Severity(fields["severity"]),
            category=unattribute(fields["category"]),
            rule=unattribute(fields["rule"]),
            title=unattribute(fields["title"]),
            evidence_digest=fields["digest"],
            security=fields["security"] == "1",
            pre_existing=fields["pre"] == "1",
            since=unattribute(fields["since"]),
            closed=unattribute(fields["closed"]),
            closed_by=unattribute(fields["by"]),
            suppressed=unattribute(fields.get("held", "")),
            reason=unattribute(fields.get("reason", "")),
        )
    except (KeyError, ValueError):
        return None


def _anchor(fields: Mapping[str, str]) -> Anchor:
    start, end = _range(fields["lines"])
    return Anchor(
        path=unattribute(fields["path"]),
        blob=_matching(_SHA, fields["blob"]),
        commit=_matching(_SHA, fields["commit"]),
        start_line=start,
        end_line=end,
        scope=_range(fields["scope"]),
    )


def _matching(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(value)
    return value


def _range(value: str) -> tuple[int, int]:
    first, last = (int(number) for number in value.split("-"))
    if not 0 < first <= last:
        raise ValueError(value)
    return first, last
