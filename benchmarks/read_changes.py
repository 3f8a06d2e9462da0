"""The floor of `plan`: git compares two commits and reads new blobs. Imports nothing of ours."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

CHUNK_BYTES = 1 << 16


def main(folder: str, base: str, head: str) -> None:
    """Read the patch between two commits, and the new version of each changed file."""
    git = ["git", "-C", folder]
    with subprocess.Popen(
        [*git, "diff", "--no-ext-diff", base, head], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while process.stdout.read(CHUNK_BYTES):
            pass
    with tempfile.TemporaryFile() as feed:
        feed.write(b"\n".join(_new_blobs(git, base, head)) + b"\n")
        feed.seek(0)
        _read_blobs(git, feed)


def _new_blobs(git: Sequence[str], base: str, head: str) -> list[bytes]:
    """Return the blob of each changed file, but not of those that were deleted."""
    options = ("-r", "-z", "--raw", "--no-abbrev", "--diff-filter=d")
    raw = subprocess.run(
        [*git, "diff-tree", *options, base, head], capture_output=True, check=True
    ).stdout
    return [meta.split()[3] for meta in raw.split(b"\0")[:-1:2]]


def _read_blobs(git: Sequence[str], feed: IO[bytes]) -> None:
    with subprocess.Popen(
        [*git, "cat-file", "--batch", "--buffer"], stdin=feed, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while line := process.stdout.readline():
            process.stdout.read(int(line.split()[2]) + 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
