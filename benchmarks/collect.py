"""`collect` over the floor that parses the same results and reads the same blobs: `make bench`.

Whole processes on batches that a real `submit` sent to a trivial local server; each answer has one
finding, and all of them are written to files. Memory is that of the largest moment.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from benchmarks import harness, repositories, results_server
from benchmarks.harness import Row
from benchmarks.repositories import SampleRepository

RESULTS, MANY_RESULTS = 10_000, 20_000
CLIENT_RESULTS = 1_000, 100_000
QUICK_RESULTS, QUICK_MANY_RESULTS = 20, 40
BOUND = 4.0
RESULT_BYTES = 2_000.0
"""How many bytes of memory one more result may take."""
CLIENT_MEGABYTES = 20.0
"""How much more memory the client alone may take for `CLIENT_RESULTS`."""


class Submitted:
    """A repository whose changed files were all sent to a server, which has their answers."""

    def __init__(self, folder: Path, url: str, repository: SampleRepository) -> None:
        """Send the files; the ledger is kept as it is then."""
        self._url, self._repository = url, repository
        self._state, self._sent = folder / "state", folder / "sent"
        harness.cpu_seconds(
            self._command("submit", "--base", repository.base, "--max-cost-usd", "1000000")
        )
        self._state.rename(self._sent)

    def _command(self, name: str, *options: str | Path) -> list[str | Path]:
        variables = ("ANTHROPIC_API_KEY=sk-ant-none", f"ANTHROPIC_BASE_URL={self._url}")
        program = harness.python("-m", "batch_action", name, "--quiet")
        where = ("--repo", self._repository.folder, "--state-dir", self._state)
        return ["env", *variables, *program, *where, *options]

    def collect(self) -> list[str | Path]:
        """Return the command that collects all batches, each time anew."""
        restore = 'rm -rf "$0" && cp -R "$1" "$0" && shift && exec "$@"'
        command = self._command("collect", "--report", "files")
        return ["sh", "-c", restore, self._state, self._sent, *command]

    def check(self, findings: int) -> None:
        """Raise RuntimeError unless the last collect has found so many."""
        path = self._repository.folder / ".batch-action" / "results.json"
        found = len(json.loads(path.read_text("utf-8"))["findings"])
        if found != findings:
            raise RuntimeError(f"{found} of {findings} findings were collected")

    def floor(self, batches: Iterable[str]) -> list[str | Path]:
        """Return the command that reads the same results and blobs."""
        repository = self._repository
        where = (self._url, repository.folder, repository.base, repository.head)
        return harness.python(harness.ROOT / "benchmarks/read_results.py", *where, *batches)


@contextmanager
def submitted(folder: Path, files: int, findings: int) -> Iterator[Submitted]:
    """Send so many files to a server, whose answers have so many findings each."""
    repository = repositories.create(folder / "repository", files)
    with results_server.serve(folder / "server", findings) as url:
        yield Submitted(folder, url, repository)


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all rows; *quick*: with few results, to see that they can be measured."""
    few, many = (QUICK_RESULTS, QUICK_MANY_RESULTS) if quick else (RESULTS, MANY_RESULTS)
    rounds = 1 if quick else harness.ROUNDS
    kinds = {1: "with a finding"} if quick else {0: "without a finding", 1: "with a finding"}
    peaks = {}
    ratio, note = 0.0, ""
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp:
        for findings, files in product(kinds, (few, many)):
            folder = Path(temp) / f"{files}-{findings}"
            with submitted(folder, files, findings) as sent:
                peaks[files, findings] = harness.peak_bytes(sent.collect())
                sent.check(files * findings)
                if (files, findings) == (few, 1):
                    floor = sent.floor(path.name for path in (folder / "server").iterdir())
                    ratio, note = harness.ratio(sent.collect(), floor, rounds)
            shutil.rmtree(folder)
    memory = [
        Row(
            f"collect, memory of a result {what}",
            max(1.0, (peaks[many, findings] - peaks[few, findings]) / (many - few)),
            RESULT_BYTES,
            unit="bytes",
            note=f"{peaks[many, findings] / 1e6:.0f} MB for {many:,}",
        )
        for findings, what in kinds.items()
    ]
    client = _measure_client(*((few, many) if quick else CLIENT_RESULTS))
    return [Row(f"collect, {few:,} results", ratio, BOUND, note=note), *memory, client]


def _measure_client(few: int, many: int) -> Row:
    """Measure the client alone, which keeps the answers on disk."""
    peaks = []
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp:
        for count in (few, many):
            with results_server.serve(Path(temp) / str(count), 1) as url:
                download = harness.python("-m", "benchmarks.download_results", url, str(count))
                peaks.append(harness.peak_bytes(download))
    return Row(
        f"collect, the client's memory of {many:,} results over {few:,}",
        max(1.0, peaks[1] - peaks[0]) / 1e6,
        CLIENT_MEGABYTES,
        unit="MB",
        note=f"{peaks[1] / 1e6:.0f} MB for {many:,}",
    )


if __name__ == "__main__":
    print(harness.table(measured := rows(quick="--quick" in sys.argv)))
    sys.exit(not all(row.holds for row in measured))
