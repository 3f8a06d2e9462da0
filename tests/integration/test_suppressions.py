"""Suppressions: thresholds, comments in the code, the baseline, and commands in the issue."""

import json

import pytest

from batch_action.publishers import markers
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

IGNORED = WORSE.replace("  return x", "  // batch-action: ignore[style, {}] on purpose\n  return x")
EVAL = "function run(x) {\n  return eval(x);\n}\n"


def submit_and_collect(workflow: WorkflowHarness, **inputs: str):
    """Submit, wait, collect."""
    workflow.run("submit", **inputs)
    workflow.finish()
    result = workflow.run("collect", **inputs)
    assert result.exit == 0, result.log
    return result


def states(workflow: WorkflowHarness) -> dict[str, str]:
    """Rule to state, from the issue's state."""
    return {
        b.tracked.rule: b.tracked.state.value for b in markers.parse_blocks(workflow.issue.body)
    }


def fingerprints(workflow: WorkflowHarness) -> dict[str, str]:
    """Rule to fingerprint."""
    return {
        b.tracked.rule: b.tracked.fingerprint for b in markers.parse_blocks(workflow.issue.body)
    }


def test_findings_below_a_threshold_are_counted(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    result = submit_and_collect(workflow, min_severity="high")
    assert result.outputs["new-findings-count"] == "1"
    assert states(workflow) == {"eval": "new"}
    assert "Suppressed: 3 findings below `min-severity` ([list](" in workflow.issue.body
    assert "3 below `min-severity`" in result.summary
    # A lower threshold sends no file again; a finding is new when it is reported again.
    workflow.commit({"b.js": WORSE + "// the end\n"})
    result = submit_and_collect(workflow)
    assert result.outputs["new-findings-count"] == "2"


def test_only_new_findings_make_a_run_fail(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect", fail_on_severity="high").exit == 1
    workflow.commit({"a.js": BAD + "// the end\n", "b.js": GOOD})
    workflow.run("submit")
    workflow.finish()
    result = workflow.run("collect", fail_on_severity="low")
    assert (result.exit, result.outputs["findings-count"]) == (0, "2")


@pytest.mark.parametrize("how", ["bug", "loose-equality", " Bug "])
def test_a_comment_accepts_a_finding_and_it_is_listed(workflow: WorkflowHarness, how: str) -> None:
    workflow.commit({"a.js": IGNORED.replace("{}", how)})
    result = submit_and_collect(workflow)
    assert states(workflow) == {"console-log": "new", "loose-equality": "ignored"}
    assert result.outputs["new-findings-count"] == "1"
    assert "<summary>Ignored: 1 by a comment in the code</summary>" in workflow.issue.body
    assert "· on purpose" in workflow.issue.body
    workflow.commit({"b.js": EVAL})
    submit_and_collect(workflow)
    assert "· on purpose" in workflow.issue.body
    workflow.commit({"a.js": WORSE})
    assert submit_and_collect(workflow).outputs["new-findings-count"] == "1"
    assert states(workflow)["loose-equality"] == "new"


def test_a_change_cannot_suppress_its_own_vulnerability(workflow: WorkflowHarness) -> None:
    comment = "  // batch-action: ignore[injection] trust me\n"
    workflow.inputs["task"] = "security-scan"
    workflow.commit({"a.js": GOOD.replace("{\n", "{\n" + comment)})
    submit_and_collect(workflow)
    # The comment is older than the change that adds the vulnerability: nobody accepted this code.
    workflow.commit({"a.js": EVAL.replace("{\n", "{\n" + comment), "b.js": EVAL})
    submit_and_collect(workflow)
    found = {
        b.tracked.anchor.path: b.tracked.state.value
        for b in markers.parse_blocks(workflow.issue.body)
    }
    assert found == {"a.js": "new", "b.js": "new"}
    workflow.commit({"b.js": EVAL.replace("{\n", "{\n" + comment)})
    result = submit_and_collect(workflow)
    found = {
        b.tracked.anchor.path: b.tracked.state.value
        for b in markers.parse_blocks(workflow.issue.body)
    }
    assert found == {"a.js": "open", "b.js": "open"}
    assert result.outputs["findings-count"] == "2"


COMMENT = "  // batch-action: ignore[injection] reviewed by hand\n"
ACCEPTED = EVAL.replace("{\n", "{\n" + COMMENT)


@pytest.mark.parametrize(
    ("before", "after", "inputs", "expected"),
    [
        ({"a.js": ACCEPTED}, {"a.js": ACCEPTED + "// end\n"}, {}, "ignored"),
        # White space is no new code, and a rename adds what it adds.
        (
            {"a.js": ACCEPTED},
            {"a.js": ACCEPTED.replace("  return eval(x)", "\t\treturn  eval(x)") + "// end\n"},
            {},
            "ignored",
        ),
        ({"old.js": ACCEPTED}, {"old.js": None, "a.js": ACCEPTED + "// end\n"}, {}, "ignored"),
        (
            {"old.js": ACCEPTED.replace("eval(x)", "x")},
            {"old.js": None, "a.js": ACCEPTED},
            {},
            "new",
        ),
        ({"a.js": ACCEPTED.replace("eval(x)", "x")}, {"a.js": ACCEPTED}, {}, "new"),
        ({"a.js": EVAL}, {"a.js": ACCEPTED}, {}, "new"),
        ({"b.js": GOOD}, {"a.js": ACCEPTED}, {}, "new"),
        # Where no range tells what is new, the comment covers, and is listed.
        ({"b.js": GOOD}, {"a.js": ACCEPTED}, {"first_run": "all"}, "ignored"),
        ({"b.js": GOOD}, {"a.js": ACCEPTED}, {"select": "all"}, "ignored"),
    ],
)
def test_a_comment_covers_a_vulnerability_only_if_both_are_older_than_the_change(
    workflow: WorkflowHarness, before: dict, after: dict, inputs: dict, expected: str
) -> None:
    workflow.inputs |= {"task": "security-scan", "first_run": "last-commit"}
    padding = "".join(f"// line {n}\n" for n in range(20))
    workflow.commit({path: text + padding for path, text in before.items()})
    workflow.commit({path: text and text + padding for path, text in after.items()})
    result = submit_and_collect(workflow, **inputs)
    is_ignored = expected == "ignored"
    assert result.outputs["new-findings-count"] == ("0" if is_ignored else "1")
    listed = "1 security finding ignored by a comment: <code>a.js:3</code>."
    assert (listed in result.summary) == is_ignored


def test_the_baseline_accepts_open_findings_and_no_later_ones(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    submit_and_collect(workflow)
    result = workflow.cli("baseline", environ=workflow.person())
    assert result.exit == 0, result.log
    assert "2 findings accepted" in result.log
    path = workflow.repo.path / ".github" / "batch-action-baseline.json"
    accepted = json.loads(path.read_text("utf-8"))
    assert {one["fingerprint"] for one in accepted["findings"]} == set(
        fingerprints(workflow).values()
    )
    workflow.commit({".github/batch-action-baseline.json": path.read_text("utf-8"), "b.js": EVAL})
    result = submit_and_collect(workflow)
    assert result.outputs["new-findings-count"] == "1"
    found = {
        (b.tracked.anchor.path, b.tracked.state.value)
        for b in markers.parse_blocks(workflow.issue.body)
    }
    assert found == {("a.js", "ignored"), ("b.js", "new")}
    assert "2 findings accepted by the baseline" in workflow.issue.body
    # A fixed finding leaves the baseline when the file is written again.
    workflow.commit({"a.js": GOOD})
    submit_and_collect(workflow)
    assert workflow.cli("baseline", environ=workflow.person()).exit == 0
    left = json.loads(path.read_text("utf-8"))["findings"]
    assert [one["path"] for one in left] == ["b.js"]


def test_an_unreadable_state_does_not_make_an_empty_baseline(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, ".github/batch-action-baseline.json": "{}"})
    for environ in (workflow.person(), {}):
        result = workflow.cli("baseline", environ=environ)
        assert result.exit == 2
    assert "nothing was accepted" in workflow.cli("baseline", environ=workflow.person()).log
    path = workflow.repo.path / ".github" / "batch-action-baseline.json"
    assert path.read_text("utf-8") == "{}"


def test_an_excluded_finding_stays_open_until_its_file_is_reviewed_again(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD, "b.js": GOOD})
    submit_and_collect(workflow)
    config = ".github/batch-action.yml"
    workflow.commit({"a.js": GOOD, "c.js": GOOD + "c();\n", config: "paths-ignore: [a.js]\n"})
    submit_and_collect(workflow)
    assert workflow.requested_paths() == ["c.js"]
    assert set(states(workflow).values()) == {"open"}
    assert workflow.issue.body.count("open (file excluded)") == 2
    # When included again it is reviewed, although it changed while it was excluded.
    workflow.commit({config: "max-findings: 20\n"})
    submit_and_collect(workflow)
    assert workflow.requested_paths() == ["a.js"]
    assert set(states(workflow).values()) == {"fixed"}


def test_other_line_endings_do_not_fix_a_finding(workflow: WorkflowHarness) -> None:
    text = WORSE + "let x;\n" * 30
    workflow.commit({"a.js": text, "b.js": WORSE})
    assert submit_and_collect(workflow).outputs["findings-count"] == "4"
    workflow.commit({"a.js": (text + "let y;\n").replace("\n", "\r\n")})
    workflow.run("submit")
    assert workflow.requested_paths() == ["a.js"]
    # The model reports neither of them, and no other finding.
    workflow.answer(lambda _request: {"findings": []})
    result = workflow.run("collect")
    assert (result.outputs["findings-count"], result.outputs["fixed-findings-count"]) == ("4", "0")
    workflow.commit({"a.js": GOOD.replace("\n", "\r\n")})
    assert submit_and_collect(workflow).outputs["fixed-findings-count"] == "2"


def test_a_recheck_is_requested_once_and_answered_once(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    submit_and_collect(workflow)
    leftover, danger = fingerprints(workflow)["console-log"], fingerprints(workflow)["eval"]
    workflow.comment(f"/batch recheck {leftover[:8]}")
    workflow.comment(f"/batch recheck {danger[:8]}", by="guest", role=None)
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    assert states(workflow) == {"console-log": "being re-checked", "eval": "new"}
    reactions = [[reaction.content for reaction in c.reactions] for c in workflow.issue.comments]
    assert reactions == [["eyes"], ["confused"]]

    workflow.run("submit")
    assert (len(workflow.batches), workflow.requested_paths()) == (2, ["a.js"])
    assert workflow.run("submit").outputs["status"] in ("nothing-to-do", "pending")
    assert len(workflow.batches) == 2
    # This time the model does not report it.
    workflow.answer(lambda _request: {"findings": []})
    result = workflow.run("collect")
    assert states(workflow) == {"console-log": "fixed", "eval": "open"}
    assert result.outputs["fixed-findings-count"] == "1"
    # Nothing has changed since: nothing is sent, no finding comes back, no reaction is added.
    before = len(workflow.issue.comments)
    workflow.commit({"b.js": GOOD})
    submit_and_collect(workflow)
    assert workflow.requested_paths() == ["b.js"]
    assert states(workflow) == {"console-log": "fixed", "eval": "open"}
    assert len(workflow.issue.comments) == before


def test_a_dismissed_finding_stays_dismissed_whatever_happens_to_its_file(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": BAD})
    submit_and_collect(workflow)
    workflow.comment(f"/batch wontfix {fingerprints(workflow)['eval'][:8]} it is a calculator")
    assert workflow.run("collect").exit == 0
    assert states(workflow) == {"console-log": "new", "eval": "dismissed"}
    workflow.commit({"a.js": "// moved down\n" + BAD.replace("eval(x)", "eval(x )")})
    result = submit_and_collect(workflow)
    assert states(workflow) == {"console-log": "open", "eval": "dismissed"}
    assert result.outputs["new-findings-count"] == "0"
