"""Custom tasks and prompt files: read from the repository, otherwise like built-in tasks."""

import pytest

from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, WORSE, WorkflowHarness

PATH = ".github/batch-action/tasks/no-prints.md"
TASK = """\
---
name: no-prints
description: Prints that were left behind
paths: src/
severities: [low]
---
Find every message that was left behind.
"""


def test_a_task_from_the_reviewed_commit(workflow: WorkflowHarness):
    workflow.commit({PATH: TASK, "src/a.js": WORSE, "b.js": WORSE})
    plan = workflow.cli("plan", "--task", "no-prints", "--first-run", "all")
    assert plan.exit == 0, plan.log
    log = " ".join(plan.log.split())
    assert f"no-prints is a custom task (findings), from {PATH}: Prints that were" in log
    plan = workflow.cli("plan", "--task", "no-prints", "--json").tasks[0]
    assert (plan["task"], plan["task_from"]) == ("no-prints", PATH)
    workflow.repo.write({PATH: "dirty"})
    workflow.run("submit", task="no-prints")
    assert workflow.requested_paths() == ["src/a.js"]
    params = workflow.batches[-1].requests[0]["params"]
    assert params["system"][0]["text"].startswith("Find every message that was left behind.")
    severities = params["output_config"]["format"]["schema"]["$defs"]["Severity"]["enum"]
    assert severities == ["low"]
    result = workflow.run("collect", task="no-prints")
    assert result.exit == 0, result.log
    assert "console" in workflow.issue.body or "message" in workflow.issue.body
    assert "batch-action-no-prints-a" in {a.name for a in workflow.artifacts}
    # A changed prompt makes a new request.
    workflow.commit({PATH: TASK.replace("every", "each")})
    assert workflow.run("submit", task="no-prints", select="all").outputs["requests-count"] == "1"


def test_the_settings_of_the_user_take_precedence(workflow: WorkflowHarness):
    workflow.commit(
        {PATH: TASK.replace("paths", "effort: low\npaths"), "src/a.js": BAD, "b.js": BAD}
    )
    workflow.run("submit", task="no-prints", paths="b.js", effort="high")
    assert workflow.requested_paths() == ["b.js"]
    config = workflow.batches[-1].requests[0]["params"]["output_config"]
    assert config["effort"] == "high"


def test_an_invalid_task_fails_the_run_with_all_problems(workflow: WorkflowHarness):
    workflow.commit({PATH: TASK.replace("low", "worst").replace("name:", "nam:"), "src/a.js": BAD})
    result = workflow.run("submit", task="no-prints")
    assert result.exit == 2
    assert "`nam` is not a key of a task: did you mean `name`?" in result.log
    assert "`severities` must be a list" in result.log
    result = workflow.run("submit", task="no-print")
    assert "Tasks: code-review" in result.log
    assert "no-prints (custom)" in result.log
    assert workflow.batches == []


def test_a_custom_verdict(workflow: WorkflowHarness):
    verdict_task = TASK.replace("severities: [low]", "kind: verdict")
    workflow.commit({PATH: verdict_task, "src/a.js": BAD, "src/b.js": "let x = 1;\n"})
    workflow.run("submit", task="no-prints", report="summary")
    result = workflow.run("collect", task="no-prints", report="summary", fail_on_verdict="invalid")
    assert result.exit == 1
    assert "❌ INVALID" in result.summary
    assert "✅ VALID" in result.summary


@pytest.mark.parametrize("source", ["input", "flag"])
def test_a_prompt_file(workflow: WorkflowHarness, source):
    workflow.commit({"prompts/todo.md": "Find all TODOs.\n", "a.js": WORSE})
    workflow.repo.write({"prompts/todo.md": "Find all FIXMEs.\n"})
    if source == "input":
        workflow.run("submit", prompt_file="prompts/todo.md")
    else:
        assert (
            workflow.cli("submit", "--prompt-file", "prompts/todo.md", "--first-run", "all").exit
            == 0
        )
    text = workflow.batches[-1].requests[0]["params"]["system"][0]["text"]
    assert text.startswith("Find all TODOs." if source == "input" else "Find all FIXMEs.")
    assert workflow.sent_ids[0].startswith("prompt-todo-")


def test_a_missing_prompt_file(workflow: WorkflowHarness):
    workflow.commit({"a.js": BAD})
    workflow.repo.write({"new.md": "Find.\n"})
    result = workflow.run("submit", prompt_file="new.md")
    assert result.exit == 2
    assert "`prompt-file` new.md is not in the reviewed commit." in result.log
    assert "cannot be read" in workflow.cli("plan", "--prompt-file", "none.md").log


def test_a_pull_request_is_reviewed_with_the_tasks_of_its_base(workflow: WorkflowHarness):
    workflow.commit({PATH: TASK})
    pull = PullRequestHarness.open(
        workflow,
        {
            PATH: TASK.replace("Find every", "Praise every"),
            PATH.replace("no-prints", "mine"): TASK.replace("no-prints", "mine"),
            "src/a.js": WORSE,
        },
    )
    assert pull.run("submit", task="no-prints").exit == 0
    text = workflow.batches[-1].requests[0]["params"]["system"][0]["text"]
    assert text.startswith("Find every")
    result = pull.run("submit", task="mine")
    assert result.exit == 2
    assert "`task` 'mine' does not exist" in result.log
