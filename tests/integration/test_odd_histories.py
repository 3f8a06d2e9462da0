"""Odd histories and clones through the real commands: rewritten branches, late commits, clones.

A new case is one row, as in `test_odd_repositories.py`.
"""

from collections.abc import Callable

import pytest

from tests.harness.git_repositories import Repo
from tests.harness.odd_repositories import (
    Files,
    Row,
    Step,
    check,
    folder_of,
    play,
    row,
)
from tests.harness.workflow import WorkflowHarness

CODE = "function run(x) {\n  defect_1(x);\n  return x;\n}\n"
FAR = CODE + "x\n" * 40
OTHER = "let walk = [\n  defect_2,\n];\n"


def orphan(change: Files) -> Callable[[Repo, str], None]:
    """Return a function that gives the branch a new history of one commit."""

    def make(repo: Repo, _folder: str) -> None:
        repo.git("checkout", "-q", "--orphan", "new")
        repo.commit(change)
        repo.git("branch", "-M", "new", "main")

    return make


def rewritten(change: Files) -> Callable[[Repo, str], None]:
    """Return a function that replaces the last commit, as before a force push."""

    def make(repo: Repo, _folder: str) -> None:
        repo.git("reset", "-q", "--hard", "HEAD~1")
        repo.commit(change)

    return make


def reverted(repo: Repo, _folder: str) -> None:
    repo.commits += 1
    repo.git("revert", "--no-edit", "HEAD")


HISTORIES: dict[str, Row] = {
    "orphan branch": row(
        {"old.js": "x\n"},
        {"a.js": CODE, "b.js": OTHER},
        Step(change=orphan({"a.js": "x\n" + CODE}), sent=["a.js"]),
    ),
    "force push": row(
        {},
        {"a.js": CODE, "b.js": OTHER},
        Step(change=rewritten({"a.js": "x\n" + CODE}), sent=["a.js"]),
    ),
    "reset and more": row(
        {}, {"a.js": CODE, "b.js": OTHER}, Step(change=rewritten({"c.js": "x\n"}), sent=["c.js"])
    ),
    "revert": row({}, {"a.js": CODE}, {"a.js": "x\n"}, Step(change=reverted, sent=[])),
    "force push while the batch runs": row(
        {},
        Step(change={"a.js": FAR}, late=rewritten({"a.js": FAR + "y\n"})),
        Step(change={}, sent=["a.js"]),
    ),
    "force push without the file while the batch runs": row(
        {},
        Step(change={"a.js": FAR}, late=rewritten({"b.js": OTHER})),
        Step(change={}, sent=["b.js"]),
    ),
}
LATE: dict[str, Row] = {
    name: row({}, Step(change={"a.js": FAR}, late=late), Step(change={}, sent=sent))
    for name, late, sent in [
        ("deleted", {"a.js": None}, []),
        ("emptied", {"a.js": ""}, []),
        ("renamed", {"a.js": None, "b.js": FAR}, []),
        ("renamed and edited", {"a.js": None, "b.js": "y\n" + FAR}, ["b.js"]),
        ("edited near", {"a.js": FAR.replace("return", "yield")}, ["a.js"]),
        ("edited above", {"a.js": "y\n" + FAR}, ["a.js"]),
        ("edited below", {"a.js": FAR + "y\n"}, ["a.js"]),
        ("fixed", {"a.js": FAR.replace("defect_1", "x")}, ["a.js"]),
        ("line ends", {"a.js": FAR.replace("\n", "\r\n")}, []),
        ("generated now", {"a.js": "// @generated\n" + FAR}, []),
        ("vendored now", {"a.js": None, "vendor/a.js": FAR}, []),
    ]
}


@pytest.mark.parametrize("name", HISTORIES)
def test_findings_follow_a_rewritten_branch(workflow: WorkflowHarness, name: str) -> None:
    check(HISTORIES[name], play(workflow, {name: HISTORIES[name]}))


def test_changes_between_submit_and_collect(workflow: WorkflowHarness) -> None:
    outcomes = play(workflow, LATE)
    for name, steps in LATE.items():
        check(steps, outcomes, folder_of(name))
