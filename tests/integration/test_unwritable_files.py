"""Files and streams that the machine does not let us write: one sentence, never a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.documents.texts import ROOT
from tests.harness.workflow import BAD, Result, WorkflowHarness


def one_sentence(result: Result) -> str:
    assert result.exit == 2, result.log
    assert "Traceback" not in result.log
    assert "report" not in result.stderr.lower() or "Please report" not in result.stderr
    return " ".join(result.stderr.split())


def _no_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file where a folder should be")


def _links_in_a_circle(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)


SPOIL: Sequence[Callable[[Path], None]] = (_no_folder, _links_in_a_circle)


@pytest.mark.parametrize("spoil", SPOIL)
@pytest.mark.parametrize("command", ["init", "baseline", "state-dir", "demo"])
def test_a_place_that_cannot_be_written(
    workflow: WorkflowHarness, command: str, spoil: Callable[[Path], None]
) -> None:
    workflow.commit({"a.js": BAD})
    root = workflow.repo.path
    place = root / {"init": ".github", "baseline": "base"}.get(command, "place")
    if command == "baseline":
        workflow.run("submit")
        workflow.run("collect")
    spoil(place)
    given = {
        "init": ["init", "--repo", str(root)],
        "baseline": ["baseline", "--baseline-file", "base/line.yml"],
        "state-dir": ["submit", "--state-dir", str(place), "--first-run", "last-commit"],
        "demo": ["demo", "--out", str(place / "out")],
    }[command]
    environ = {
        "GITHUB_TOKEN": workflow.github_repository and token_of(workflow),
        "GITHUB_REPOSITORY": workflow.github_repository.full_name,
        "GITHUB_API_URL": f"{workflow.sandbox.github_url}/api/v3",
    }
    billed = len(workflow.billed_ids)
    error = one_sentence(workflow.cli(*given, environ=environ if command == "baseline" else {}))
    assert place.name in error
    assert len(workflow.billed_ids) == billed


def token_of(workflow: WorkflowHarness) -> str:
    """Return a token that can read the issue."""
    return workflow.open({}).token


@pytest.mark.parametrize("name", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
@pytest.mark.parametrize("target", ["a-folder", "missing/file", "/dev/full"])
@pytest.mark.parametrize("mode", ["plan", "run"])
def test_a_file_of_the_runner(workflow: WorkflowHarness, name: str, target: str, mode: str) -> None:
    """The work is done and saved before: a second run does not pay again."""
    (workflow.folder / "a-folder").mkdir()
    workflow.commit({"a.js": BAD})
    environ = {name: str(workflow.folder / target)}
    run = workflow.open({})
    step = workflow.step(run, mode) | environ
    # What the harness reads afterwards is what cannot be read here.
    result = subprocess.run(
        [sys.executable, "-m", "batch_action", "action"],
        env={**step, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    workflow.sandbox.github.finish_run(run, "failure")
    log = result.stdout + result.stderr
    assert result.returncode == 2, log
    assert "Traceback" not in log
    assert "cannot be written" in log
    if mode == "run":
        assert workflow.run("run").exit == 0
        assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 1


@pytest.mark.parametrize(
    "arguments", [["--help"], ["plan", "--help"], ["plan", "--json"], ["plan"]]
)
@pytest.mark.parametrize(("closed", "code"), [(True, 141), (False, 2)], ids=["closed", "full"])
def test_standard_output(
    workflow: WorkflowHarness, arguments: list[str], *, closed: bool, code: int
) -> None:
    if closed:
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open("/dev/full", os.O_WRONLY)
    result = subprocess.run(
        [sys.executable, "-m", "batch_action", *arguments],
        cwd=workflow.repo.path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(workflow.folder)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    # `plan` prints its tables where logs go.
    assert result.returncode in ({code, 0} if arguments == ["plan"] else {code}), result.stderr
    if not closed and result.returncode:
        assert "Standard output cannot be written" in result.stderr
