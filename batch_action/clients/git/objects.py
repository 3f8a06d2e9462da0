"""Blobs: their bytes, their sizes, and what changed between two of them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from batch_action.clients.git.runner import GitRunner, failed
from batch_action.errors import ConfigError
from batch_action.models.files import Hunk

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Objects(GitRunner):
    """The object database."""

    def has_blob(self, sha: str) -> bool:
        """Tell whether the blob with this id is here."""
        return sha in self.sizes([sha])

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the size in bytes of each blob that is here, by id; the others are absent."""
        feed = (f"{sha}\n".encode() for sha in ids)
        found = {}
        for line in self.output("cat-file", "--batch-check", "--buffer", feed=feed).splitlines():
            words = line.decode("utf-8", "surrogateescape").split()
            if len(words) == 3 and words[1] == "blob":  # noqa: PLR2004 - id, type, size
                found[words[0]] = int(words[2])
        return found

    def blobs(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield `(id, bytes)` in the order asked, one blob in memory at a time; missing ones not.

        Raises:
            ConfigError: git stopped in the middle (a damaged object database).

        """
        wanted = list(ids)
        if not wanted:
            return
        feed = (f"{sha}\n".encode() for sha in wanted)
        with self.stream(["cat-file", "--batch", "--buffer"], feed=feed) as stdout:
            for _ in wanted:
                words = stdout.readline().split()
                if not words:
                    raise failed(["cat-file"], "the object database ended too early")
                if len(words) != 3:  # noqa: PLR2004 - `<id> missing`
                    continue
                content = stdout.read(int(words[2]))
                stdout.read(1)
                if words[1] == b"blob":
                    yield words[0].decode(), content

    def hunks(self, old_blob: str, new_blob: str) -> tuple[Hunk, ...]:
        """Return what changed between two blobs, as `git diff -U0` counts; () if one is missing."""
        return self.hunks_of([(old_blob, new_blob)]).get((old_blob, new_blob), ())

    def hunks_of(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Hunk, ...]]:
        """Return the hunks of many pairs `(old blob, new blob)`; pairs with a missing blob not.

        Other line ends are no change. Two throw-away trees hold the old and the new blobs under the
        same numbers, so that one diff of the trees answers for all pairs.
        """
        here = self.sizes({sha for pair in pairs for sha in pair})
        asked = [pair for pair in dict.fromkeys(pairs) if pair[0] in here and pair[1] in here]
        found: dict[tuple[str, str], list[Hunk]] = {pair: [] for pair in asked}
        if not any(old != new for old, new in asked):
            return dict.fromkeys(asked, ())
        with self.scratch() as env:
            trees = [
                self.output("mktree", "-z", feed=_entries(pair[side] for pair in asked), env=env)
                for side in (0, 1)
            ]
            with self.stream(
                _diff(*(tree.decode().strip() for tree in trees)), feed=(), env=env
            ) as out:
                for number, hunk in _parse(out):
                    found[asked[number]].append(hunk)
        return {pair: tuple(hunks) for pair, hunks in found.items()}


def _entries(blobs: Iterable[str]) -> Iterator[bytes]:
    for number, sha in enumerate(blobs):
        yield f"100644 blob {sha}\t{number:08d}\0".encode()


def _diff(old: str, new: str) -> list[str]:
    return [
        # Raw lines name each pair that differs, also where only line ends do, and so no hunk comes.
        *("diff-tree", "-r", "--raw", "-p", "-U0", "--text", "--no-renames", "--no-color"),
        *("--full-index", "--ignore-cr-at-eol"),
        *("--no-ext-diff", "--no-textconv", "--diff-algorithm=histogram"),
        *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", old, new),
    ]


def _parse(out: IO[bytes]) -> Iterator[tuple[int, Hunk]]:
    """Yield `(number of the pair, hunk)`; without context no content line starts with @, d or :."""
    number, answered = -1, False
    for line in out:
        answered = answered or line.startswith(b":")
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
    if not answered:
        raise ConfigError("git diff-tree gave no answer.", fix="Check that the clone is complete.")
