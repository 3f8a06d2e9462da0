"""`collect` with `batch-id` and no ledger: recover the batch from its custom ids and git."""

import json

import pytest

from tests.harness.workflow import BAD, RESULTS, WORSE, WorkflowHarness


def delete_artifacts(workflow: WorkflowHarness) -> None:
    """Delete all artifacts, as a clean-up job may."""
    workflow.github_repository.artifacts.clear()


def test_a_batch_without_a_ledger_is_reported_as_usual(workflow):
    workflow.commit({"app.js": BAD, "deep/er/other file.js": WORSE})
    [batch] = workflow.run("submit").ids
    delete_artifacts(workflow)
    workflow.commit({"app.js": "x = 1\n"})
    result = workflow.run("collect", batch_id=batch)
    assert result.exit == 0, result.log
    assert result.outputs["status"] == "collected"
    assert "interactive $" in result.summary
    assert "batch + cache" not in result.summary, "what its requests share is not known"
    body = workflow.issue.body
    assert "app.js" in body
    assert "deep/er/other file.js" in body
    assert len(workflow.batches) == 1
    writes = len(workflow.writes)
    assert workflow.run("collect", batch_id=batch).exit == 0
    assert len(workflow.writes) == writes, "a second collect of the same batch has nothing to say"


def test_model_and_effort_may_differ_from_the_settings(workflow):
    workflow.commit({"app.js": BAD})
    [batch] = workflow.run("submit", model="claude-haiku-5-5", effort="low").ids
    delete_artifacts(workflow)
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert "app.js" in workflow.issue.body


@pytest.mark.parametrize("context", ["file", "excerpt"])
def test_the_context_may_differ_from_the_setting(workflow, context):
    workflow.commit({"app.js": BAD, ".github/batch-action.yml": f"context: {context}\n"})
    [batch] = workflow.run("submit").ids
    delete_artifacts(workflow)
    workflow.commit({".github/batch-action.yml": None})
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert "app.js" in workflow.issue.body


def test_results_that_are_cut_are_not_taken_for_the_whole_batch(workflow):
    workflow.commit({"app.js": BAD, "other.js": WORSE})
    [batch] = workflow.run("submit").ids
    delete_artifacts(workflow)
    line = json.dumps({"custom_id": workflow.sent_ids[0], "result": {"type": "expired"}})
    workflow.sandbox.faults.add("status", path=RESULTS, status=200, body=line)
    cut = workflow.run("collect", batch_id=batch)
    assert cut.exit == 4
    assert "1 of the 2 results" in cut.annotations("error")[0]
    assert workflow.run("collect", batch_id=batch).exit == 0
    assert "other.js" in workflow.issue.body


def test_another_repository_s_batch_is_refused(shared_sandbox, tmp_path):
    other = WorkflowHarness.create(shared_sandbox, tmp_path / "other")
    other.commit({"app.js": BAD})
    [batch] = other.run("submit").ids
    own = WorkflowHarness.create(shared_sandbox, tmp_path / "own")
    own.commit({"app.js": BAD})
    result = own.run("collect", batch_id=batch, anthropic_api_key=other.key)
    assert result.exit == 2
    assert any(
        "none of its 1 requests is one of task" in line for line in result.annotations("error")
    )
    assert own.issues == []


def test_answers_about_missing_blobs_are_dropped_and_counted(workflow):
    workflow.commit({"app.js": BAD, "other.js": WORSE})
    [batch] = workflow.run("submit").ids
    delete_artifacts(workflow)
    first = workflow.repo.git("rev-list", "--max-parents=0", "HEAD")
    workflow.repo.git("reset", "-q", "--hard", first)
    workflow.commit({"app.js": BAD})
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert any("1 answers of batch" in line for line in result.annotations("warning"))
    assert "other.js" not in workflow.issue.body


@pytest.mark.parametrize("name", ["msgbatch_nobody", "no/id", "x" * 200])
def test_an_invalid_id_is_one_clear_error(workflow, name):
    workflow.commit({"app.js": BAD})
    result = workflow.run("collect", batch_id=name)
    assert result.exit == 2
    [error] = result.annotations("error")
    assert "batch-id" in error
    assert "Traceback" not in result.log


def test_a_batch_in_progress_is_reported_and_stays_pending(workflow):
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"app.js": BAD})
    [batch] = workflow.run("submit").ids
    delete_artifacts(workflow)
    result = workflow.run("collect", batch_id=batch)
    assert result.exit == 0, result.log
    assert any("has not ended" in line for line in result.annotations("warning"))
    workflow.finish()
    assert workflow.run("collect", batch_id=batch).outputs["status"] == "collected"
    assert "app.js" in workflow.issue.body


@pytest.mark.parametrize("task", ["refactor-validation", "test-generation"])
def test_context_files_are_recovered(workflow, task):
    workflow.inputs |= {"task": task, "report": "files, summary"}
    for body in ("sum(prices)", "sum([*prices])", "sum(prices, 0)"):
        code = f"def total(prices):\n    return {body}\n"
        workflow.commit({"money.py": code, "tests/test_money.py": "def test_it():\n    assert 1\n"})
    [batch] = workflow.run("submit", first_run="HEAD~2").ids
    delete_artifacts(workflow)
    workflow.commit({"Index.rs": "fn two() {}\n"})
    result = workflow.run("collect", batch_id=batch)
    assert result.outputs["status"] == "collected", result.log
    assert (
        "UNCERTAIN" if task == "refactor-validation" else "tests/test_money.py"
    ) in result.summary.replace("<wbr>", "")
