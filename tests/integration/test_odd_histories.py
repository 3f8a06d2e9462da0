"""Odd histories and clones through the real commands: rewritten branches, late commits, clones.

A new case is one row, as in `test_odd_repositories.py`.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.git_repositories import Repo
from tests.harness.odd_repositories import (
    Files,
    Row,
    Step,
    check,
    folder_of,
    initialize,
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

CLONED: dict[str, Row] = {
    "edited": row({"a.js": "x\n"}, {"a.js": FAR}, {"a.js": "y\n" + FAR}, {"a.js": FAR + "z\n"}),
    "fixed and back": row({}, {"a.js": FAR}, {"a.js": "x\n" * 44}, {"a.js": FAR + "z\n"}),
    "renamed": row(
        {}, {"a.ts": OTHER}, {"b.ts": "x\n"}, Step(change={"a.ts": None, "c.ts": OTHER}, sent=[])
    ),
    "deleted": row({}, {"a.sql": "SELECT defect_1;\n"}, {"a.sql": None}, {"b.js": "x\n"}),
    "line ends": row(
        {"a.go": FAR},
        {"a.go": "y\n" + FAR},
        Step(change={"a.go": ("y\n" + FAR).replace("\n", "\r\n")}, sent=[]),
    ),
}


_numbers = itertools.count(1)


def cloned(*options: str) -> Callable[[Repo], Path]:
    """Return a function that clones a repository with these options, as on a fresh machine."""

    def clone(repo: Repo) -> Path:
        folder = repo.path.parent / f"clone{next(_numbers)}"
        repo.git("config", "uploadpack.allowFilter", "true")
        repo.git("clone", "-q", *options, f"file://{repo.path}", str(folder))
        return folder

    return clone


def worktree(repo: Repo) -> Path:
    folder = repo.path.parent / f"tree{repo.commits}"
    if not folder.exists():
        repo.git("worktree", "add", "-q", "--detach", str(folder), "main")
    return folder


def separate_git_folder(repo: Repo) -> Path:
    folder = cloned()(repo)
    Repo(folder).git("init", "-q", "--separate-git-dir", f"{folder}.git")
    return folder


def packed(repo: Repo) -> Path:
    repo.git("repack", "-q", "-a", "-d", "--write-bitmap-index")
    repo.git("pack-refs", "--all")
    repo.git("commit-graph", "write", "--reachable")
    return repo.path


CLONES: dict[str, Callable[[Repo], Path]] = {
    "shallow": cloned("--depth=2"),
    "only the last commit": cloned("--depth=1"),
    "without blobs": cloned("--filter=blob:none"),
    "sparse": cloned("--sparse"),
    "bare": cloned("--bare"),
    "without a checkout": cloned("--no-checkout", "--config", "core.autocrlf=true"),
    "shared objects": cloned("--shared"),
    "work tree": worktree,
    "separate git folder": separate_git_folder,
    "packed": packed,
}

GIT_VERSION = tuple(map(int, re.findall(r"\d+", Repo(Path()).git("version"))))
WITHOUT_OLD_BLOBS = ("only the last commit", "without blobs")


@pytest.mark.parametrize("name", HISTORIES)
def test_findings_follow_a_rewritten_branch(workflow: WorkflowHarness, name: str) -> None:
    check(HISTORIES[name], play(workflow, {name: HISTORIES[name]}))


def test_changes_between_submit_and_collect(workflow: WorkflowHarness) -> None:
    outcomes = play(workflow, LATE)
    for name, steps in LATE.items():
        check(steps, outcomes, folder_of(name))


@pytest.mark.parametrize("name", CLONES)
def test_findings_are_the_same_in_every_clone(workflow: WorkflowHarness, name: str) -> None:
    rows, inputs = dict(CLONED), {}
    if name in WITHOUT_OLD_BLOBS:
        del rows["line ends"]  # Nothing shows that they are all that changed.
    if name == "only the last commit":
        inputs["first_run"] = "all"
    outcomes = play(workflow, rows, workspace=CLONES[name], **inputs)
    for row_name, steps in rows.items():
        check(steps, outcomes, folder_of(row_name))


def test_a_rewritten_branch_that_moves_a_file_in_a_fresh_clone(workflow: WorkflowHarness) -> None:
    steps = row(
        {},
        {"a.js": FAR, "b.js": OTHER},
        Step(change=rewritten({"c.js": FAR, "b.js": "y\n" + OTHER}), sent=["b.js"]),
    )
    check(steps, play(workflow, {"": steps}, workspace=cloned()))


def test_a_clone_without_trees_is_refused_with_the_fix(workflow: WorkflowHarness) -> None:
    base = workflow.repo.head()
    workflow.commit({"a.js": CODE})
    workspace = cloned("--filter=tree:0")(workflow.repo)
    result = workflow.start("submit", {}, workspace=workspace, first_run=base)
    assert result.exit == 2
    assert "neither `filter` nor `sparse-checkout`" in result.log


@pytest.mark.parametrize("option", ["--object-format=sha256", "--ref-format=reftable"])
def test_other_formats_of_repositories(workflow: WorkflowHarness, option: str) -> None:
    if option.startswith("--ref-format") and GIT_VERSION < (2, 45):
        pytest.skip("this git has no reftables")
    initialize(workflow, option)
    outcomes = play(workflow, CLONED)
    for row_name, steps in CLONED.items():
        check(steps, outcomes, folder_of(row_name))
