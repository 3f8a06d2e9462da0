"""How many calls a run makes of each service, against the sandbox, which counts them."""

import tempfile
from pathlib import Path

from batch_action.sandbox.server import Sandbox
from benchmarks.harness import Row
from tests.harness.workflow import BAD, WorkflowHarness

SERVICES = ("GitHub", "artifact service", "Anthropic")
BOUNDS = {"a quiet run": (8, 0, 0), "a submit of one batch": (12, 8, 4)}
"""By run, the most calls of each service."""


def count(workflow: WorkflowHarness, mode: str) -> tuple[int, ...]:
    """Run once, and count the calls of each service."""
    start = len(workflow.sandbox.faults.calls)
    result = workflow.run(mode)
    assert result.exit == 0, result.log
    calls = workflow.sandbox.faults.calls[start:]
    stored = sum(
        c.path.startswith("/twirp") or (c.service == "blobs" and c.method == "PUT") for c in calls
    )
    rest = sum(c.service == "github" and not c.path.startswith("/twirp") for c in calls)
    return rest, stored, sum(c.service == "anthropic" for c in calls)


def count_runs(workflow: WorkflowHarness) -> dict[str, tuple[int, ...]]:
    """Count the calls of each kind of run."""
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


def rows(*, quick: bool = False) -> list[Row]:  # noqa: ARG001 - it is always quick
    """Count the calls of the runs that have a bound."""
    with tempfile.TemporaryDirectory(prefix="batch-action-bench-") as temp, Sandbox() as sandbox:
        found = count_runs(WorkflowHarness.create(sandbox, Path(temp)))
    return [
        Row(f"calls, {name}, {service}", calls, bound, unit="calls")
        for name, bounds in BOUNDS.items()
        for service, calls, bound in zip(SERVICES, found[name], bounds, strict=True)
    ]
