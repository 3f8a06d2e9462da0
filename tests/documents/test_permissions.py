"""The README's permissions are enough, and the lines that matter cannot be left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.documents.texts import read, rows, section
from tests.harness.workflow import BAD, WorkflowHarness

TABLE = rows(section(read("README.md"), "Permissions"))
MODES = [
    (mode, given)
    for told, given in TABLE
    if "report" not in told
    for mode in re.findall(r"`mode: (\w+)`", told)
]
SUMMARY_ONLY = next(given for told, given in TABLE if "`report: summary`" in told)


def permissions(cell: str) -> dict[str, str]:
    return dict(re.findall(r"`([a-z-]+): ([a-z]+)`", cell))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def workflow(sandbox: Sandbox, tmp_path: Path) -> WorkflowHarness:
    """A private repository with one change to review."""
    made = WorkflowHarness.begin(sandbox, tmp_path)
    made.commit({"app.js": BAD})
    return made


def sent(workflow: WorkflowHarness) -> None:
    assert workflow.run("submit").exit == 0


@pytest.mark.parametrize(("mode", "given"), MODES, ids=str)
def test_what_the_readme_gives_is_enough(mode: str, given: str, workflow: WorkflowHarness):
    if mode == "collect":
        sent(workflow)
    done = workflow.start(mode, {"permissions": permissions(given)})
    assert done.exit == 0, done.log
    assert done.said("warning") == []


@pytest.mark.parametrize("mode", [mode for mode, _ in MODES])
def test_without_an_issue_two_permissions_are_enough(mode: str, workflow: WorkflowHarness):
    workflow.inputs["report"] = "summary"
    if mode == "collect":
        sent(workflow)
    done = workflow.start(mode, {"permissions": permissions(SUMMARY_ONLY)})
    assert done.exit == 0, done.log


@pytest.mark.parametrize(
    ("mode", "missing", "less"),
    [
        ("submit", "actions: read", {"contents": "read", "issues": "write"}),
        ("submit", "issues: read", {"contents": "read", "actions": "read"}),
        ("collect", "issues: write", {"contents": "read", "actions": "read", "issues": "read"}),
    ],
)
def test_a_missing_line_is_named(
    mode: str, missing: str, less: dict[str, str], workflow: WorkflowHarness
):
    if mode == "collect":
        sent(workflow)
    done = workflow.start(mode, {"permissions": less})
    assert done.exit == 5
    assert missing in "".join(done.said("error"))
