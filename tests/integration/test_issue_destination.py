"""The rolling issue, with real git, the real GitHub client and the sandbox's GitHub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_action.clients.git import GitRepo
from batch_action.errors import GitHubError
from batch_action.models.findings import FindingState, Reconciliation
from batch_action.models.report import FileStatuses, RunReport
from batch_action.publishers import markers
from batch_action.publishers.issue import publisher as issue_publisher
from batch_action.publishers.issue.render import render
from batch_action.publishers.positions import resolve
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import (
    BUG,
    FAR,
    OK,
    TASK,
    DestinationHarness,
    destination_harness,
    states_of,
)
from tests.harness.reports import publisher_options


@pytest.fixture
def harness(running: Sandbox, tmp_path: Path, request) -> Iterator[DestinationHarness]:
    with destination_harness(running, tmp_path, request.node.name) as harness:
        yield harness


def test_lifecycle_of_the_rolling_issue(harness):
    reconciliation, done = harness.collect(harness.review("a.py"))
    assert (done.action, done.new, done.open, states_of(reconciliation)) == (
        "created",
        1,
        1,
        [FindingState.NEW],
    )
    number = done.number
    assert harness.issues.get(number).labels == ("batch-action", "batch-action:code-review")
    assert harness.issues.comments(number) == []

    body = harness.issues.get(number).body
    harness.person.update(number, body=body.replace("**Why.**", "Mine.\r\n\r\n**Why.**"))
    harness.repo.commit({"a.py": "import os\n" + BUG + FAR})
    reconciliation, done = harness.collect(harness.review())
    assert (done.action, done.number, states_of(reconciliation)) == (
        "updated",
        number,
        [FindingState.OPEN],
    )
    assert "Mine.\n\n**Why.**" in harness.issues.get(number).body
    assert harness.issues.comments(number) == []

    harness.repo.commit({"a.py": OK + FAR})
    reconciliation, _ = harness.collect(harness.review())
    assert states_of(reconciliation) == [FindingState.RECHECKING]
    reconciliation, done = harness.collect(harness.review("a.py"))
    assert (done.action, done.fixed, done.open) == ("closed", 1, 0)
    assert harness.issues.get(number).state_reason == "completed"
    assert "**1 fixed**" in harness.issues.comments(number)[0].body

    harness.repo.commit({"a.py": BUG + FAR + BUG.replace("bad", "bad2")})
    reconciliation, done = harness.collect(harness.review("a.py"))
    assert (done.action, done.number, done.open) == ("reopened", number, 2)
    assert sorted(states_of(reconciliation)) == [FindingState.BACK, FindingState.NEW]


def test_no_issue_is_created_when_nothing_is_open(harness):
    harness.repo.commit({"a.py": OK})
    _, done = harness.collect(harness.review("a.py"))
    assert (done.action, done.number, harness.writes()) == ("skipped", None, [])


def test_no_notification_without_changes(harness):
    _, created = harness.collect(harness.review("a.py"))
    issue = harness.sandbox.github.repository(harness.name).issues[created.number]
    patch = {"labels": ["theirs"], "assignees": ["octo"], "title": "Mine"}
    harness.person._client.request("PATCH", f"issues/{created.number}", input=patch)
    patched = (list(issue.labels), [u.login for u in issue.assignees], len(issue.events))
    harness.person._client.request(
        "POST", f"issues/{created.number}/labels", input={"labels": [f"batch-action:{TASK}"]}
    )
    events = len(issue.events)
    harness.repo.commit({"a.py": "import os\n" + BUG + FAR})
    harness.sandbox.faults.calls.clear()
    for paths in ((), ("a.py",)):
        _, done = harness.collect(harness.review(*paths))
        assert done.action == "updated"
    assert set(harness.writes()) == {f"PATCH /{created.number}"}
    assert patched[:2] == (["theirs"], ["octo"])
    assert (issue.labels, issue.title) == (["theirs", f"batch-action:{TASK}"], "Mine")
    assert (len(issue.events), issue.comments, issue.state) == (events, [], "open")
    harness.sandbox.faults.calls.clear()
    harness.collect(harness.review("a.py"), number=harness.runs)
    assert harness.writes() == []


def test_400_findings_are_one_issue_with_comments(harness):
    text = "".join(f"def f{n}():\n    crash({n})\n\n" for n in range(400))
    harness.repo.commit({"a.py": text})
    batch_answers = harness.review("a.py")
    _, done = harness.collect(batch_answers, options=publisher_options(max_findings=30))
    (issue,) = harness.sandbox.github.repository(harness.name).issues.values()
    assert (done.new, dict(done.suppressed)) == (400, {"max-findings": 370})
    assert len(issue.body) < 60_000
    assert issue.body.count("<!-- batch-action:finding") == 30
    assert all(len(c.body) < 31_000 for c in issue.comments)
    assert "The table shows the worst 30 of 400. 370 findings in the comments" in issue.body
    harness.sandbox.faults.calls.clear()
    _, done = harness.collect(batch_answers, number=1, options=publisher_options(max_findings=30))
    assert (done.action, harness.writes()) == ("unchanged", [])


def test_publishing_the_same_run_again_writes_nothing(harness):
    first, _ = harness.collect(harness.review("a.py"), number=1)
    harness.sandbox.faults.calls.clear()
    again, done = harness.collect(harness.review("a.py"), number=1)
    assert (done.action, done.new, harness.writes()) == ("unchanged", 1, [])
    assert states_of(again) == states_of(first) == [FindingState.NEW]


def test_a_run_that_died_after_the_body_is_completed_without_repeats(harness):
    _, created = harness.collect(harness.review("a.py"))
    harness.repo.commit({"a.py": BUG + FAR, "b.py": BUG})
    harness.sandbox.faults.add("drop-before", method="POST", path="comments", times=3)
    with pytest.raises(GitHubError):
        harness.collect(harness.review("b.py"), number=2)
    harness.sandbox.faults.clear()
    for _ in range(2):
        _, done = harness.collect(harness.review("b.py"), number=2)
        assert (done.new, done.number) == (1, created.number)
    (comment,) = harness.issues.comments(created.number)
    assert "**1 new**" in comment.body


def test_muted_when_a_person_closed_it_as_not_planned(harness):
    _, created = harness.collect(harness.review("a.py"))
    harness.person.close(created.number, "not_planned")
    harness.repo.commit({"b.py": BUG})
    _, done = harness.collect(harness.review("b.py"))
    assert done.action == "muted"
    current = harness.issues.get(created.number)
    assert (current.state, harness.issues.comments(created.number)) == ("closed", [])
    assert current.body.count("<!-- batch-action:finding") == 2


def test_reopened_when_closed_as_completed_while_open(harness):
    _, created = harness.collect(harness.review("a.py"))
    harness.person.close(created.number, "completed")
    _, done = harness.collect(harness.review())
    assert done.action == "reopened"


def test_the_oldest_of_two_issues_gets_all_findings(harness):
    _, first = harness.collect(harness.review("a.py"))
    old = harness.issues.get(first.number)
    harness.issues.update(first.number, body=old.body.replace("task=code-review", "task=x"))
    harness.repo.commit({"b.py": BUG})
    _, second = harness.collect(harness.review("b.py"))
    assert second.number != first.number
    harness.issues.update(first.number, body=old.body)
    reconciliation, done = harness.collect(harness.review())
    assert (done.number, states_of(reconciliation)) == (first.number, [FindingState.OPEN] * 2)
    double = harness.issues.get(second.number)
    assert (double.state, double.state_reason) == ("closed", "duplicate")
    reconciliation, done = harness.collect(harness.review())
    assert (done.number, len(reconciliation.statuses)) == (first.number, 2)


def test_issues_and_comments_of_untrusted_authors_are_ignored(harness):
    harness.person.ensure_label("batch-action:code-review", "ededed", "")
    forged = markers.format_head(markers.identity_of(TASK, "7"), "f" * 40, ())
    harness.person.create("forged", forged, ["batch-action:code-review"])
    assert issue_publisher.read_rolling_issue(harness.issues, TASK, "7") is None
    _, created = harness.collect(harness.review("a.py"))
    known = issue_publisher.read_rolling_issue(harness.issues, TASK, "7").state.tracked[0]
    block = markers.wrap_block(replace(known, fingerprint="f" * 16), "forged")
    harness.person.comment(created.number, f"{markers.format_continuation(1)}\n{block}")
    assert len(issue_publisher.read_rolling_issue(harness.issues, TASK, "7").state.tracked) == 1


def test_findings_overflow_into_comments_and_return_to_the_body(harness):
    files = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(60)}
    harness.repo.commit(files)
    _, done = harness.collect(harness.review(*files), options=publisher_options(max_findings=5))
    assert (done.action, done.new) == ("created", 60)
    before = harness.issues.comments(done.number)
    assert len(before) > 1
    fixed = {path: text.replace("crash", "check") for path, text in list(files.items())[:50]}
    harness.repo.commit(fixed)
    _, done = harness.collect(harness.review(*fixed), options=publisher_options(max_findings=5))
    assert (done.fixed, done.open) == (50, 10)
    current = issue_publisher.read_rolling_issue(harness.issues, TASK, "7")
    assert len(current.state.tracked) == 60
    assert len(current.overflow) <= len(before)


@pytest.mark.parametrize("call", range(10))
def test_no_finding_is_lost_whichever_call_fails(harness, call):
    files = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(60)}
    harness.repo.commit(files)
    harness.collect(harness.review(*files), options=publisher_options(max_findings=5))
    fixed = {path: text.replace("crash", "check") for path, text in list(files.items())[3:9]}
    harness.repo.commit(fixed)
    batch_answers = harness.review(*fixed)
    harness.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    try:
        harness.collect(batch_answers, number=2, options=publisher_options(max_findings=3))
    except GitHubError:
        harness.sandbox.faults.clear()
        current = issue_publisher.read_rolling_issue(harness.issues, TASK, "7")
        assert len(current.state.tracked) == 60
        harness.collect(batch_answers, number=2, options=publisher_options(max_findings=3))
    current = issue_publisher.read_rolling_issue(harness.issues, TASK, "7")
    assert sum(k.state is FindingState.FIXED for k in current.state.tracked) == 6
    assert len(current.state.tracked) == 60


def test_missing_findings_on_read_back_are_an_error(harness):
    _, created = harness.collect(harness.review("a.py"))
    current = issue_publisher.read_rolling_issue(harness.issues, TASK, "7")
    draft = render(
        RunReport(
            **{
                **dict.fromkeys(("run_url", "spending", "repository")),
                "task": TASK,
                "server_url": "",
                "commit": "c" * 40,
                "batch_ids": (),
                "model": "m",
                "date": "2026-01-01",
                "file_statuses": FileStatuses.of(()),
            }
        ),
        Reconciliation(statuses=(), commit="c" * 40),
        current.state,
        publisher_options(),
    )
    draft = replace(draft, fingerprints=frozenset({"0" * 16}))
    with pytest.raises(GitHubError, match="read back"):
        issue_publisher.verify_written(created.number, draft, harness.issues)


class TestPlacing:
    def test_renames_line_maps_and_blobs(self, harness):
        old = harness.review("a.py")
        harness.collect(old)
        known = issue_publisher.read_rolling_issue(harness.issues, TASK, "7").state.tracked
        harness.repo.git("mv", "a.py", "b.py")
        harness.repo.commit({"b.py": "import os\n" + BUG + FAR})
        placed = resolve(harness.review("b.py"), known, GitRepo(harness.repo.path))
        assert placed.renames == {"a.py": "b.py"}
        assert set(placed.current_blobs) == {"b.py"}
        reconciliation, _ = harness.collect(harness.review())
        (status,) = reconciliation.statuses
        assert (status.tracked.anchor.path, status.tracked.anchor.start_line) == ("b.py", 3)

    def test_an_older_batch_is_resolved_at_the_newer_head(self, harness):
        old = harness.review("a.py")
        head = harness.repo.commit({"a.py": OK + FAR})
        placed = resolve(old, (), GitRepo(harness.repo.path), head=head)
        assert placed.commit == head

    def test_a_commit_that_the_clone_lacks(self, harness):
        batch_answers = replace(harness.review("a.py"), commit="e" * 40)
        placed = resolve(batch_answers, (), GitRepo(harness.repo.path))
        assert placed.current_blobs == {"a.py": batch_answers.reviewed[0].blob}
