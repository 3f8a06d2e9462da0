"""The floor of `collect`: the SDK's own results, parsed, and the blobs. Imports nothing of ours.

python read_results.py URL REPOSITORY BASE HEAD BATCH…
"""

import subprocess
import sys
import tempfile

import anthropic
from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """A finding as the answer has it."""

    model_config = ConfigDict(extra="allow")

    rule: str
    category: str
    severity: str
    confidence: str
    start_line: int
    end_line: int
    evidence: str
    title: str
    explanation: str
    remediation: str
    suggestion: str | None
    pre_existing: bool
    security: bool


class Review(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid")

    findings: list[Finding]


def main(url: str, folder: str, base: str, head: str, *batches: str) -> None:
    """Download and parse all results, and read the blobs that they are about."""
    client = anthropic.Anthropic(api_key="none", base_url=url)
    reviews = {
        item.custom_id: _review(item)
        for batch in batches
        for item in client.messages.batches.results(batch)
    }
    raw = subprocess.run(
        ["git", "-C", folder, "diff-tree", "-r", "-z", "--raw", "--no-abbrev", base, head],
        capture_output=True,
        check=True,
    ).stdout
    blobs = [meta.split()[3] for meta in raw.split(b"\0")[:-1:2]]
    with tempfile.TemporaryFile() as feed:
        feed.write(b"\n".join(blobs) + b"\n")
        feed.seek(0)
        with subprocess.Popen(
            ["git", "-C", folder, "cat-file", "--batch", "--buffer"],
            stdin=feed,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            while line := process.stdout.readline():
                process.stdout.read(int(line.split()[2]) + 1)
    assert len(reviews) == len(blobs)


def _review(item: anthropic.types.messages.MessageBatchIndividualResponse) -> Review:
    assert item.result.type == "succeeded"
    block = item.result.message.content[0]
    assert block.type == "text"
    return Review.model_validate_json(block.text)


if __name__ == "__main__":
    main(*sys.argv[1:])
