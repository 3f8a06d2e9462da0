"""A collect starts as many git processes for many results as for few, whatever the task reads."""

import sys
from collections.abc import Callable
from functools import partial

import pytest

from tests.harness.workflow import WorkflowHarness

FEW, MANY = 2, 9
started: list[object] = []


@sys.addaudithook
def record_ours(name: str, args: tuple[object, ...]) -> None:
    """Record each git command of the program's own; other programs run in this process, too."""
    if name == "subprocess.Popen" and "--no-pager" in str(args[1]):
        started.append(args)


PYTHON = "def total_{n}(prices):\n    return sum(prices) + {n}\n"
SCRIPT = "export const value{n} = {n};\n"


def count_processes(action: Callable[[], object]) -> int:
    before = len(started)
    action()
    return len(started) - before


@pytest.mark.parametrize(
    ("task", "files"),
    [
        pytest.param("code-review", {".py": PYTHON}, id="findings"),
        pytest.param("documentation", {".py": PYTHON}, id="drafts of existing files"),
        pytest.param("test-generation", {".py": PYTHON}, id="drafts of tests"),
        pytest.param("license-check", {".ts": SCRIPT, ".ts.license": "x\n"}, id="notices beside"),
    ],
)
def test_a_collect_starts_no_process_for_each_result(
    workflow: WorkflowHarness, task: str, files: dict[str, str]
) -> None:
    workflow.inputs |= {"task": task, "report": "files"}
    counts = []
    # The first collect is like no other: there is nothing to compare with.
    for name, count in (("first", 1), ("few", FEW), ("many", MANY)):
        commit = {
            f"src/{name}_{n}{suffix}": text.format(n=f"1{n}{count}")
            for suffix, text in files.items()
            for n in range(count)
        }
        workflow.commit(commit)
        assert workflow.run("submit").exit == 0
        assert len(workflow.batches[-1].requests) == count * len(files)
        counts.append(count_processes(lambda: workflow.run("collect")))
        assert len(workflow.billed_ids) == len(workflow.sent_ids)
    assert counts[2] == counts[1]


def test_a_recovery_starts_no_process_for_each_request(workflow: WorkflowHarness) -> None:
    workflow.inputs |= {"task": "refactor-validation", "report": "files"}
    counts = []
    workflow.commit({f"a_{n}.py": PYTHON.format(n=n) for n in range(MANY)})
    for count in (1, FEW, MANY):
        workflow.commit({f"a_{n}.py": PYTHON.format(n=100 * count + n) for n in range(count)})
        [batch] = workflow.run("submit").ids
        assert len(workflow.batches[-1].requests) == count
        workflow.github_repository.artifacts.clear()
        counts.append(count_processes(partial(workflow.run, "collect", batch_id=batch)))
    assert counts[2] == counts[1]
