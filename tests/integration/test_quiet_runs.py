"""Runs in which no batch ends: what is known is placed in the newest content."""

import pytest

from batch_action.publishers import markers
from tests.harness.workflow import GOOD, WORSE, WorkflowHarness


def known(workflow: WorkflowHarness) -> dict[str, str]:
    """The state of each finding of the issue, by its path."""
    blocks = markers.parse_blocks(workflow.issue.body)
    return {b.tracked.anchor.path: b.tracked.state.value for b in blocks}


def reported(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run()
    workflow.run()
    assert known(workflow) == {"a.js": "new"}


@pytest.mark.parametrize(
    ("files", "after", "note"),
    [
        ({"a.js": None}, {"a.js": "fixed"}, "file deleted in"),
        ({"a.js": ""}, {"a.js": "fixed"}, "file emptied in"),
        ({"a.js": "\ufeff \r\n\n"}, {"a.js": "fixed"}, "file emptied in"),
        ({"a.js": None, "lib/b.js": WORSE}, {"lib/b.js": "open"}, ""),
    ],
)
@pytest.mark.parametrize("mode", ["run", "collect"])
def test_what_is_gone_or_moved_is_known_at_once(
    workflow: WorkflowHarness, files, after, note, mode
):
    reported(workflow)
    requests = len(workflow.batches)
    workflow.commit(files)
    assert workflow.run(mode).exit == 0
    assert known(workflow) == after
    texts = workflow.issue.body + "".join(comment.body for comment in workflow.issue.comments)
    assert note in texts
    assert workflow.issue.state == ("closed" if note else "open")
    assert len(workflow.batches) == requests, "nothing was asked"
    writes = workflow.writes
    workflow.run()
    workflow.run()
    assert (workflow.writes, known(workflow)) == (writes, after), "and written once"


def test_a_reverted_fix_is_back_without_a_request(workflow: WorkflowHarness) -> None:
    reported(workflow)
    workflow.commit({"a.js": GOOD})
    workflow.run()
    workflow.run()
    assert (known(workflow), workflow.issue.state) == ({"a.js": "fixed"}, "closed")
    requests = len(workflow.batches)
    workflow.commit({"a.js": WORSE})
    result = workflow.run()
    assert (known(workflow), workflow.issue.state) == ({"a.js": "back"}, "open")
    assert result.outputs["issue-action"] == "reopened"
    assert len(workflow.batches) == requests


def test_a_run_of_another_branch_places_nothing(workflow: WorkflowHarness) -> None:
    reported(workflow)
    body = workflow.issue.body
    workflow.commit({"a.js": None})
    workflow.start("collect", {"branch": "feature", "event": "workflow_dispatch"})
    assert workflow.issue.body == body


def test_a_quiet_run_after_another_commit_writes_nothing(workflow: WorkflowHarness) -> None:
    reported(workflow)
    workflow.commit({"README.md": "Hello.\n"})
    workflow.run()
    writes = workflow.writes
    workflow.commit({"docs/b.md": "Hello.\n"})
    workflow.run("collect")
    assert workflow.writes == writes


# The number of the rolling issue, in the ledger.


def add_finding(workflow: WorkflowHarness) -> str:
    """Report another finding in two runs; return their logs."""
    workflow.commit({"b.js": WORSE.replace("run", "walk")})
    results = [workflow.run(), workflow.run()]
    assert [r.exit for r in results] == [0, 0], results[0].log + results[1].log
    return results[0].log + results[1].log


def test_a_lost_label_changes_nothing(workflow: WorkflowHarness) -> None:
    reported(workflow)
    workflow.issue.labels.clear()
    add_finding(workflow)
    assert known(workflow).keys() == {"a.js", "b.js"}
    assert len(workflow.issues) == 1


def test_another_token_changes_nothing(workflow: WorkflowHarness) -> None:
    reported(workflow)
    former = workflow.sandbox.github.add_user(
        "former-app", **{workflow.github_repository.full_name: "write"}
    )
    workflow.issue.user, workflow.issue.by_app = former, False
    log = add_finding(workflow)
    assert known(workflow).keys() == {"a.js", "b.js"}
    assert len(workflow.issues) == 1
    assert "trusted-authors" not in log


def test_a_deleted_issue_is_opened_anew(workflow: WorkflowHarness) -> None:
    reported(workflow)
    workflow.github_repository.issues.clear()
    add_finding(workflow)
    assert set(known(workflow)) == {"b.js"}
    # The ledger names the new one now.
    workflow.issue.labels.clear()
    workflow.commit({"c.js": WORSE.replace("run", "sit")})
    workflow.run()
    workflow.run()
    assert len(workflow.issues) == 1
    assert known(workflow).keys() == {"b.js", "c.js"}


def test_an_edited_issue_of_that_number_is_not_taken_for_ours(workflow: WorkflowHarness) -> None:
    reported(workflow)
    workflow.issue.labels.clear()
    workflow.issue.body = "Something else by now."
    add_finding(workflow)
    assert [issue.body == "Something else by now." for issue in workflow.issues] == [True, False]


def test_a_foreign_issue_with_our_marker_is_named_and_not_adopted(
    workflow: WorkflowHarness,
) -> None:
    reported(workflow)
    foreign = workflow.issue
    foreign.user = workflow.sandbox.github.add_user(
        "mallory", **{workflow.github_repository.full_name: "triage"}
    )
    foreign.by_app = False
    foreign_body = foreign.body
    # A ledger that does not name it: that of another repository's id would be refused.
    workflow.github_repository.artifacts.clear()
    log = add_finding(workflow)
    assert "trusted-authors: mallory" in log
    assert f"#{foreign.number}" in log
    assert foreign.body == foreign_body
    assert len(workflow.issues) == 2


@pytest.mark.parametrize("nth", range(1, 4))
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_death_while_a_quiet_run_writes_is_repaired(
    workflow: WorkflowHarness, method: str, nth: int
) -> None:
    reported(workflow)
    workflow.commit({"a.js": None})
    path = "/issues/[0-9]+(/comments)?$"
    workflow.sandbox.faults.add("status", "github", method, path, nth=nth, times=9, status=500)
    workflow.run("collect")
    workflow.sandbox.faults.clear()
    assert workflow.run("collect").exit == 0
    assert (known(workflow), workflow.issue.state) == ({"a.js": "fixed"}, "closed")
    assert len([c for c in workflow.issue.comments if "fixed" in c.body]) == 1
