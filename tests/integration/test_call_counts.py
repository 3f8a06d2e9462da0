"""How many calls a run makes: docs/PERFORMANCE.md is the expected value."""

import re
from pathlib import Path

import pytest

from tests.documents.texts import section
from tests.harness.workflow import BAD, WorkflowHarness

TABLE = Path(__file__).parents[2] / "docs" / "PERFORMANCE.md"
LIMITS = {"a quiet run": (8, 0, 0), "a submit of one batch": (12, 8, 4)}
"""No more than these, whatever the table says."""


def expected() -> dict[str, tuple[int, ...]]:
    """Read the table of the section: by run, the number of calls of each kind."""
    rows = re.findall(
        r"^\| (a[^|]*) \| (\d+)[^|]*\| (\d+)[^|]*\| (\d+)[^|]*\|",
        section(TABLE.read_text(), "Calls"),
        re.MULTILINE,
    )
    return {name: tuple(int(number) for number in numbers) for name, *numbers in rows}


def count(workflow: WorkflowHarness, mode: str) -> tuple[int, ...]:
    """Run once, and count the calls of each kind."""
    start = len(workflow.sandbox.faults.calls)
    result = workflow.run(mode)
    assert result.exit == 0, result.log
    calls = workflow.sandbox.faults.calls[start:]
    stored = sum(
        c.path.startswith("/twirp") or (c.service == "blobs" and c.method == "PUT") for c in calls
    )
    rest = sum(c.service == "github" and not c.path.startswith("/twirp") for c in calls)
    return rest, stored, sum(c.service == "anthropic" for c in calls)


@pytest.fixture
def counted(workflow: WorkflowHarness) -> dict[str, tuple[int, ...]]:
    """Count the calls of each row of the table."""
    found = {}
    workflow.commit({"app.js": BAD})
    workflow.run("submit")
    workflow.advance(3600)
    workflow.run("collect")
    workflow.commit({"b.js": BAD})
    workflow.sandbox.anthropic.hold = True
    found["a submit of one batch"] = count(workflow, "submit")
    found["a run whose batch has not ended"] = count(workflow, "run")
    workflow.sandbox.anthropic.hold = False
    workflow.advance(3600)
    found["a collect of one batch"] = count(workflow, "collect")
    found["a quiet run"] = count(workflow, "run")
    return found


def test_runs_make_the_calls_that_the_table_lists(counted):
    assert counted == expected()
    for name, limits in LIMITS.items():
        assert all(n <= limit for n, limit in zip(counted[name], limits, strict=True)), name
