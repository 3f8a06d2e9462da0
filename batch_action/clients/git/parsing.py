"""Parsing of git's plumbing output: raw diffs, tree entries, hunks and attributes."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from batch_action.models.files import ChangeType, FileChange, Hunk

REGULAR_FILE_MODES = ("100644", "100755")
SUBMODULE_MODE = "160000"

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_CHANGE_TYPES = {
    "A": ChangeType.ADDED,
    "C": ChangeType.COPIED,
    "D": ChangeType.DELETED,
    "M": ChangeType.MODIFIED,
    "R": ChangeType.RENAMED,
    "T": ChangeType.TYPE_CHANGED,
}


def parse_raw_diff(output: bytes) -> Iterator[FileChange]:
    """Parse `git diff --raw -z`: `:mode mode blob blob letter`, then one or two paths."""
    fields = iter(output.split(b"\0")[:-1])
    for meta in fields:
        old_mode, mode, old_blob, blob, letter = meta.decode().removeprefix(":").split()
        status = _CHANGE_TYPES.get(letter[0], ChangeType.MODIFIED)
        first_path = os.fsdecode(next(fields))
        has_two_paths = status in (ChangeType.RENAMED, ChangeType.COPIED)
        yield FileChange(
            path=os.fsdecode(next(fields)) if has_two_paths else first_path,
            status=status,
            mode=mode,
            blob=blob,
            old_path=first_path if has_two_paths else None,
            old_blob=old_blob if old_mode in REGULAR_FILE_MODES else None,
        )


def parse_tree(output: bytes, status: ChangeType) -> Iterator[FileChange]:
    """Parse `git ls-tree -r -z`; every entry gets `status`."""
    for entry in output.split(b"\0")[:-1]:
        meta, _, path = entry.partition(b"\t")
        mode, _, blob = meta.decode().split()
        yield FileChange(path=os.fsdecode(path), status=status, mode=mode, blob=blob)


def parse_attributes(output: bytes) -> dict[str, Mapping[str, str]]:
    """Parse `git check-attr -z` as `{path: {attribute: value}}`, without unspecified values."""
    attributes: dict[str, dict[str, str]] = {}
    fields = iter(output.split(b"\0")[:-1])
    for path, name, value in zip(fields, fields, fields, strict=True):
        if value != b"unspecified":
            values = attributes.setdefault(os.fsdecode(path), {})
            values[name.decode()] = value.decode("utf-8", "replace")
    return dict(attributes)


def parse_numbered_hunks(lines: Iterable[bytes]) -> Iterator[tuple[int, Hunk]]:
    """Parse the diff of two trees whose files have numbers for names, as `(number, hunk)`.

    The diff has no context lines, so no line of content starts with `@` or `d`.
    """
    number = -1
    for line in lines:
        if line.startswith(b"diff --git a/"):
            number = int(line.rpartition(b"/")[2])
        elif match := _HUNK.match(line):
            old_start, old_lines, new_start, new_lines = (
                1 if group is None else int(group) for group in match.groups()
            )
            yield (
                number,
                Hunk(
                    old_start=old_start,
                    old_lines=old_lines,
                    new_start=new_start,
                    new_lines=new_lines,
                ),
            )


def is_commit_id(text: str) -> bool:
    """Return whether a text has the form of a full object id, SHA-1 or SHA-256."""
    return len(text) in (40, 64) and all(char in "0123456789abcdef" for char in text)
