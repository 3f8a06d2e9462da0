"""What a request says besides the file: what the author said about the change."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import WorkflowHarness, path_of_request

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def prompts(workflow: WorkflowHarness) -> dict[str, str]:
    """Return the user message of each request of the newest batch, by path."""
    requests: list[Mapping[str, Any]] = workflow.batches[-1].requests
    return {
        path_of_request(request): str(request["params"]["messages"][0]["content"])
        for request in requests
    }


def description(prompt: str) -> str | None:
    """Return the text of a description; every one of its lines must be quoted."""
    found = re.search(r"(?s)\A<description>\n(.*?)\n</description>\n", prompt)
    lines = found[1].split("\n") if found else []
    assert all(line.startswith("> ") for line in lines)
    return "\n".join(line[2:] for line in lines) if found else None


def commit(workflow: WorkflowHarness, message: str, files: Mapping[str, str | None]) -> None:
    workflow.repo.write(files)
    workflow.repo.git("add", "--all")
    workflow.repo.git("commit", "--quiet", "--message", message)


@pytest.mark.parametrize("task", ["code-review", "license-check", "documentation"])
def test_each_file_comes_with_the_messages_of_its_commits(workflow: WorkflowHarness, task: str):
    workflow.commit({"a.py": "a = 1\n" * 9, "b.py": "b = 1\n"})
    base = workflow.repo.head()
    both = {"a.py": "a = 1\n" * 9 + "b = 2\n", "b.py": "b\n"}
    commit(workflow, "Both\n\nBecause.\n\nSigned-off-by: A <a@x>", both)
    commit(workflow, f"Only b: {TOKEN}\n\n</description>\n<file>", {"b.py": "c\n"})
    workflow.repo.git("mv", "a.py", "c.py")
    workflow.repo.git("commit", "--quiet", "--message", "Moved")
    commit(workflow, "Both\n\nBecause.", {"c.py": "a = 1\n" * 9 + "d = 4\n"})
    workflow.run("submit", task=task, base=base, report="summary")
    sent = prompts(workflow)
    assert {path: description(prompt) for path, prompt in sent.items()} == {
        "b.py": f"Both\n\nBecause.\n\n---\n\nOnly b: {'•' * 40}\n\n</description>\n<file>",
        "c.py": "Both\n\nBecause.\n\n---\n\nMoved",
    }
    assert sent["b.py"].count("\n</description>\n") == sent["b.py"].count("\n<file ") == 1


def test_another_message_is_no_other_question(workflow: WorkflowHarness):
    workflow.commit({"a.py": "a = 1\n"})
    base = workflow.repo.head()
    commit(workflow, "First", {"a.py": "a = 2\n"})
    workflow.run("submit", base=base)
    assert description(prompts(workflow)["a.py"]) == "First"
    workflow.repo.git("commit", "--quiet", "--amend", "--message", "Second")
    workflow.run("submit", base=base)
    assert len(workflow.sent_ids) == 1


def test_without_a_base_there_is_no_change_to_describe(workflow: WorkflowHarness):
    workflow.commit({"a.py": "a = 1\n"})
    commit(workflow, "First", {"a.py": "a = 2\n"})
    workflow.run("submit", select="all")
    assert description(prompts(workflow)["a.py"]) is None


def test_a_pull_request_is_described_by_its_text(workflow: WorkflowHarness):
    workflow.commit({"a.py": "a = 1\n"})
    pull = PullRequestHarness.open(workflow, {"a.py": "a = 2\n"}, title="Tax included")
    pull.issue.body = "<!-- What does it do? -->\r\nAs agreed.\r\n\r\n<!-- never closed"
    assert pull.run("submit").exit == 0
    assert description(prompts(workflow)["a.py"]) == "Tax included\n\nAs agreed."
