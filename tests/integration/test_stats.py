"""The statistics of a repository whose findings people fix, dismiss and accept."""

import json
from datetime import timedelta

from batch_action.clients.github.issues import Issues
from batch_action.publishers import markers
from tests.harness.destinations import connect
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


NUMBERS = range(12)


def lines(name: str, sign: str = "==") -> str:
    return "".join(f"function {name}{n}(x) {{\n  return x {sign} {n};\n}}\n\n" for n in NUMBERS)


def low_findings(sign: str = "==", count: int = len(NUMBERS)) -> list[dict]:
    return [
        raw_finding("Loose equality", f"  return x {sign} {n};", severity="low")
        for n in NUMBERS[:count]
    ]


def go_to_next_month(workflow: WorkflowHarness) -> None:
    now = workflow.now()
    later = (now.replace(day=1) + timedelta(days=32)).replace(day=10)
    workflow.advance((later - now).total_seconds())


def tick(workflow: WorkflowHarness, who: str, label: str) -> None:
    """A person ticks the box with this label in the issue."""
    hub, name = workflow.sandbox.github, workflow.github_repository.full_name
    with connect(workflow.sandbox, name, hub.token_for(who)) as client:
        issues = Issues(client)
        body = issues.get(workflow.issue.number).body
        assert f"- [ ] {label}" in body, body[-3000:]
        body = body.replace(f"- [ ] {label}", f"- [x] {label}")
        issues.update(workflow.issue.number, body=body)


def test_a_rule_that_people_dismiss_can_be_muted_and_reported_again(
    workflow: WorkflowHarness,
) -> None:
    go_to_next_month(workflow)
    workflow.commit({"a.js": lines("a")})
    collect(workflow, {"a.js": low_findings()})
    ids = [block.tracked.fingerprint for block in markers.parse_blocks(workflow.issue.body)]
    assert "fixed, " not in workflow.issue.body, "there is no complete month yet"
    workflow.comment("\n".join(f"/batch wontfix {name} we want it" for name in ids[1:]))
    workflow.commit({"a.js": lines("a").replace("== 0", "=== 0")})
    collect(workflow, {})
    month = f"{workflow.now():%B %Y}: "
    go_to_next_month(workflow)
    workflow.commit({"b.js": lines("b", "!=")})
    collect(workflow, {"b.js": low_findings("!=", 1)})
    assert f"{month}12 new findings, 1 fixed, 11 dismissed; median 0.0 days to the fix; " in (
        workflow.issue.body
    )
    assert " per fixed finding." in workflow.issue.body
    mute = "mute the rule `loose-equality`: 1 of 12 were fixed or confirmed"

    # Only people with write access can mute it.
    workflow.sandbox.github.add_user("guest", **{workflow.github_repository.full_name: "triage"})
    tick(workflow, "guest", mute)
    workflow.run("collect")
    assert "does not count" in workflow.issue.comments[-1].body
    assert "wontfix" not in workflow.issue.comments[-1].body
    tick(workflow, "octo", mute)
    workflow.run("collect")
    again = "report the muted rule `loose-equality` again"
    assert f"- [ ] {again}" in workflow.issue.body
    before = workflow.writes
    workflow.run("collect")
    assert workflow.writes == before

    # What is open stays, what is severe or about security is reported, the rest is counted.
    workflow.commit({"c.js": lines("c", "<=")})
    severe = raw_finding("Loose equality", "  return x <= 10;", severity="high")
    secret = raw_finding("Loose equality", "  return x <= 11;", severity="low", security=True)
    collect(workflow, {"c.js": [*low_findings("<=", 3), severe, secret]})
    places = [
        (b.tracked.anchor.path, b.tracked.state.value)
        for b in markers.parse_blocks(workflow.issue.body)
        if b.tracked.state.value in ("new", "open")
    ]
    assert sorted(places) == [("b.js", "open"), ("c.js", "new"), ("c.js", "new")]
    assert "3 findings of rules that people muted" in workflow.issue.body

    tick(workflow, "octo", again)
    workflow.run("collect")
    assert "loose-equality` again" not in workflow.issue.body
    assert "mute the rule" not in workflow.issue.body, "only later verdicts count"
    workflow.commit({"d.js": lines("d", ">=")})
    collect(workflow, {"d.js": low_findings(">=", 2)})
    assert workflow.issue.body.count("d.js") > 2
    assert stats(workflow)["found"] == 12 + 1 + 2 + 2

    # The line and the boxes can be switched off.
    go_to_next_month(workflow)
    workflow.commit({".github/batch-action.yml": "statistics: off\n", "e.js": "let e;\n"})
    collect(workflow, {})
    assert "per fixed finding" not in workflow.issue.body
