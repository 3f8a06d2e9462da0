"""The floor of `plan`: read all changed blobs of two commits by git. Imports nothing of ours."""

import subprocess
import sys
import tempfile


def main(folder: str, base: str, head: str) -> None:
    """Read both versions of each changed file."""
    command = ["git", "-C", folder]
    raw = subprocess.run(
        [*command, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", base, head],
        capture_output=True,
        check=True,
    ).stdout
    fields = iter(raw.split(b"\0")[:-1])
    blobs = [blob for meta, _ in zip(fields, fields, strict=True) for blob in meta.split()[2:4]]
    with tempfile.TemporaryFile() as feed:
        feed.write(b"\n".join(blobs) + b"\n")
        feed.seek(0)
        with subprocess.Popen(
            [*command, "cat-file", "--batch", "--buffer"], stdin=feed, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            while line := process.stdout.readline():
                process.stdout.read(int(line.split()[2]) + 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
