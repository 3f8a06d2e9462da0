"""The permissions in docs/PERMISSIONS.md are sufficient, and none of them can be omitted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.documents.texts import read, rows
from tests.harness.workflow import BAD, WorkflowHarness

TABLE = rows(read("docs/PERMISSIONS.md"))
MODES = [
    (mode, cell)
    for use, cell in TABLE
    if "report" not in use
    for mode in re.findall(r"`mode: (\w+)`", use)
]
SUMMARY_ONLY = next(cell for use, cell in TABLE if "`report: summary`" in use)


def permissions(cell: str) -> dict[str, str]:
    return dict(re.findall(r"`([a-z-]+): ([a-z]+)`", cell))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def workflow(sandbox: Sandbox, tmp_path: Path) -> WorkflowHarness:
    """A private repository with one change to review."""
    workflow = WorkflowHarness.create(sandbox, tmp_path)
    workflow.commit({"app.js": BAD})
    return workflow


def submit(workflow: WorkflowHarness) -> None:
    assert workflow.run("submit").exit == 0


@pytest.mark.parametrize(("mode", "cell"), MODES, ids=str)
def test_the_documented_permissions_are_enough(mode: str, cell: str, workflow: WorkflowHarness):
    if mode == "collect":
        submit(workflow)
    result = workflow.start(mode, {"permissions": permissions(cell)})
    assert result.exit == 0, result.log
    assert result.annotations("warning") == []


@pytest.mark.parametrize("mode", [mode for mode, _ in MODES])
def test_without_an_issue_two_permissions_are_enough(mode: str, workflow: WorkflowHarness):
    workflow.inputs["report"] = "summary"
    if mode == "collect":
        submit(workflow)
    result = workflow.start(mode, {"permissions": permissions(SUMMARY_ONLY)})
    assert result.exit == 0, result.log


@pytest.mark.parametrize(
    ("mode", "missing", "granted"),
    [
        ("submit", "actions: read", {"contents": "read", "issues": "write"}),
        ("submit", "issues: read", {"contents": "read", "actions": "read"}),
        ("collect", "issues: write", {"contents": "read", "actions": "read", "issues": "read"}),
    ],
)
def test_a_missing_permission_is_named(
    mode: str, missing: str, granted: dict[str, str], workflow: WorkflowHarness
):
    if mode == "collect":
        submit(workflow)
    result = workflow.start(mode, {"permissions": granted})
    assert result.exit == 5
    assert missing in "".join(result.annotations("error"))
