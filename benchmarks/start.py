"""How long commands take to start, as a ratio of CPU times; see tests/harness/start.py.

The last rows are whole runs with a key that have little or nothing to do.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import harness, repositories
from benchmarks.harness import Row
from tests.harness.start import (
    COMPLETIONS,
    FLOOR,
    STARTS,
    completion_variables,
    ratio_to_floor,
)

RUNS = {"status": 4.0, "collect": 6.0}
"""Commands with nothing to do, and their bounds."""


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all command lines; *quick*: the first one."""
    starts = [*STARTS.items()][: 1 if quick else None]
    completions = [] if quick else COMPLETIONS.items()
    return [
        *(Row(f"start, `{' '.join(x)}`", ratio_to_floor([*x]), bound) for x, bound in starts),
        *(
            Row(f"completion, `{line}`", ratio_to_floor([], completion_variables(line)), bound)
            for line, bound in completions
        ),
        *_measure_runs(1 if quick else 5),
    ]


def _measure_runs(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp:
        folder = repositories.create(Path(temp) / "repository", 1).folder
        for command, bound in RUNS.items():
            program = harness.python("-m", "batch_action", command, "--quiet", "--repo", folder)
            where = ("--state-dir", Path(temp) / "state")
            ours = ["env", "ANTHROPIC_API_KEY=sk-ant-none", *program, *where]
            ratio, note = harness.ratio(ours, [sys.executable, "-c", FLOOR], rounds)
            yield Row(f"start, `{command}` with a key and nothing to do", ratio, bound, note=note)
