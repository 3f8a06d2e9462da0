"""The statistics of a repository whose findings people fix, dismiss and accept."""

import json

from tests.harness.pull_requests import raw_finding, set_answers
from tests.harness.workflow import DAY, WorkflowHarness

CODE = "function a(x) {\n  return x == 1;\n}\n\nfunction b(x) {\n  return x == 2;\n}\n"
LINES = {"a.js": "  return x == 1;", "b.js": "  return x == 1;", "c.js": "  return x == 1;"}


def stats(workflow: WorkflowHarness) -> dict:
    result = workflow.cli("stats", "--json", environ=workflow.person())
    assert result.exit == 0, result.log
    return json.loads(result.stdout)["tasks"][0]


def collect(workflow: WorkflowHarness, findings: dict) -> None:
    assert workflow.run("submit").exit == 0
    set_answers(workflow, findings)
    result = workflow.run("collect")
    assert result.exit == 0, result.log


def test_people_fix_dismiss_and_accept_and_the_issue_is_deleted(workflow: WorkflowHarness) -> None:
    workflow.commit(dict.fromkeys([*LINES, "d.js"], CODE))
    found = {
        name: [raw_finding("loose-equality", line, severity="medium")]
        for name, line in LINES.items()
    }
    collect(workflow, found | {"d.js": [raw_finding("sql-injection", "  return x == 2;")]})
    ids = {
        block.partition(" path=")[2].split(" ")[0]: block.partition("id=")[2].split(" ")[0]
        for block in workflow.issue.body.split("<!-- batch-action:finding ")[1:]
    }
    assert sorted(ids) == ["a.js", "b.js", "c.js", "d.js"]
    workflow.comment(f"/batch wontfix {ids['a.js']} mine", by="mallory", role=None)
    workflow.comment(f"/batch wontfix {ids['b.js']} A false positive!")
    workflow.advance(2 * DAY)
    accepted = CODE.replace("== 1;", "== 1; // batch-action: ignore[bug] meant so")
    workflow.commit({"a.js": CODE.replace("x == 1", "x === 1"), "c.js": accepted})
    collect(workflow, {"c.js": [raw_finding("loose-equality", "  return x == 1;")]})
    counted = stats(workflow)
    numbers = {k: counted[k] for k in ("found", "fixed", "dismissed", "accepted", "open", "closed")}
    assert numbers == {
        "found": 4,
        "fixed": 1,
        "dismissed": 1,
        "accepted": 1,
        "open": 1,
        "closed": 0,
    }
    assert counted["dismissal_reasons"] == {"false-positive": 1}
    assert counted["median_days_to_fix"] == 2.0
    assert counted["usd_per_fixed"] == counted["usd"] > 0
    rules = {rule["rule"]: rule["found"] for rule in counted["rules"]}
    assert rules == {"loose-equality": 3, "sql-injection": 1}
    workflow.github_repository.issues.clear()
    assert stats(workflow) == counted
    printed = workflow.cli("stats", environ=workflow.person()).log
    assert "loose-equality" in printed
    assert "1 false-positive" in printed
