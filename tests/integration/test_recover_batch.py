"""`collect` with `batch-id` and no ledger: the batch is found again from its custom ids and git."""

import pytest

from tests.harness.workflow import BAD, WORSE, WorkflowHarness


def forget(workflow: WorkflowHarness) -> None:
    """Somebody's clean-up job deletes all artifacts."""
    workflow.github_repository.artifacts.clear()


def test_a_batch_without_a_ledger_is_reported_as_usual(workflow):
    workflow.commit({"app.js": BAD, "deep/er/other file.js": WORSE})
    [batch] = workflow.run("submit").ids
    forget(workflow)
    workflow.commit({"app.js": "x = 1\n"})
    result = workflow.run("collect", batch_id=batch)
    assert result.exit == 0, result.log
    assert result.outputs["status"] == "collected"
    body = workflow.issue.body
    assert "app.js" in body
    assert "deep/er/other file.js" in body
    assert len(workflow.batches) == 1
    writes = len(workflow.writes)
    assert workflow.run("collect", batch_id=batch).exit == 0
    assert len(workflow.writes) == writes, "a second collect of the same batch has nothing to say"


def test_the_model_and_effort_it_was_asked_with_need_not_be_today_s(workflow):
    workflow.commit({"app.js": BAD})
    [batch] = workflow.run("submit", model="claude-haiku-5-5", effort="low").ids
    forget(workflow)
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert "app.js" in workflow.issue.body


def test_another_repository_s_batch_is_refused(whole_sandbox, tmp_path):
    theirs = WorkflowHarness.create(whole_sandbox, tmp_path / "theirs")
    theirs.commit({"app.js": BAD})
    [batch] = theirs.run("submit").ids
    ours = WorkflowHarness.create(whole_sandbox, tmp_path / "ours")
    ours.commit({"app.js": BAD})
    result = ours.run("collect", batch_id=batch, anthropic_api_key=theirs.key)
    assert result.exit == 2
    assert any("none of its 1 requests is a question" in line for line in result.said("error"))
    assert ours.issues == []


def test_lines_whose_blob_is_not_here_are_dropped_by_number(workflow):
    workflow.commit({"app.js": BAD, "other.js": WORSE})
    [batch] = workflow.run("submit").ids
    forget(workflow)
    first = workflow.repo.git("rev-list", "--max-parents=0", "HEAD")
    workflow.repo.git("reset", "-q", "--hard", first)
    workflow.commit({"app.js": BAD})
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert any("1 answers of batch" in line for line in result.said("warning"))
    assert "other.js" not in workflow.issue.body


@pytest.mark.parametrize("name", ["msgbatch_nobody", "no/id", "x" * 200])
def test_an_id_that_is_none_is_one_clear_sentence(workflow, name):
    workflow.commit({"app.js": BAD})
    result = workflow.run("collect", batch_id=name)
    assert result.exit == 2
    [error] = result.said("error")
    assert "batch-id" in error
    assert "Traceback" not in result.log


def test_a_batch_that_still_runs_is_told_and_waits(workflow):
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"app.js": BAD})
    [batch] = workflow.run("submit").ids
    forget(workflow)
    result = workflow.run("collect", batch_id=batch)
    assert result.exit == 0, result.log
    assert any("has not ended" in line for line in result.said("warning"))
    workflow.finish()
    assert workflow.run("collect", batch_id=batch).outputs["status"] == "collected"
    assert "app.js" in workflow.issue.body


@pytest.mark.parametrize("task", ["refactor-validation", "test-generation"])
def test_what_went_along_with_a_question_is_found_again(workflow, task):
    workflow.inputs |= {"task": task, "report": "files, summary"}
    for body in ("sum(prices)", "sum([*prices])", "sum(prices, 0)"):
        code = f"def total(prices):\n    return {body}\n"
        workflow.commit({"money.py": code, "tests/test_money.py": "def test_it():\n    assert 1\n"})
    [batch] = workflow.run("submit", first_run="HEAD~2").ids
    forget(workflow)
    workflow.commit({"README": "two\n"})
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert (
        "UNCERTAIN" if task == "refactor-validation" else "tests/test_money.py"
    ) in result.summary
