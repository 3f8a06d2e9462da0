"""`submit` over the floor that sends the same files by the SDK, and its memory: `make bench`.

Whole processes against a trivial local server; each file is one request of at least 20 KB, and a
batch has 1,000 of them.
"""

import tempfile
from pathlib import Path

from benchmarks import batch_server, harness, repositories
from benchmarks.harness import Row
from benchmarks.repositories import SampleRepository

FILES, QUICK_FILES = 10_000, 20
FILE_BYTES = 20_000
BOUND = 3.0
MEMORY_BOUND = 250.0
"""In MB."""


def submit_command(repository: SampleRepository, url: str, state: Path) -> list[str | Path]:
    """Return the command that sends every file, each time anew."""
    variables = ("ANTHROPIC_API_KEY=sk-ant-none", f"ANTHROPIC_BASE_URL={url}")
    program = harness.python("-m", "batch_action", "submit", "--quiet", "--first-run", "all")
    where = ("--repo", repository.folder, "--state-dir", state, "--max-cost-usd", "1000000")
    forget = 'rm -rf "$0" && exec "$@"'
    return ["sh", "-c", forget, state, "env", *variables, *program, *where]


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all rows; *quick*: with few files, to see that they can be measured."""
    files, rounds = (QUICK_FILES, 1) if quick else (FILES, harness.ROUNDS)
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp,
        batch_server.serve() as url,
    ):
        folder = Path(temp)
        sizes = range(FILE_BYTES, FILE_BYTES + 1)
        repository = repositories.create(folder / "repository", files, sizes)
        ours = submit_command(repository, url, folder / "state")
        script = harness.ROOT / "benchmarks/send_files.py"
        floor = harness.python(script, url, repository.folder, repository.head)
        ratio, note = harness.ratio(ours, floor, rounds)
        peak, floor_peak = harness.peak_bytes(ours) / 1e6, harness.peak_bytes(floor) / 1e6
    return [
        Row(f"submit, {files:,} files of 20 KB", ratio, BOUND, note=note),
        Row(
            f"submit, memory of {files:,} files of 20 KB",
            peak,
            MEMORY_BOUND,
            unit="MB",
            note=f"the floor's: {floor_peak:.0f} MB",
        ),
    ]
