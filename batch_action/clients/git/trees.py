"""Trees: what a commit holds, what changed between two, and what its attributes say."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta

from batch_action.clients.git.history import CHURN_COMMITS, History
from batch_action.clients.git.objects import Objects
from batch_action.errors import ConfigError
from batch_action.models.files import ChangeType, FileChange

ATTRIBUTES = ("linguist-generated", "linguist-vendored", "binary", "diff", "batch-action")

RENAME_LIMIT = 2000
"""Inexact renames are looked for among at most so many added and deleted files."""

_REGULAR = ("100644", "100755")

_STATUS = {
    "A": ChangeType.ADDED,
    "C": ChangeType.COPIED,
    "D": ChangeType.DELETED,
    "M": ChangeType.MODIFIED,
    "R": ChangeType.RENAMED,
    "T": ChangeType.TYPE_CHANGED,
}


class Trees(History, Objects):
    """Files by their paths, as `os.fsdecode` makes them of git's bytes."""

    def changes(self, base: str | None, head: str) -> list[FileChange]:
        """Return what differs between the trees of two commits; None as base: all is added.

        Merge commits need no special case: only the two ends are compared. Renames are found,
        copies are not looked for. An `old_blob` is only ever a file's.

        Raises:
            ConfigError: an object of either side is missing; the sentence names `fetch-depth: 0`.

        """
        if base is None:
            return list(self._entries(head, ChangeType.ADDED))
        if not self.has_commit(base):
            raise ConfigError(
                f"The base commit {base[:12]} is not in this clone: cut off, or rewritten.",
                fix="Set fetch-depth: 0 on actions/checkout, or choose another base.",
            )
        out = self.output(
            *("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "-M", f"-l{RENAME_LIMIT}"),
            *("--ignore-submodules=none", "--no-ext-diff", "--no-textconv"),
            *(base, head),
        )
        return list(_raw(iter(out.split(b"\0")[:-1])))

    def tree(self, commit: str) -> list[FileChange]:
        """Return everything a commit holds, as unchanged."""
        return list(self._entries(commit, ChangeType.UNCHANGED))

    def _entries(self, commit: str, status: ChangeType) -> Iterator[FileChange]:
        for entry in self.output("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            meta, _, path = entry.partition(b"\t")
            mode, _, blob = meta.decode().split()
            yield FileChange(path=os.fsdecode(path), status=status, mode=mode, blob=blob)

    def tree_blobs(self, commit: str, paths: Collection[str]) -> dict[str, str]:
        """Return the blob of each path that is a file of the commit (a link's is its target)."""
        if not paths:
            return {}
        wanted = set(paths)
        entries = self._entries(commit, ChangeType.UNCHANGED)
        return {e.path: e.blob for e in entries if e.path in wanted and e.mode != "160000"}

    def file_at(self, commit: str, path: str) -> bytes | None:
        """Return a regular file's bytes at a commit; None if there is none (or it is a link)."""
        entries = self._entries(commit, ChangeType.UNCHANGED)
        blob = next((e.blob for e in entries if e.path == path and e.mode in _REGULAR), None)
        return None if blob is None else next((data for _, data in self.blobs([blob])), None)

    def versions(self, commit: str, path: str, most: int) -> list[str]:
        """Return the blobs a path had up to a commit, newest first, of its last `most` changes."""
        commits = self.output("rev-list", f"--max-count={most}", commit, "--", path)
        out = self.output(
            *("diff-tree", "--stdin", "--root", "-r", "-m", "-z", "--raw", "--no-abbrev"),
            *("--no-commit-id", "--no-renames", "--no-ext-diff", "--no-textconv", "--", path),
            feed=[commits],
        )
        found = (
            blob for one in _raw(iter(out.split(b"\0")[:-1])) for blob in (one.blob, one.old_blob)
        )
        return [blob for blob in dict.fromkeys(found) if blob and blob.strip("0")]

    def renames(self, old_commit: str, new_commit: str) -> dict[str, str]:
        """Return `{old path: new path}` of the files that moved between two commits."""
        return {
            change.old_path: change.path
            for change in self.changes(old_commit, new_commit)
            if change.status is ChangeType.RENAMED and change.old_path is not None
        }

    def attributes(self, commit: str, paths: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return `{path: {attribute: value}}` as the commit's own `.gitattributes` say.

        Values are git's words: `set`, `unset` or the value; unspecified ones are absent. Git 2.39
        cannot read attributes from a commit, so a throw-away index does.
        """
        feed = [os.fsencode(path) + b"\0" for path in paths]
        if not feed:
            return {}
        with self.scratch() as env:
            self.output("read-tree", f"{commit}^{{tree}}", env=env)
            out = self.output(
                *("check-attr", "--cached", "-z", "--stdin", *ATTRIBUTES), feed=feed, env=env
            )
        found: dict[str, dict[str, str]] = {}
        words = iter(out.split(b"\0")[:-1])
        for path, name, value in zip(words, words, words, strict=True):
            if value != b"unspecified":
                told = value.decode("utf-8", "replace")
                found.setdefault(os.fsdecode(path), {})[name.decode()] = told
        return dict(found)

    def churn(self, head: str, days: int = 90) -> dict[str, int]:
        """Return how many commits touched each path in the `days` before the head's own time."""
        since = self.commit_time(head) - timedelta(days=days)
        commits = self.output(
            *("rev-list", "--no-merges", f"--max-count={CHURN_COMMITS}"),
            *(f"--max-age={int(since.timestamp())}", head),
        )
        out = self.output(
            *("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-commit-id", "--no-renames"),
            *("--ignore-submodules=none", "--no-ext-diff", "--no-textconv"),
            feed=[commits],
        )
        return dict(Counter(os.fsdecode(path) for path in out.split(b"\0")[:-1]))


def _raw(words: Iterator[bytes]) -> Iterator[FileChange]:
    """Read `git diff --raw -z`: `:mode mode blob blob letter`, then one or two paths."""
    for meta in words:
        old_mode, mode, old_blob, blob, letter = meta.decode().removeprefix(":").split()
        status = _STATUS.get(letter[0], ChangeType.MODIFIED)
        first = os.fsdecode(next(words))
        moved = status in (ChangeType.RENAMED, ChangeType.COPIED)
        yield FileChange(
            path=os.fsdecode(next(words)) if moved else first,
            status=status,
            mode=mode,
            blob=blob,
            old_path=first if moved else None,
            old_blob=old_blob if old_mode in _REGULAR else None,
        )
