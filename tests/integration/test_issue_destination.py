"""The rolling issue: real git, the real edge, the sandbox's GitHub."""

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
from batch_action.publishers.positions import locate
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import BUG, FAR, OK, TASK, Circle, circle_of, states


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def circle(running: Sandbox, tmp_path: Path, request) -> Iterator[Circle]:
    with circle_of(running, tmp_path, request.node.name) as circle:
        yield circle


def test_a_life_in_one_issue(circle):
    settled, done = circle.workflow(circle.review("a.py"))
    assert (done.action, done.new, done.open, states(settled)) == (
        "created",
        1,
        1,
        [FindingState.NEW],
    )
    number = done.number
    assert circle.edge.get(number).labels == ("batch-action", "batch-action:code-review")
    assert circle.edge.comments(number) == []

    body = circle.edge.get(number).body
    circle.person.update(number, body=body.replace("**Why.**", "Mine.\r\n\r\n**Why.**"))
    circle.repo.commit({"a.py": "import os\n" + BUG + FAR})
    settled, done = circle.workflow(circle.review())
    assert (done.action, done.number, states(settled)) == ("updated", number, [FindingState.OPEN])
    assert "Mine.\n\n**Why.**" in circle.edge.get(number).body
    assert circle.edge.comments(number) == []

    circle.repo.commit({"a.py": OK + FAR})
    settled, _ = circle.workflow(circle.review())
    assert states(settled) == [FindingState.RECHECKING]
    settled, done = circle.workflow(circle.review("a.py"))
    assert (done.action, done.fixed, done.open) == ("closed", 1, 0)
    assert circle.edge.get(number).state_reason == "completed"
    assert "**1 fixed**" in circle.edge.comments(number)[0].body

    circle.repo.commit({"a.py": BUG + FAR + BUG.replace("bad", "bad2")})
    settled, done = circle.workflow(circle.review("a.py"))
    assert (done.action, done.number, done.open) == ("reopened", number, 2)
    assert sorted(states(settled)) == [FindingState.BACK, FindingState.NEW]


def test_nothing_open_and_no_issue_writes_nothing(circle):
    circle.repo.commit({"a.py": OK})
    _, done = circle.workflow(circle.review("a.py"))
    assert (done.action, done.number, circle.writes()) == ("skipped", None, [])


def test_nothing_new_and_nothing_fixed_notifies_nobody(circle):
    _, created = circle.workflow(circle.review("a.py"))
    issue = circle.sandbox.github.repository(circle.name).issues[created.number]
    patch = {"labels": ["theirs"], "assignees": ["octo"], "title": "Mine"}
    circle.person._client.request("PATCH", f"issues/{created.number}", input=patch)
    patched = (list(issue.labels), [u.login for u in issue.assignees], len(issue.events))
    circle.person._client.request(
        "POST", f"issues/{created.number}/labels", input={"labels": [f"batch-action:{TASK}"]}
    )
    events = len(issue.events)
    circle.repo.commit({"a.py": "import os\n" + BUG + FAR})
    circle.sandbox.faults.calls.clear()
    for paths in ((), ("a.py",)):
        _, done = circle.workflow(circle.review(*paths))
        assert done.action == "updated"
    assert set(circle.writes()) == {f"PATCH /{created.number}"}
    assert patched[:2] == (["theirs"], ["octo"])
    assert (issue.labels, issue.title) == (["theirs", f"batch-action:{TASK}"], "Mine")
    assert (len(issue.events), issue.comments, issue.state) == (events, [], "open")
    circle.sandbox.faults.calls.clear()
    circle.workflow(circle.review("a.py"), number=circle.nights)
    assert circle.writes() == []


def test_400_findings_are_one_issue_and_its_comments(circle):
    text = "".join(f"def f{n}():\n    crash({n})\n\n" for n in range(400))
    circle.repo.commit({"a.py": text})
    batch_answers = circle.review("a.py")
    _, done = circle.workflow(batch_answers, max_findings=30)
    (issue,) = circle.sandbox.github.repository(circle.name).issues.values()
    assert (done.new, dict(done.suppressed)) == (400, {"max-findings": 370})
    assert len(issue.body) < 60_000
    assert issue.body.count("<!-- batch-action:finding") == 30
    assert all(len(c.body) < 31_000 for c in issue.comments)
    assert "The table shows the worst 30 of 400. 370 findings told in the comments" in issue.body
    circle.sandbox.faults.calls.clear()
    _, done = circle.workflow(batch_answers, number=1, max_findings=30)
    assert (done.action, circle.writes()) == ("unchanged", [])


def test_the_same_night_twice_writes_nothing_the_second_time(circle):
    first, _ = circle.workflow(circle.review("a.py"), number=1)
    circle.sandbox.faults.calls.clear()
    again, done = circle.workflow(circle.review("a.py"), number=1)
    assert (done.action, done.new, circle.writes()) == ("unchanged", 1, [])
    assert states(again) == states(first) == [FindingState.NEW]


def test_a_night_that_died_after_the_body_is_finished_without_repeats(circle):
    _, created = circle.workflow(circle.review("a.py"))
    circle.repo.commit({"a.py": BUG + FAR, "b.py": BUG})
    circle.sandbox.faults.add("drop-before", method="POST", path="comments", times=3)
    with pytest.raises(GitHubError):
        circle.workflow(circle.review("b.py"), number=2)
    circle.sandbox.faults.clear()
    for _ in range(2):
        _, done = circle.workflow(circle.review("b.py"), number=2)
        assert (done.new, done.number) == (1, created.number)
    (comment,) = circle.edge.comments(created.number)
    assert "**1 new**" in comment.body


