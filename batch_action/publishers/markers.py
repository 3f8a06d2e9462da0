"""The markers in issues and comments: state in HTML comments, each at the start of a line.

Values are percent-encoded by `escape.attribute`, so no value can end the comment. Text from
outside cannot contain a marker, because `escape` breaks it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_action.clients.git import GitRepo
from batch_action.errors import GitHubError
from batch_action.escape import attribute, plain, unattribute
from batch_action.models.findings import Anchor, FindingState, Severity, TrackedFinding
from batch_action.models.verification import Verification

if TYPE_CHECKING:  # PyGithub takes long to import
    from batch_action.clients.github.issues import Issues
    from batch_action.models.github import Issue

SCHEMA = 1
MAX_TITLE_CHARS = 120
MAX_NAME_CHARS = 120
"""The limit of a category and a rule: encoded, a character takes up to twelve."""
MAX_HEADS = 30
DESTINATIONS = {"issue": ("", "head"), "issue-per-finding": ("finding:", "id")}
"""What tells the issues of these destinations apart: a part of the label, and a field's name."""
MAX_LABEL_CHARS = 50
"""GitHub's limit of a label's name."""

HEAD = re.compile(r"^<!-- batch-action v(\d+) ([^\n]*?) ?-->[^\S\n]*$", re.MULTILINE)
_START = re.compile(r"<!-- batch-action:finding v(\d+) (.*?) ?-->\s*")
_ANY_MARKER = re.compile(r"<!-- /?batch-action[ :]")
_NESTED_MARKER = re.compile(r"^(<!-- /?batch)-(?=action[ :])", re.MULTILINE)
_NOTIFICATION = re.compile(r"<!-- batch-action:notification v\d+ ([^\n]*?) ?-->")
_CONTINUATION = re.compile(r"<!-- batch-action:continuation v\d+ n=(\d+) -->")
_HEX16 = re.compile(r"[0-9a-f]{16}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A finding with its Markdown."""

    tracked: TrackedFinding
    text: str
    """Read: what is between its markers. To be written: with them."""


def format_fields(fields: Mapping[str, str]) -> str:
    """Format the fields of a marker; the values must be encoded already."""
    return " ".join(f"{name}={value}" for name, value in fields.items())


def parse_fields(text: str) -> dict[str, str]:
    """Parse the fields of a marker; the values stay encoded."""
    pairs = (word.partition("=") for word in text.split())
    return {name: value for name, _, value in pairs}


def labels_of(task: str, kind: str = "") -> tuple[str, str]:
    """Return the labels by which a task's issues are found; a label cannot contain a comma."""
    return "batch-action", f"batch-action:{kind}{task}".replace(",", "-")[:MAX_LABEL_CHARS]


def identity_of(task: str, repository_id: str, next_field: str = "head") -> str:
    """Return the part of the head marker that is the same in all versions of a task's issues."""
    return f"task={attribute(task)} repository={attribute(repository_id)} {next_field}="


def qualify_task(task: str, state_key: str) -> str:
    """Format a task and its `state-key` for a marker: `code-review@web`."""
    return f"{task}@{state_key}" if state_key else task


def format_head(
    identity: str, commit: str, batches: tuple[str, ...], *, just_opened: bool = False
) -> str:
    """Format the first line of an issue; *just_opened*: this run opened the rolling issue.

    *identity*: as `identity_of` returns it; it ends with `head=`.
    """
    fields = f"{identity}{attribute(commit)} batches={encode_list(batches)}"
    fields += " just-opened=1" if just_opened else ""
    return f"<!-- batch-action v{SCHEMA} {fields} -->"


def parse_head(body: str) -> dict[str, str] | None:
    """Parse the fields of the head marker; None when the text has none.

    Raises GitHubError: when a later version wrote the issue, which this one must not rewrite.
    """
    match = HEAD.search(body)
    if match is None:
        return None
    if int(match[1]) > SCHEMA:
        raise GitHubError(
            f"The issue was written by a later version of batch-action (schema {match[1]}).",
            fix="Update the action, or close that issue to start a new one.",
        )
    return parse_fields(match[2])


def is_same_text(text: str, other: str) -> bool:
    """Whether two texts are equal once GitHub has stored them."""
    # GitHub trims texts, and its editor writes CRLF.
    return text.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def find_issues(
    issues: "Issues", destination: str, task: str, state_key: str, repository_id: str
) -> "list[Issue]":
    """Find the issues of a task in one of the `DESTINATIONS`. Raises GitHubError."""
    kind, next_field = DESTINATIONS[destination]
    identity = identity_of(qualify_task(task, state_key), repository_id, next_field)
    return issues.find(labels_of(task, kind)[1], identity)


def find_newest_head(issues: "Iterable[Issue]", repo: GitRepo) -> str:
    """Find the newest commit that these issues name; empty without issues.

    Commits that the clone lacks count only when it lacks all of them.
    """
    newest_first = sorted(issues, key=lambda issue: issue.updated_at, reverse=True)
    named = (decode_field(parse_head(i.body) or {}, "head") for i in newest_first[:MAX_HEADS])
    heads = list(filter(None, named))
    present = [head for head in heads if repo.has_commit(head)]
    newest = next(iter(present or heads), "")
    for head in present:
        if repo.is_ancestor(newest, head):
            newest = head
    return newest


def decode_field(fields: Mapping[str, str], name: str) -> str:
    """Decode the value of a field; empty when it is missing or damaged."""
    try:
        return unattribute(fields.get(name, ""))
    except ValueError:
        return ""


def encode_list(values: Iterable[str]) -> str:
    """Encode the values of a list field."""
    return ",".join(attribute(value) for value in values)


def decode_list(fields: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Decode a list field; empty when it is missing or damaged."""
    return tuple(value for value in decode_field(fields, name).split(",") if value)


def format_notification(batches: tuple[str, ...], commit: str) -> str:
    """Format the first line of the comment that notifies of a run's changes."""
    fields = f"batches={encode_list(batches)} head={attribute(commit)}"
    return f"<!-- batch-action:notification v{SCHEMA} {fields} -->"


def parse_notification(body: str) -> tuple[str, ...]:
    """Parse the batches that a notification is about; empty for other comments."""
    match = _NOTIFICATION.match(body.lstrip())
    return decode_list(parse_fields(match[1]), "batches") if match else ()


def format_continuation(number: int) -> str:
    """Format the first line of a comment with findings that do not fit into the body."""
    return f"<!-- batch-action:continuation v{SCHEMA} n={number} -->"


def parse_continuation(body: str) -> int | None:
    """Parse the number of such a comment; None for other comments."""
    match = _CONTINUATION.match(body.lstrip())
    return int(match[1]) if match else None


def fields_of(tracked: TrackedFinding) -> dict[str, str]:
    """Return all state of a finding but its text, encoded for a marker."""
    anchor = tracked.anchor
    return {
        "id": tracked.fingerprint,
        "state": tracked.state.name.lower(),
        "severity": tracked.severity.value,
        "category": attribute(tracked.category[:MAX_NAME_CHARS]),
        "rule": attribute(tracked.rule[:MAX_NAME_CHARS]),
        "path": attribute(anchor.path),
        "blob": anchor.blob,
        "commit": anchor.commit,
        "lines": f"{anchor.start_line}-{anchor.end_line}",
        "scope": f"{anchor.scope_start}-{anchor.scope_end}",
        "digest": tracked.evidence_digest,
        "opened-on": attribute(tracked.opened_on),
        "closed-on": attribute(tracked.closed_on),
        "closing-commit": attribute(tracked.closing_commit),
        "ignored-by": attribute(tracked.ignored_by[:MAX_NAME_CHARS]),
        **(
            {"ignore-reason": attribute(plain(tracked.ignore_reason, MAX_TITLE_CHARS))}
            if tracked.ignore_reason
            else {}
        ),
        **({"verification": tracked.verification.value} if tracked.verification else {}),
        **({"confirmed-by": attribute(tracked.confirmed_by)} if tracked.confirmed_by else {}),
        "security": str(int(tracked.security)),
        "pre-existing": str(int(tracked.pre_existing)),
        "title": attribute(plain(tracked.title, MAX_TITLE_CHARS)),
    }


def format_start(tracked: TrackedFinding) -> str:
    """Format the marker before a finding's block."""
    return f"<!-- batch-action:finding v{SCHEMA} {format_fields(fields_of(tracked))} -->"


def wrap_block(tracked: TrackedFinding, text: str) -> str:
    """Put a finding's block between its markers."""
    # Text from outside must not end its block, nor begin another one.
    text = _NESTED_MARKER.sub("\\1\N{NON-BREAKING HYPHEN}", text)
    return (
        f"{format_start(tracked)}\n{text}\n<!-- /batch-action:finding id={tracked.fingerprint} -->"
    )


def parse_blocks(text: str) -> Iterator[Block]:
    """Parse the finding blocks of a text; a damaged marker loses only its own block."""
    tracked: TrackedFinding | None = None
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not _ANY_MARKER.match(line):
            lines.append(line)
            continue
        if tracked is not None:
            yield Block(tracked=tracked, text="\n".join(lines))
        start = _START.fullmatch(line)
        is_known = start is not None and int(start[1]) <= SCHEMA
        tracked = parse_tracked(parse_fields(start[2])) if start and is_known else None
        lines = []
    if tracked is not None:
        yield Block(tracked=tracked, text="\n".join(lines))


def parse_tracked(fields: Mapping[str, str]) -> TrackedFinding | None:
    """Parse the finding of `fields_of`; None when a value is missing or invalid."""
    try:
        return TrackedFinding(
            fingerprint=_require_match(_HEX16, fields["id"]),
            anchor=_parse_anchor(fields),
            state=FindingState[fields["state"].upper()],
            severity=Severity(fields["severity"]),
            category=unattribute(fields["category"]),
            rule=unattribute(fields["rule"]),
            title=unattribute(fields["title"]),
            evidence_digest=fields["digest"],
            security=fields["security"] == "1",
            pre_existing=fields["pre-existing"] == "1",
            opened_on=unattribute(fields["opened-on"]),
            closed_on=unattribute(fields["closed-on"]),
            closing_commit=unattribute(fields["closing-commit"]),
            ignored_by=unattribute(fields.get("ignored-by", "")),
            ignore_reason=unattribute(fields.get("ignore-reason", "")),
            verification=_parse_verification(fields.get("verification")),
            confirmed_by=unattribute(fields.get("confirmed-by", "")),
        )
    except (KeyError, ValueError):
        return None


def _parse_verification(value: str | None) -> Verification | None:
    return Verification(value) if value else None


def _parse_anchor(fields: Mapping[str, str]) -> Anchor:
    start, end = _parse_range(fields["lines"])
    scope_start, scope_end = _parse_range(fields["scope"])
    return Anchor(
        path=unattribute(fields["path"]),
        blob=_require_match(_SHA, fields["blob"]),
        commit=_require_match(_SHA, fields["commit"]),
        start_line=start,
        end_line=end,
        scope_start=scope_start,
        scope_end=scope_end,
    )


def _require_match(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(value)
    return value


def _parse_range(value: str) -> tuple[int, int]:
    first, last = (int(number) for number in value.split("-"))
    if not 0 < first <= last:
        raise ValueError(value)
    return first, last
