"""`run`: collect what has ended, then submit what is new; neither half stops the other."""

from tests.nights import BAD, HOUR, WORSE, Night


def test_run_is_collect_and_submit(night: Night) -> None:
    night.commit({"a.js": BAD})
    first = night.run()
    assert first.exit == 0
    assert (len(night.batches), night.issues) == (1, [])
    night.commit({"b.js": WORSE})
    second = night.run()
    assert second.exit == 0
    assert "a.js" in night.issue.body
    assert night.asked() == ["b.js"]
    third = night.run()
    assert third.outputs["findings-count"] == "4"
    assert third.outputs["issue-action"] == "updated"
    # That there was nothing more to send does not hide what was collected.
    assert third.outputs["status"] == "collected"
    assert third.ids == [night.batches[1].id]
    writes = night.writes
    night.run()
    assert night.writes == writes
    assert len(night.bill) == len(set(night.bill)) == 2


def test_a_failing_collect_does_not_stop_the_submit(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run()
    night.commit({"b.js": WORSE})
    night.sandbox.faults.add("status", service="github", method="POST", path="/issues$")
    result = night.run()
    assert result.exit == 5
    assert night.asked() == ["b.js"]
    assert len(result.said("error")) == 1
    # The answers were not delivered, so they are not collected.
    assert night.run().outputs["findings-count"] == "4"


def test_a_failing_submit_does_not_stop_the_collect(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run()
    night.commit({"b.js": WORSE})
    result = night.run(model="claude-nonesuch-9")
    assert result.exit == 2
    assert "a.js" in night.issue.body
    night.run()
    assert night.asked() == ["b.js"]


def test_both_fail_and_the_first_decides(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run()
    night.commit({"b.js": WORSE})
    night.hub.has_issues = False
    result = night.run(model="claude-nonesuch-9")
    assert result.exit == 5
    assert len(result.said("error")) == 2
    assert "nonesuch" in result.summary


def test_fail_on_severity_does_not_stop_the_submit(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run()
    night.commit({"b.js": WORSE})
    assert night.run(fail_on_severity="high").exit == 1
    assert night.asked() == ["b.js"]


def test_a_service_that_is_down_is_told_once_per_half(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run()
    night.sandbox.faults.add("status", service="claude", times=50, status=529)
    down = night.run()
    assert down.exit == 4
    assert "529" in down.summary
    night.sandbox.faults.clear()
    assert night.run().outputs["findings-count"] == "2"


def test_two_nights_of_two_runs(night: Night) -> None:
    """02:17 submits, 06:17 collects and submits only what is new."""
    for number in range(3):
        night.commit({f"f{number}.js": f"// {number}\n{BAD}"})
        night.run()
        night.advance(4 * HOUR)
        night.run()
        night.advance(20 * HOUR)
    assert [batch.ended is not None for batch in night.batches] == [True] * 3
    assert night.issue.body.count("<!-- batch-action:finding ") == 6
    assert len(night.issue.comments) == 2
    assert len(night.bill) == len(set(night.bill)) == 3


def test_a_pull_request_run_does_nothing(night: Night) -> None:
    night.commit({"a.js": BAD})
    result = night.start("run", {"event": "pull_request", "branch": "feature"})
    assert result.exit == 0
    assert "pull request" in result.said("notice")[0]
    assert (night.batches, night.artifacts, night.writes) == ([], [], [])


def test_wait_minutes_lets_a_batch_end(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    assert night.run("collect", wait_minutes="1").outputs["status"] == "collected"
