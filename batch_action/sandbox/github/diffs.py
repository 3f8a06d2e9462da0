"""Diffs between commits: changed files, the lines of a patch, and moved lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from batch_action.sandbox.github.git import Git, GitError

_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}
HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
"""Where a hunk begins on both sides."""
_FLAGS = (
    "--no-ext-diff", "--no-textconv", "-M", "--ignore-submodules=none", "--full-index",
    "--no-abbrev",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One file of a diff."""

    path: str
    previous: str | None
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str | None
    """None for binary files and pure renames."""


def diff_commits(git: Git, before: str, after: str) -> list[ChangedFile]:
    """List the files that differ between two commits or trees."""
    raw = git.bytes("diff", *_FLAGS, "--raw", "-z", before, after)
    text = git.bytes("diff", *_FLAGS, "-p", before, after).decode(errors="replace")
    patches = re.split(r"^diff --git .*\n", text, flags=re.MULTILINE)[1:]
    files = []
    for status, previous, path, sha in _entries(raw):
        # A file that became a symlink is listed as a deletion and an addition.
        section = patches.pop(0) + (patches.pop(0) if status == "T" else "")
        start = re.search(r"^@@ ", section, flags=re.MULTILINE)
        patch = section[start.start() :].rstrip("\n") if start else None
        lines = (patch or "").splitlines()
        changed = ChangedFile(
            path=path,
            previous=previous,
            status=_STATUS.get(status, "changed"),
            sha=sha,
            additions=sum(line.startswith("+") for line in lines),
            deletions=sum(line.startswith("-") for line in lines),
            patch=patch,
        )
        files.append(changed)
    return files


def _entries(raw: bytes) -> Iterator[tuple[str, str | None, str, str]]:
    """Yield the status letter, old path of a rename, path and blob of each raw record."""
    fields = iter(raw.decode(errors="replace").split("\0"))
    for head in fields:
        if not head:
            return
        *_modes, before, after, status = head.lstrip(":").split(" ")
        path = next(fields)
        previous = None
        if status[0] in "RC":
            previous, path = path, next(fields)
        yield status[0], previous, path, before if status[0] == "D" else after


def patch_lines(patch: str | None) -> dict[str, dict[int, int]]:
    """Map the line numbers that a patch shows to their hunk numbers, for each side."""
    lines: dict[str, dict[int, int]] = {"LEFT": {}, "RIGHT": {}}
    left = right = hunk = 0
    for line in (patch or "").splitlines():
        start = HUNK.match(line)
        if start:
            left, right, hunk = int(start[1]), int(start[2]), hunk + 1
            continue
        if line[:1] in {" ", "-", ""}:
            lines["LEFT"][left] = hunk
            left += 1
        if line[:1] in {" ", "+", ""}:
            lines["RIGHT"][right] = hunk
            right += 1
    return lines


def line_after(git: Git, before: str, after: str, path: str, line: int) -> int | None:
    """Return the number of a line in a later commit; None when it was changed or deleted."""
    try:
        text = git.text("diff", *_FLAGS, "-U0", before, after, "--", path)
    except GitError:
        return None
    shift = 0
    for hunk in re.finditer(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", text, re.MULTILINE):
        first, count = int(hunk[1]), int(hunk[2] or 1)
        if first <= line < first + count:
            return None
        if first > line or (count == 0 and first == line):
            break
        shift += int(hunk[4] or 1) - count
    return line + shift
