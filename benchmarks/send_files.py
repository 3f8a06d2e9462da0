"""The floor of `submit`: read the same blobs by git, send them by the SDK; nothing of ours.

python send_files.py URL REPOSITORY COMMIT
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice

import anthropic

BATCH = 1_000


def main(url: str, folder: str, commit: str) -> None:
    """Send each file of a commit in a request."""
    client = anthropic.Anthropic(api_key="none", base_url=url)
    texts = enumerate(_texts(["git", "-C", folder], commit))
    while batch := list(islice(texts, BATCH)):
        client.messages.batches.create(
            requests=[
                {
                    "custom_id": f"file-{number}",
                    "params": {
                        "model": "claude-sonnet-5-5",
                        "max_tokens": 4_096,
                        "system": "Review this file.",
                        "messages": [{"role": "user", "content": text}],
                    },
                }
                for number, text in batch
            ]
        )


def _texts(command: list[str], commit: str) -> Iterator[str]:
    raw = subprocess.run(
        [*command, "ls-tree", "-r", "-z", commit], capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryFile() as feed:
        feed.writelines(entry.split()[2] + b"\n" for entry in raw.split(b"\0")[:-1])
        feed.seek(0)
        with subprocess.Popen(
            [*command, "cat-file", "--batch", "--buffer"], stdin=feed, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            while line := process.stdout.readline():
                size = int(line.split()[2])
                yield process.stdout.read(size + 1)[:size].decode()


if __name__ == "__main__":
    main(*sys.argv[1:])
