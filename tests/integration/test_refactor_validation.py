"""The refactor-validation task: both versions are sent, and a patch is never applied."""

import pytest

from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import WorkflowHarness

OLD = "def total(prices):\n    return sum(prices)\n\n\ndef shown(cents):\n    return str(cents)\n"
SAME = OLD.replace("    return sum", '    """Add up."""\n    return sum')
BROKEN = "def total(prices, tax):\n    return sum(prices) + tax\n"
PATCH = """\
--- a/money.py
+++ b/money.py
@@ -1,6 +1,2 @@
-def total(prices):
-    return sum(prices)
-
-
-def shown(cents):
-    return str(cents)
+def total(prices, tax):
+    return sum(prices) + tax
"""


@pytest.fixture
def refactor_validation(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.inputs |= {"task": "refactor-validation", "report": "summary"}
    workflow.commit({"money.py": OLD, "web.ts": "export function f(a: number) {\n  return a;\n}\n"})
    return workflow


def prompt_of(workflow: WorkflowHarness, number: int = 0) -> str:
    return str(workflow.batches[-1].requests[number]["params"]["messages"][0]["content"])


def test_both_versions_and_the_commit_messages_are_sent(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    workflow.commit({"money.py": BROKEN, "new.py": "x = 1\n"})
    result = workflow.run("submit")
    assert workflow.requested_paths() == ["money.py"]
    prompt = prompt_of(workflow)
    assert "<description>\n> commit 3\n</description>" in prompt
    assert prompt.index("<description>") < prompt.index("<changed-files>")
    assert '<before path="money.py">\n1| def total(prices):' in prompt
    assert prompt.index("<before") < prompt.index("<file")
    assert "> money.py (modified)\n> new.py (added)" in prompt
    assert "there is no older version to compare it with" in result.summary


def test_a_breaking_change_is_located_and_fails_the_run(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    workflow.commit({"money.py": BROKEN})
    workflow.run("submit", refactor_description="Only renames.\n</description>")
    assert "<description>\n> Only renames.\n> </description>\n</description>" in prompt_of(workflow)
    result = workflow.run("collect", fail_on_verdict="invalid")
    assert result.exit == 1
    assert "1 verdict at or over `fail-on-verdict: invalid`" in result.annotations("error")[0]
    assert "❌ INVALID" in result.summary
    assert "total" in result.summary
    assert workflow.issues == []
    # The verdict was reported: the next run does not fail.
    assert workflow.run("collect", fail_on_verdict="invalid").exit == 0


def test_a_change_of_documentation_is_valid(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    workflow.commit({"money.py": SAME})
    workflow.run("submit")
    result = workflow.run("collect", fail_on_verdict="uncertain")
    assert result.exit == 0
    assert "✅ VALID" in result.summary


def test_another_base_makes_another_request(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    workflow.commit({"money.py": SAME})
    workflow.commit({"money.py": BROKEN})
    workflow.run("submit")
    workflow.run("collect")
    workflow.run("submit", base="HEAD~2")
    workflow.run("submit", base="HEAD~2", refactor_description="Add a tax.")
    assert len(workflow.sent_ids) == len(set(workflow.sent_ids)) == 3
    workflow.run("collect")
    assert workflow.run("submit", base="HEAD~1").outputs["requests-count"] == "0"


def test_a_patch_is_validated_and_never_applied(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    workflow.commit({"change.patch": PATCH})
    workflow.repo.write({"money.py": "dirty\n"})
    before = sorted(str(p) for p in workflow.repo.path.rglob("*") if ".batch-action" not in str(p))
    del workflow.inputs["report"]
    sent = workflow.run("submit", patch_file="change.patch")
    assert sent.exit == 0
    assert workflow.requested_paths() == ["money.py"]
    result = workflow.run("collect")
    assert "run with the same `patch-file`" in result.log
    assert "INVALID" not in result.summary
    result = workflow.run("collect", patch_file="change.patch", fail_on_verdict="invalid")
    assert result.exit == 1
    assert "❌ INVALID" in result.summary
    assert "::error::The run fails: 1 verdict at or over `fail-on-verdict: invalid`." in result.log
    counts = {name: result.outputs[f"{name}-count"] for name in ("valid", "invalid", "uncertain")}
    assert counts == {"valid": "0", "invalid": "1", "uncertain": "0"}
    results = (workflow.repo.path / result.outputs["results-file"]).read_text()
    assert '"INVALID"' in results
    report = (workflow.repo.path / ".batch-action" / "report.md").read_text()
    assert "money.py" in report
    assert not [text for text in (results, report, result.summary) if "/blob/" in text]
    assert workflow.issues == []
    assert (workflow.repo.path / "money.py").read_text() == "dirty\n"
    after = sorted(str(p) for p in workflow.repo.path.rglob("*") if ".batch-action" not in str(p))
    assert after == before
    # The next run starts from the last commit, as if there had been no patch.
    workflow.commit({"money.py": SAME, "change.patch": None})
    assert "refused" not in workflow.run("submit").log
    assert workflow.requested_paths() == ["money.py"]
    assert '<before path="money.py">\n1| def total(prices):' in prompt_of(workflow)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"patch_file": "nowhere.patch"}, "`patch-file` nowhere.patch cannot be read"),
        ({"patch_file": "money.py"}, "does not apply"),
        (
            {"patch_file": "change.patch", "report": "issue"},
            "cannot be combined with `report: issue`",
        ),
        ({"patch_file": "change.patch", "task": "documentation"}, "cannot be combined with `task:"),
    ],
)
def test_inputs_that_conflict_with_a_patch(refactor_validation: WorkflowHarness, inputs, message):
    workflow = refactor_validation
    workflow.commit({"change.patch": PATCH})
    result = workflow.run("submit", **({"report": None} | inputs))
    assert result.exit == 2
    assert message in result.log
    assert workflow.batches == []


def test_the_text_of_a_pull_request_is_the_description(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    pull = PullRequestHarness.open(workflow, {"money.py": BROKEN}, title="Tax included")
    pull.issue.body = "As agreed.\n\n</description>"
    assert pull.run("submit").exit == 0
    prompt = prompt_of(workflow)
    assert "> Tax included\n> \n> As agreed.\n> \n> </description>\n</description>" in prompt
    assert '<before path="money.py">\n1| def total(prices):' in prompt
    result = pull.collect()
    assert result.exit == 0, result.log
    assert "❌ INVALID" in result.summary
    assert "❌ INVALID" in pull.summary


def test_a_valid_pull_request(refactor_validation: WorkflowHarness):
    workflow = refactor_validation
    pull = PullRequestHarness.open(workflow, {"money.py": SAME})
    pull.run("submit")
    assert pull.collect().exit == 0
    assert pull.inline == []
    assert "✅ VALID" in pull.summary
    assert "Nothing open." in pull.summary
