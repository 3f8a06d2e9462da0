"""`plan` over the floor in which git does the same, and 20,000 files over 2,000: `make bench`.

Whole processes, Python's start and all imports included; no key, so nothing is asked of a server.
"""

import tempfile
from pathlib import Path

from benchmarks import harness, repositories
from benchmarks.harness import Row
from benchmarks.repositories import SampleRepository

FILES, MANY_FILES = 2_000, 20_000
QUICK_FILES, QUICK_MANY_FILES = 20, 40
WHOLE_FILES_BOUND, BOUND = 4.0, 8.0
"""With `context: file`, and with the default."""
WHOLE_FILES = "context: file\n"
LINEAR = 1.2
"""How many times as much a file may cost among many as among few."""


def plan_command(repository: SampleRepository) -> list[str | Path]:
    """Return the command that plans all changed files."""
    options = ("--quiet", "--json", "--base", repository.base, "--max-cost-usd", "100000")
    return harness.python("-m", "batch_action", "plan", "--repo", repository.folder, *options)


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all rows; *quick*: with few files, to see that they can be measured."""
    few, many = (QUICK_FILES, QUICK_MANY_FILES) if quick else (FILES, MANY_FILES)
    rounds = 1 if quick else harness.ROUNDS
    found = []
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp:
        large = repositories.create(Path(temp) / "large", many, config=WHOLE_FILES)
        for config, what, bound in (
            ("", "the defaults", BOUND),
            (WHOLE_FILES, "`context: file`", WHOLE_FILES_BOUND),
        ):
            small = repositories.create(Path(temp) / f"small{bound:.0f}", few, config=config)
            floor = harness.python(
                harness.ROOT / "benchmarks/read_changes.py", small.folder, small.base, small.head
            )
            ratio, note = harness.ratio(plan_command(small), floor, rounds)
            found.append(Row(f"plan, {few:,} changed files, {what}", ratio, bound, note=note))
        growth, note = harness.ratio(plan_command(large), plan_command(small), 1)
    name = f"plan, a file of {many:,} over one of {few:,}"
    return [*found, Row(name, growth * few / many, LINEAR, unit="times", note=note)]