def test_muted_when_a_person_closed_it_as_not_planned(circle):
    _, created = circle.workflow(circle.review("a.py"))
    circle.person.close(created.number, "not_planned")
    circle.repo.commit({"b.py": BUG})
    _, done = circle.workflow(circle.review("b.py"))
    assert done.action == "muted"
    held = circle.edge.get(created.number)
    assert (held.state, circle.edge.comments(created.number)) == ("closed", [])
    assert held.body.count("<!-- batch-action:finding") == 2


def test_reopened_when_closed_as_completed_while_open(circle):
    _, created = circle.workflow(circle.review("a.py"))
    circle.person.close(created.number, "completed")
    _, done = circle.workflow(circle.review())
    assert done.action == "reopened"


def test_of_two_issues_the_oldest_wins_and_keeps_all_findings(circle):
    _, first = circle.workflow(circle.review("a.py"))
    old = circle.edge.get(first.number)
    circle.edge.update(first.number, body=old.body.replace("task=code-review", "task=x"))
    circle.repo.commit({"b.py": BUG})
    _, second = circle.workflow(circle.review("b.py"))
    assert second.number != first.number
    circle.edge.update(first.number, body=old.body)
    settled, done = circle.workflow(circle.review())
    assert (done.number, states(settled)) == (first.number, [FindingState.OPEN] * 2)
    double = circle.edge.get(second.number)
    assert (double.state, double.state_reason) == ("closed", "duplicate")
    settled, done = circle.workflow(circle.review())
    assert (done.number, len(settled.statuses)) == (first.number, 2)


def test_strangers_issues_and_comments_are_not_believed(circle):
    circle.person.ensure_label("batch-action:code-review", "ededed", "")
    forged = markers.head(TASK, "7", "f" * 40, ())
    circle.person.create("forged", forged, ["batch-action:code-review"])
    assert issue_publisher.remember(circle.edge, TASK, "7") is None
    _, created = circle.workflow(circle.review("a.py"))
    known = issue_publisher.remember(circle.edge, TASK, "7").session.tracked[0]
    block = markers.wrap(replace(known, fingerprint="f" * 16), "forged")
    circle.person.comment(created.number, f"{markers.more(1)}\n{block}")
    assert len(issue_publisher.remember(circle.edge, TASK, "7").session.tracked) == 1


def test_many_findings_overflow_into_comments_and_come_back(circle):
    files = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(60)}
    circle.repo.commit(files)
    _, done = circle.workflow(circle.review(*files), max_findings=5)
    assert (done.action, done.new) == ("created", 60)
    before = circle.edge.comments(done.number)
    assert len(before) > 1
    fixed = {path: text.replace("crash", "check") for path, text in list(files.items())[:50]}
    circle.repo.commit(fixed)
    _, done = circle.workflow(circle.review(*fixed), max_findings=5)
    assert (done.fixed, done.open) == (50, 10)
    held = issue_publisher.remember(circle.edge, TASK, "7")
    assert len(held.session.tracked) == 60
    assert len(held.overflow) <= len(before)


@pytest.mark.parametrize("call", range(10))
def test_whatever_dies_no_finding_is_lost(circle, call):
    files = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(60)}
    circle.repo.commit(files)
    circle.workflow(circle.review(*files), max_findings=5)
    fixed = {path: text.replace("crash", "check") for path, text in list(files.items())[3:9]}
    circle.repo.commit(fixed)
    batch_answers = circle.review(*fixed)
    circle.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    try:
        circle.workflow(batch_answers, number=2, max_findings=3)
    except GitHubError:
        circle.sandbox.faults.clear()
        held = issue_publisher.remember(circle.edge, TASK, "7")
        assert len(held.session.tracked) == 60
        circle.workflow(batch_answers, number=2, max_findings=3)
    held = issue_publisher.remember(circle.edge, TASK, "7")
    assert sum(k.state is FindingState.FIXED for k in held.session.tracked) == 6
    assert len(held.session.tracked) == 60


def test_written_but_not_there_is_an_error(circle):
    _, created = circle.workflow(circle.review("a.py"))
    held = issue_publisher.remember(circle.edge, TASK, "7")
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
                "file_statuses": FileStatuses(entries=()),
                "discarded": 0,
                "public": False,
                "allow_public_security": False,
                "max_findings": 5,
            }
        ),
        Reconciliation(statuses=(), commit="c" * 40),
        held.session,
    )
    draft = replace(draft, fingerprints=frozenset({"0" * 16}))
    with pytest.raises(GitHubError, match="read back"):
        issue_publisher.read_back(created.number, draft, circle.edge)


class TestPlacing:
    def test_renames_maps_and_blobs(self, circle):
        old = circle.review("a.py")
        circle.workflow(old)
        known = issue_publisher.remember(circle.edge, TASK, "7").session.tracked
        circle.repo.git("mv", "a.py", "b.py")
        circle.repo.commit({"b.py": "import os\n" + BUG + FAR})
        placed = locate(circle.review("b.py"), known, GitRepo(circle.repo.path))
        assert placed.renamed == {"a.py": "b.py"}
        assert set(placed.current) == {"b.py"}
        settled, _ = circle.workflow(circle.review())
        (standing,) = settled.statuses
        assert (standing.tracked.anchor.path, standing.tracked.anchor.start_line) == ("b.py", 3)

    def test_an_older_batch_is_placed_at_the_newer_head(self, circle):
        old = circle.review("a.py")
        head = circle.repo.commit({"a.py": OK + FAR})
        placed = locate(old, (), GitRepo(circle.repo.path), head=head)
        assert placed.commit == head

    def test_a_commit_that_is_not_here(self, circle):
        batch_answers = replace(circle.review("a.py"), commit="e" * 40)
        placed = locate(batch_answers, (), GitRepo(circle.repo.path))
        assert placed.current == {"a.py": batch_answers.reviewed[0].blob}
