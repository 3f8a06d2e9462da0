"""`run`: collect, then submit; the failure of one does not stop the other."""

from tests.harness.workflow import BAD, HOUR, WORSE, WorkflowHarness


def test_run_is_collect_and_submit(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    first = workflow.run()
    assert first.exit == 0
    assert (len(workflow.batches), workflow.issues) == (1, [])
    workflow.commit({"b.js": WORSE})
    second = workflow.run()
    assert second.exit == 0
    assert "a.js" in workflow.issue.body
    assert workflow.requested_paths() == ["b.js"]
    third = workflow.run()
    assert third.outputs["findings-count"] == "4"
    assert third.outputs["issue-action"] == "updated"
    # Having nothing more to send does not hide that something was collected.
    assert third.outputs["status"] == "collected"
    assert third.ids == [workflow.batches[1].id]
    writes = workflow.writes
    workflow.run()
    assert workflow.writes == writes
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2


def test_a_failing_collect_does_not_stop_the_submit(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run()
    workflow.commit({"b.js": WORSE})
    workflow.sandbox.faults.add("status", service="github", method="POST", path="/issues$")
    result = workflow.run()
    assert result.exit == 5
    assert workflow.requested_paths() == ["b.js"]
    assert len(result.annotations("error")) == 1
    # The results were not published, so they are not collected.
    assert workflow.run().outputs["findings-count"] == "4"


def test_a_failing_submit_does_not_stop_the_collect(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run()
    workflow.commit({"b.js": WORSE})
    result = workflow.run(model="claude-nonesuch-9")
    assert result.exit == 2
    assert "a.js" in workflow.issue.body
    workflow.run()
    assert workflow.requested_paths() == ["b.js"]


def test_both_fail_and_the_first_failure_is_the_exit_code(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run()
    workflow.commit({"b.js": WORSE})
    workflow.github_repository.has_issues = False
    result = workflow.run(model="claude-nonesuch-9")
    assert result.exit == 5
    assert len(result.annotations("error")) == 2
    assert "nonesuch" in result.summary


def test_fail_on_severity_does_not_stop_the_submit(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run()
    workflow.commit({"b.js": WORSE})
    assert workflow.run(fail_on_severity="high").exit == 1
    assert workflow.requested_paths() == ["b.js"]


def test_an_unavailable_service_is_reported_once_per_command(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run()
    workflow.sandbox.faults.add("status", service="anthropic", times=50, status=529)
    down = workflow.run()
    assert down.exit == 4
    assert "529" in down.summary
    workflow.sandbox.faults.clear()
    assert workflow.run().outputs["findings-count"] == "2"


def test_two_runs_a_day(workflow: WorkflowHarness) -> None:
    """The run at 02:17 submits, the one at 06:17 collects and submits only what is new."""
    for number in range(3):
        workflow.commit({f"f{number}.js": f"// {number}\n{BAD}"})
        workflow.run()
        workflow.advance(4 * HOUR)
        workflow.run()
        workflow.advance(20 * HOUR)
    assert [batch.ended is not None for batch in workflow.batches] == [True] * 3
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 6
    assert len(workflow.issue.comments) == 2
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 3


def test_a_pull_request_run_does_nothing(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.start("run", {"event": "pull_request", "branch": "feature"})
    assert result.exit == 0
    assert "pull request" in result.annotations("notice")[0]
    assert (workflow.batches, workflow.artifacts, workflow.writes) == ([], [], [])


def test_wait_minutes_lets_a_batch_end(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    assert workflow.run("collect", wait_minutes="1").outputs["status"] == "collected"
