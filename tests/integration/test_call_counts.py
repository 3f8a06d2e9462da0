"""How many calls a run makes: docs/PERFORMANCE.md is the expected value."""

import re
from pathlib import Path

from benchmarks.calls import BOUNDS, count_runs
from tests.documents.texts import section
from tests.harness.workflow import WorkflowHarness

TABLE = Path(__file__).parents[2] / "docs" / "PERFORMANCE.md"


def expected() -> dict[str, tuple[int, ...]]:
    """Read the table of the section: by run, the number of calls of each service."""
    rows = re.findall(
        r"^\| (a[^|]*) \| (\d+)[^|]*\| (\d+)[^|]*\| (\d+)[^|]*\|",
        section(TABLE.read_text(), "Calls"),
        re.MULTILINE,
    )
    return {name: tuple(int(number) for number in numbers) for name, *numbers in rows}


def test_runs_make_the_calls_that_the_table_lists(workflow: WorkflowHarness):
    counted = count_runs(workflow)
    assert counted == expected()
    for name, bounds in BOUNDS.items():
        assert all(n <= bound for n, bound in zip(counted[name], bounds, strict=True)), name
