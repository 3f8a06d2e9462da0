"""What changed between two trees, as GitHub lists it and as review comments need it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from batch_action.sandbox.github.git import Git

_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}
_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_FLAGS = (
    "--no-ext-diff", "--no-textconv", "-M", "--ignore-submodules=none", "--full-index",
    "--no-abbrev",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One file of a diff."""

    path: str
    previous: str | None
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str | None
    """None for what is binary or only renamed."""


def between(git: Git, before: str, after: str) -> list[Changed]:
    """All files that differ between two commits or trees."""
    raw = git.bytes("diff", *_FLAGS, "--raw", "-z", before, after)
    text = git.bytes("diff", *_FLAGS, "-p", before, after).decode(errors="replace")
    patches = re.split(r"^diff --git .*\n", text, flags=re.MULTILINE)[1:]
    found = []
    for status, previous, path, sha in _entries(raw):
        # A file that became a link comes as a deletion and an addition.
        section = patches.pop(0) + (patches.pop(0) if status == "T" else "")
        start = re.search(r"^@@ ", section, flags=re.MULTILINE)
        patch = section[start.start() :].rstrip("\n") if start else None
        lines = (patch or "").splitlines()
        changed = Changed(
            path=path,
            previous=previous,
            status=_STATUS.get(status, "changed"),
            sha=sha,
            additions=sum(line.startswith("+") for line in lines),
            deletions=sum(line.startswith("-") for line in lines),
            patch=patch,
        )
        found.append(changed)
    return found


def _entries(raw: bytes) -> Iterator[tuple[str, str | None, str, str]]:
    """Status letter, old path of a rename, path and blob of each raw record."""
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


def lines_of(patch: str | None) -> dict[str, dict[int, int]]:
    """Which line numbers a patch shows, by side, each with the number of its hunk."""
    shown: dict[str, dict[int, int]] = {"LEFT": {}, "RIGHT": {}}
    left = right = hunk = 0
    for line in (patch or "").splitlines():
        start = _HUNK.match(line)
        if start:
            left, right, hunk = int(start[1]), int(start[2]), hunk + 1
            continue
        if line[:1] in {" ", "-", ""}:
            shown["LEFT"][left] = hunk
            left += 1
        if line[:1] in {" ", "+", ""}:
            shown["RIGHT"][right] = hunk
            right += 1
    return shown
