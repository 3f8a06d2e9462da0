"""`/batch confirm`: who counts, where it is shown, and what ends it."""

import json

import pytest

from batch_action.models.ledger import Confirmed
from batch_action.publishers import markers
from tests.crashes.cells import stored_ledger
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, WORSE, WorkflowHarness

BY_OCTO = "confirmed by @\N{ZERO WIDTH SPACE}octo"


def reported(workflow: WorkflowHarness, text: str = BAD) -> dict[str, str]:
    """Report the findings of a file; return their fingerprints by rule."""
    workflow.commit({"a.js": text})
    workflow.run("submit")
    assert workflow.run("collect").exit == 0
    return {
        block.tracked.rule: block.tracked.fingerprint
        for issue in workflow.issues
        for block in markers.parse_blocks(issue.body)
    }


def confirmations(workflow: WorkflowHarness) -> list[str]:
    """The confirmed fingerprints in the ledger."""
    facts = stored_ledger(workflow).facts
    return [fact.fingerprint for fact in facts if isinstance(fact, Confirmed)]


def test_a_confirmed_finding_says_by_whom_until_it_is_dismissed(workflow: WorkflowHarness) -> None:
    ids = reported(workflow)
    workflow.comment(f"/batch confirm {ids['eval'][:8]} I have seen it")
    workflow.comment(f"/batch confirm {ids['console-log'][:8]}", by="guest", role="triage")
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    assert workflow.issue.body.count(BY_OCTO) == 1
    (row,) = (line for line in workflow.issue.body.splitlines() if BY_OCTO in line)
    assert "executed as code" in row
    assert row.startswith("| 🟠")
    reactions = [[r.content for r in c.reactions] for c in workflow.issue.comments]
    assert reactions == [["+1"], ["confused"]]
    assert confirmations(workflow) == [ids["eval"]]
    count = len(workflow.writes)
    assert workflow.run("collect").exit == 0
    assert len(workflow.writes) == count

    # It stays confirmed when its file has changed and was reviewed again.
    reported(workflow, f"// moved\n{BAD}")
    assert workflow.issue.body.count(BY_OCTO) == 1
    workflow.comment(f"/batch wontfix {ids['eval'][:8]} on second thoughts")
    workflow.comment(f"/batch confirm {ids['eval'][:8]} no, it is one")
    assert workflow.run("collect").exit == 0
    assert "Dismissed: 1" in workflow.issue.body
    assert BY_OCTO not in workflow.issue.body


def test_a_confirmation_outlives_the_issue_and_counts_in_the_statistics(
    workflow: WorkflowHarness,
) -> None:
    ids = reported(workflow)
    workflow.comment(f"/batch confirm {ids['eval'][:8]}")
    assert workflow.run("collect").exit == 0
    workflow.github_repository.issues.clear()
    reported(workflow, f"// moved\n{BAD}")
    assert BY_OCTO in workflow.issue.body
    printed = workflow.cli("stats", "--json", environ=workflow.person()).stdout
    (counted,) = json.loads(printed)["tasks"]
    assert {name: counted[name] for name in ("found", "open", "confirmed")} == {
        "found": 2,
        "open": 2,
        "confirmed": 1,
    }
    assert [rule["confirmed"] for rule in counted["rules"]] == [0, 1]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/batch confirm 00000000", "No finding here has the id `00000000`."),
        ("/batch confirm", "Which finding? `/batch confirm <id>`: "),
        ("/batch confrim {eval}", "`/batch confirm <id>` or `/batch explain <id>`."),
    ],
)
def test_a_command_that_is_not_clear_is_answered(
    workflow: WorkflowHarness, command: str, answer: str
) -> None:
    ids = reported(workflow)
    workflow.comment(command.format(**ids))
    for _ in range(2):
        assert workflow.run("collect").exit == 0
    (_, reply) = workflow.issue.comments
    assert answer in reply.body
    assert confirmations(workflow) == []


def test_in_an_issue_of_its_own_a_command_needs_no_id(workflow: WorkflowHarness) -> None:
    workflow.inputs["report"] = "issue-per-finding"
    reported(workflow, WORSE.replace("==", "==="))
    workflow.comment("/batch confirm")
    assert workflow.run("collect").exit == 0
    assert BY_OCTO in workflow.issue.body
    assert [r.content for r in workflow.issue.comments[0].reactions] == ["+1"]


def test_a_finding_that_became_hidden_leaves_no_fingerprint(workflow: WorkflowHarness) -> None:
    ids = reported(workflow)
    workflow.github_repository.private = False
    workflow.comment(f"/batch confirm {ids['eval'][:8]}")
    workflow.comment(f"/batch confirm {ids['console-log'][:8]}")
    assert workflow.run("collect").exit == 0
    assert confirmations(workflow) == [ids["console-log"]]
    assert ids["eval"] not in workflow.issue.body


def test_a_confirmation_of_a_pull_request_is_taken_over_by_the_branch(
    workflow: WorkflowHarness,
) -> None:
    workflow.sandbox.github.add_user("guest")
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run()
    pull.run()
    first, second = pull.inline
    pull.comment("/batch confirm", below=first)
    pull.comment("/batch confirm", by="guest", below=second)
    assert pull.collect().exit == 0
    assert pull.summary.count(BY_OCTO) == 1
    lines = [comment.body.partition("\n")[0] for comment in pull.inline]
    assert lines[0] == f"**C{BY_OCTO[1:]}.**"
    assert lines[1].startswith("<!-- batch-action:finding ")
    workflow.inputs["report"] = "issue, pr-review"
    pull.merge()
    assert pull.collect().exit == 0
    issue = workflow.issues[-1]
    assert issue.body.count(BY_OCTO) == 1
    assert len(confirmations(workflow)) == 1
