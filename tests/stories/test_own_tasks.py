"""Own tasks: one Markdown file in the repository, and everything else is as for those that ship."""

import json

import pytest

from tests.nights import BAD, WORSE, Night
from tests.pulls import PullStory

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


def test_a_task_from_the_reviewed_commit(night: Night):
    night.commit({PATH: TASK, "src/a.js": WORSE, "b.js": WORSE})
    plan = night.cli("plan", "--task", "no-prints", "--first-run", "all")
    assert plan.exit == 0, plan.log
    told = " ".join(plan.log.split())
    assert f"no-prints is your own task (findings), from {PATH}: Prints that were" in told
    told = json.loads(night.cli("plan", "--task", "no-prints", "--json").stdout)
    assert (told["task"], told["task_from"]) == ("no-prints", PATH)
    night.repo.write({PATH: "dirty"})
    night.run("submit", task="no-prints")
    assert night.asked() == ["src/a.js"]
    params = night.batches[-1].requests[0]["params"]
    assert params["system"][0]["text"].startswith("Find every message that was left behind.")
    severities = params["output_config"]["format"]["schema"]["$defs"]["Severity"]["enum"]
    assert severities == ["low"]
    result = night.run("collect", task="no-prints")
    assert result.exit == 0, result.log
    assert "console" in night.issue.body or "message" in night.issue.body
    assert "batch-action-no-prints-a" in {a.name for a in night.artifacts}
    # A new wording is a new question.
    night.commit({PATH: TASK.replace("every", "each")})
    assert night.run("submit", task="no-prints", select="all").outputs["requests-count"] == "1"


def test_its_settings_yield_to_those_of_the_user(night: Night):
    night.commit({PATH: TASK.replace("paths", "effort: low\npaths"), "src/a.js": BAD, "b.js": BAD})
    night.run("submit", task="no-prints", paths="b.js", effort="high")
    assert night.asked() == ["b.js"]
    config = night.batches[-1].requests[0]["params"]["output_config"]
    assert config["effort"] == "high"


def test_mistakes_stop_the_run_with_all_their_sentences(night: Night):
    night.commit({PATH: TASK.replace("low", "worst").replace("name:", "nam:"), "src/a.js": BAD})
    result = night.run("submit", task="no-prints")
    assert result.exit == 2
    assert "`nam` is no key of a task: did you mean `name`?" in result.log
    assert "`severities` must be a list" in result.log
    result = night.run("submit", task="no-print")
    assert "Tasks: code-review" in result.log
    assert "no-prints (your own)" in result.log
    assert night.batches == []


def test_a_verdict_of_ones_own(night: Night):
    judge = TASK.replace("severities: [low]", "kind: verdict")
    night.commit({PATH: judge, "src/a.js": BAD, "src/b.js": "let x = 1;\n"})
    night.run("submit", task="no-prints", report="summary")
    result = night.run("collect", task="no-prints", report="summary", fail_on_verdict="invalid")
    assert result.exit == 1
    assert "❌ INVALID" in result.summary
    assert "✅ VALID" in result.summary


@pytest.mark.parametrize("way", ["input", "flag"])
def test_a_one_off_prompt(night: Night, way):
    night.commit({"prompts/todo.md": "Find all TODOs.\n", "a.js": WORSE})
    night.repo.write({"prompts/todo.md": "Find all FIXMEs.\n"})
    if way == "input":
        night.run("submit", prompt_file="prompts/todo.md")
    else:
        assert (
            night.cli("submit", "--prompt-file", "prompts/todo.md", "--first-run", "all").exit == 0
        )
    text = night.batches[-1].requests[0]["params"]["system"][0]["text"]
    assert text.startswith("Find all TODOs." if way == "input" else "Find all FIXMEs.")
    assert night.sent[0].startswith("prompt-todo-")


def test_a_prompt_file_that_is_not_there(night: Night):
    night.commit({"a.js": BAD})
    night.repo.write({"new.md": "Find.\n"})
    result = night.run("submit", prompt_file="new.md")
    assert result.exit == 2
    assert "`prompt-file` new.md is not in the reviewed commit." in result.log
    assert "cannot be read" in night.cli("plan", "--prompt-file", "none.md").log


def test_a_pull_request_is_judged_by_the_tasks_it_comes_to(night: Night):
    night.commit({PATH: TASK})
    pull = PullStory.begin(
        night,
        {
            PATH: TASK.replace("Find every", "Praise every"),
            PATH.replace("no-prints", "mine"): TASK.replace("no-prints", "mine"),
            "src/a.js": WORSE,
        },
    )
    assert pull.run("submit", task="no-prints").exit == 0
    text = night.batches[-1].requests[0]["params"]["system"][0]["text"]
    assert text.startswith("Find every")
    result = pull.run("submit", task="mine")
    assert result.exit == 2
    assert "`task` 'mine' does not exist" in result.log
