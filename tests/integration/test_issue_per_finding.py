"""One issue for each finding, with real git, the real client and the sandbox's GitHub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_action.clients.github.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.findings import FindingState, Reconciliation
from batch_action.publishers import user_commands
from batch_action.publishers.issue_per_finding import render
from batch_action.sandbox.github.records import Issue
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import (
    BUG,
    FAR,
    OK,
    TASK,
    DestinationHarness,
    connect,
    destination_harness,
    per_finding,
    states_of,
)
from tests.harness.reports import publisher_options
from tests.harness.workflow import GOOD, WORSE, WorkflowHarness

MANY = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(7)}


@pytest.fixture
def harness(running: Sandbox, tmp_path: Path, request) -> Iterator[DestinationHarness]:
    with destination_harness(running, tmp_path, request.node.name, per_finding) as harness:
        yield harness


def issues(harness: DestinationHarness) -> list[Issue]:
    return list(harness.sandbox.github.repository(harness.name).issues.values())


def look(harness: DestinationHarness) -> list[tuple[str, str | None]]:
    return [(issue.state, issue.state_reason) for issue in issues(harness)]


def own_comments(harness: DestinationHarness, number: int) -> list[str]:
    return [c.body for c in harness.issues.comments(number)]


def quietly(harness: DestinationHarness, batch_answers, **how) -> None:
    """Publish the same run again: nothing is written."""
    harness.sandbox.faults.calls.clear()
    _, done = harness.collect(batch_answers, number=harness.runs, **how)
    assert (done.action, harness.writes()) == ("unchanged", [])


def test_lifecycle_of_an_issue_per_finding(harness):
    batch_answers = harness.review("a.py")
    reconciliation, done = harness.collect(
        batch_answers, options=publisher_options(labels=("mine",))
    )
    assert (done.action, done.new, done.open, done.number) == ("created", 1, 1, 1)
    assert states_of(reconciliation) == [FindingState.NEW]
    (issue,) = issues(harness)
    assert issue.title == "It crashes (a.py)"
    assert issue.labels == ["batch-action", f"batch-action:finding:{TASK}", "mine"]
    assert "**🟠 high** · 🆕 new · [<code>a.py:2</code>]" in issue.body
    assert "<details open><summary>" in issue.body
    quietly(harness, batch_answers)

    harness.repo.commit({"a.py": "import os\n" + BUG + FAR})
    body = issue.body.replace("<sub>", "Ours to fix.\r\n\r\n<sub>").replace("why", "wHy", 1)
    harness.person.update(1, body=f"Top.\r\n{body}")
    harness.collect(harness.review())
    assert issue.body.startswith("Top.\n<!-- batch-action v1 ")
    assert "open · [<code>a.py:3</code>]" in issue.body
    assert "Ours to fix.\n\n<sub>" in issue.body
    assert "wHy" in issue.body
    quietly(harness, harness.review())
    assert issue.comments == []

    fix = harness.repo.commit({"a.py": OK + FAR})
    batch_answers = harness.review("a.py")
    _, done = harness.collect(batch_answers)
    assert (done.action, done.fixed, done.open) == ("closed", 1, 0)
    assert look(harness) == [("closed", "completed")]
    (comment,) = own_comments(harness, 1)
    assert (
        f"✅ Fixed in [`{fix[:7]}`](https://github.example/{harness.name}/commit/{fix})" in comment
    )
    assert f"fixed (in {fix[:7]})" in issue.body
    quietly(harness, batch_answers)

    harness.repo.commit({"a.py": BUG + FAR})
    batch_answers = harness.review("a.py")
    reconciliation, done = harness.collect(batch_answers)
    assert (done.action, states_of(reconciliation)) == ("reopened", [FindingState.BACK])
    assert look(harness) == [("open", "reopened")]
    assert "↩️ Reported again: [<code>a.py:2</code>]" in own_comments(harness, 1)[1]
    quietly(harness, batch_answers)
    assert len(issues(harness)) == 1


def test_findings_over_the_limit_of_a_run_are_queued(harness):
    harness.repo.commit(MANY)
    batch_answers = harness.review("a.py", *MANY)
    _, done = harness.collect(batch_answers, options=publisher_options(max_issues=3))
    assert (done.new, len(issues(harness)), dict(done.suppressed)) == (8, 3, {"max-issues": 5})
    assert done.note == "3 issues opened, 5 findings waiting, listed in #1"
    (page,) = own_comments(harness, 1)
    assert "**5 more findings wait**" in page
    quietly(harness, batch_answers, options=publisher_options(max_issues=3))
    assert harness.previous_state.batches == ("msgbatch_1",)

    assert harness.previous_state.has_pending_work
    reconciliation, done = harness.collect(
        harness.review(), options=publisher_options(max_issues=3)
    )
    assert (len(issues(harness)), dict(done.suppressed)) == (6, {"max-issues": 2})
    assert set(states_of(reconciliation)) == {FindingState.OPEN}
    assert "why why" in issues(harness)[5].body
    harness.collect_nothing(options=publisher_options(max_issues=3))
    assert len(issues(harness)) == 8
    assert own_comments(harness, 1) == []
    titles = [issue.title for issue in issues(harness)]
    assert len(set(titles)) == 8
    harness.collect_nothing(options=publisher_options(max_issues=3))
    assert len(issues(harness)) == 8
    assert not harness.previous_state.has_pending_work


def test_queued_findings_are_fixed_dismissed_and_removed(harness):
    harness.repo.commit(MANY)
    harness.collect(harness.review("a.py", *MANY), options=publisher_options(max_issues=1))
    first, second, third, *_ = (known for known in circle_waiting(harness))
    harness.person.comment(1, f"/batch wontfix {second.fingerprint[:8]} as designed")
    page = next(
        c for c in harness.person.comments(1) if render.is_queue_page(replace(c, trusted=True))
    )
    line = next(x for x in page.body.splitlines() if f"box id={third.fingerprint}" in x)
    harness.person.edit_comment(
        page.id, page.body.replace(line, line.replace("[ ]", "[x]")).replace("**Why.**", "Mine.", 1)
    )
    path = first.anchor.path
    harness.repo.commit({path: MANY[path].replace("crash", "check")})
    _, done = harness.collect(harness.review(path), options=publisher_options(max_issues=0))
    assert (done.fixed, {d.actor for d in harness.previous_state.dismissals}) == (1, {"octo"})
    left = {known.fingerprint for known in circle_waiting(harness)}
    assert len(left) == 4
    assert left.isdisjoint(known.fingerprint for known in (first, second, third))
    harness.collect(harness.review(*MANY), options=publisher_options(max_issues=9))
    assert len(issues(harness)) == 5


def circle_waiting(harness: DestinationHarness):
    return [known for known, _ in render.parse_queue(harness.issues.comments(1)).values()]


@pytest.mark.parametrize("how", ["closed", "label", "command", "command without an id"])
def test_permanent_dismissal(harness, how):
    harness.collect(harness.review("a.py"))
    match how:
        case "closed":
            harness.person.close(1, "not_planned")
        case "label":
            issue = issues(harness)[0]
            hub = harness.sandbox.github.repository(harness.name)
            label(harness, issue.number, "WontFix")
            assert "wontfix" in hub.labels
        case "command":
            harness.person.comment(1, f"/batch wontfix {known(harness).fingerprint[:8]} by design")
        case _:
            harness.person.comment(1, "/batch wontfix facade by design")
    reconciliation, _ = harness.collect_nothing()
    (dismissal,) = harness.previous_state.dismissals
    assert (dismissal.actor, states_of(reconciliation)) == ("octo", [FindingState.DISMISSED])
    assert look(harness) == [("closed", "not_planned")]
    harness.repo.commit({"a.py": "import os\n" + BUG + FAR})
    harness.dismissed.clear()
    reconciliation, done = harness.collect(harness.review("a.py"))
    assert (states_of(reconciliation), done.open) == ([FindingState.DISMISSED], 0)
    assert look(harness) == [("closed", "not_planned")]
    quietly(harness, harness.review("a.py"))


def known(harness: DestinationHarness):
    return render.parse(harness.issues.get(1).body).tracked


def label(harness: DestinationHarness, number: int, name: str, who=None) -> None:
    client = (who or harness.person)._client
    client.request("POST", f"issues/{number}/labels", input={"labels": [name]})


@pytest.mark.parametrize("who", ["stale bot", "triager"])
@pytest.mark.parametrize("how", ["closed", "label"])
def test_bots_and_people_without_write_access_dismiss_nothing(harness, who, how):
    harness.collect(harness.review("a.py"))
    actor = harness.issues if who == "stale bot" else harness.add_user("triager", "triage")
    if how == "closed":
        actor.close(1, "not_planned")
    else:
        label(harness, 1, "wontfix", actor)
    reconciliation, _ = harness.collect(harness.review())
    assert (harness.previous_state.dismissals, states_of(reconciliation)) == (
        (),
        [FindingState.OPEN],
    )
    reopened = how == "closed" and who == "stale bot"
    assert issues(harness)[0].state == ("closed" if how == "closed" and not reopened else "open")
    assert [("Still open" in text) for text in own_comments(harness, 1)] == [True] * reopened
    harness.collect(harness.review("a.py"))
    assert issues(harness)[0].state == "open"


def test_closing_as_completed_claims_a_fix(harness):
    harness.collect(harness.review("a.py"))
    harness.person.close(1, "completed")
    reconciliation, done = harness.collect(harness.review())
    assert (states_of(reconciliation), done.open, look(harness)) == (
        [FindingState.OPEN],
        1,
        [("closed", "completed")],
    )
    harness.collect(harness.review("a.py"))
    assert look(harness) == [("open", "reopened")]


def test_a_correct_claim_of_a_fix_gets_no_comment(harness):
    harness.collect(harness.review("a.py"))
    harness.repo.commit({"a.py": OK + FAR})
    harness.person.close(1, "completed")
    harness.collect(harness.review("a.py"))
    assert look(harness) == [("closed", "completed")]
    assert (known(harness).state, own_comments(harness, 1)) == (FindingState.FIXED, [])


@pytest.mark.parametrize("state", ["fixed", "dismissed"])
def test_an_issue_that_a_person_reopens_stays_open(harness, state):
    harness.collect(harness.review("a.py"))
    if state == "fixed":
        harness.repo.commit({"a.py": OK + FAR})
    else:
        harness.person.close(1, "not_planned")
    harness.collect(harness.review("a.py"))
    harness.person.reopen(1)
    harness.collect(harness.review())
    quietly(harness, harness.review())
    assert issues(harness)[0].state == "open"


def test_an_issue_closed_as_a_duplicate_stays_closed(harness):
    harness.collect(harness.review("a.py"))
    harness.person.close(1, "duplicate")
    harness.collect(harness.review("a.py"))
    assert look(harness) == [("closed", "duplicate")]


def ignore_all(reconciliation: Reconciliation) -> Reconciliation:
    """Change all findings as if the baseline file accepted them."""
    accepted = [
        replace(
            s,
            tracked=replace(s.tracked, state=FindingState.IGNORED, ignored_by="baseline"),
            changed=False,
        )
        for s in reconciliation.statuses
    ]
    return replace(reconciliation, statuses=tuple(accepted))


def test_the_baseline_closes_an_issue_that_can_reopen(harness):
    batch_answers = harness.review("a.py")
    _, done = harness.collect(batch_answers, change=ignore_all)
    assert (done.action, issues(harness)) == ("skipped", [])
    harness.collect(batch_answers)
    _, done = harness.collect(batch_answers, change=ignore_all)
    assert (dict(done.suppressed), look(harness)) == ({"baseline": 1}, [("closed", "completed")])
    quietly(harness, batch_answers, change=ignore_all)
    assert harness.previous_state.dismissals == ()
    harness.collect(batch_answers)
    assert look(harness) == [("open", "reopened")]


def test_security_findings_are_hidden_on_public_repositories(harness):
    batch_answers = harness.review("a.py")
    (finding,) = batch_answers.findings
    secret = replace(finding, security=True)
    _, done = harness.collect(replace(batch_answers, findings=(secret,)), hides_security=True)
    assert (done.action, issues(harness), dict(done.suppressed)) == ("skipped", [], {"public": 1})
    assert harness.writes() == []


def test_a_damaged_marker_loses_only_the_block(harness):
    harness.collect(harness.review("a.py"))
    body = issues(harness)[0].body
    start = body.index("<!-- batch-action:finding")
    harness.person.update(1, body=body[:start] + "My own words.")
    harness.collect(harness.review("a.py"))
    assert len(issues(harness)) == 1
    assert "My own words.\n\n<!-- batch-action:finding v1" in issues(harness)[0].body
    quietly(harness, harness.review("a.py"))


def test_duplicate_issues_of_a_finding_are_closed(harness):
    harness.collect(harness.review("a.py"))
    issue = harness.issues.get(1)
    harness.issues.create(issue.title, issue.body, issue.labels)
    harness.collect(harness.review())
    assert look(harness) == [("open", None), ("closed", "duplicate")]
    assert own_comments(harness, 2) == ["Continued in #1."]
    harness.collect(harness.review("a.py"))
    assert len(issues(harness)) == 2


def test_issues_of_untrusted_authors_are_ignored(harness):
    harness.collect(harness.review("a.py"))
    issue = harness.issues.get(1)
    harness.person.create("forged", issue.body.replace("state=new", "state=fixed"), issue.labels)
    reconciliation, _ = harness.collect(harness.review())
    assert states_of(reconciliation) == [FindingState.OPEN]


def test_a_lagging_list_loses_no_queued_finding(harness):
    harness.repo.commit(MANY)
    harness.sandbox.github.list_lag = 60.0
    _, done = harness.collect(
        harness.review("a.py", *MANY), options=publisher_options(max_issues=2)
    )
    harness.sandbox.github.list_lag = 0.0
    assert done.note == "2 issues opened, 6 findings waiting, listed in #1"
    harness.collect(harness.review(), options=publisher_options(max_issues=20))
    assert len(issues(harness)) == 8


@pytest.mark.parametrize("call", range(0, 27, 2))
def test_nothing_is_lost_or_repeated_whichever_call_fails(harness, call):
    harness.repo.commit(MANY)
    harness.collect(harness.review("a.py", *MANY), options=publisher_options(max_issues=2))
    fixed = {path: text.replace("crash", "check") for path, text in list(MANY.items())[:2]}
    harness.repo.commit(fixed)
    batch_answers = harness.review(*fixed)
    harness.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    try:
        harness.collect(batch_answers, number=2, options=publisher_options(max_issues=2))
    except GitHubError:
        harness.sandbox.faults.clear()
        harness.collect(batch_answers, number=2, options=publisher_options(max_issues=2))
    harness.sandbox.faults.clear()
    assert len(issues(harness)) == 4
    assert [render.parse(i.body).tracked.state for i in issues(harness)].count(
        FindingState.FIXED
    ) == sum(i.state == "closed" for i in issues(harness))
    assert len(circle_waiting(harness)) + sum(i.state == "open" for i in issues(harness)) == 6
    comments = [c.body for i in issues(harness) for c in i.comments]
    assert len(comments) == len(set(comments))
    assert all(user_commands.parse_ticked(comment) == frozenset() for comment in comments)


class TestCommandLine:
    """The same through the command line, with all destinations."""

    def test_lifecycle_through_the_command_line(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue-per-finding,summary"}
        workflow.commit({"app.js": WORSE})
        workflow.run("submit")
        workflow.finish()
        first = workflow.run("collect")
        assert (first.exit, len(workflow.issues)) == (0, 2)
        assert "issue-per-finding: created" in first.summary
        assert "2 issues opened" in first.summary
        workflow.commit({"app.js": GOOD})
        workflow.run("submit")
        workflow.finish()
        assert workflow.run("collect").exit == 0
        assert {(i.state, i.state_reason) for i in workflow.issues} == {("closed", "completed")}
        count = len(workflow.writes)
        assert workflow.run("collect").exit == 0
        assert len(workflow.writes) == count

    def test_a_lost_ledger_is_detected_by_the_issues(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue-per-finding", "first_run": "all"}
        workflow.commit({"app.js": WORSE})
        workflow.run("run")
        workflow.finish()
        workflow.run("collect")
        workflow.github_repository.artifacts.clear()
        workflow.commit({"b.js": GOOD})
        assert workflow.run("submit").exit == 0
        assert workflow.requested_paths() == ["b.js"]

    def test_together_with_the_rolling_issue(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue,issue-per-finding"}
        workflow.commit({"app.js": WORSE})
        workflow.run("submit")
        workflow.finish()
        assert workflow.run("collect").exit == 0
        rolling, *ones = workflow.issues
        assert rolling.title == "Nightly code review"
        token = workflow.sandbox.github.token_for("octo")
        with connect(workflow.sandbox, workflow.github_repository.full_name, token) as client:
            Issues(client).close(ones[0].number, "not_planned")
        assert workflow.run("collect").exit == 0
        assert "Dismissed: 1" in rolling.body
        assert [i.state for i in ones] == ["closed", "open"]

    def test_disabled_issues_are_refused_with_the_fix(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue-per-finding,summary"}
        workflow.github_repository.has_issues = False
        workflow.commit({"app.js": WORSE})
        workflow.run("submit")
        workflow.finish()
        result = workflow.run("collect")
        assert result.exit == 5
        assert "ssues" in result.log


def test_a_body_that_people_filled_up_is_cut_and_closed(harness):
    harness.collect(harness.review("a.py"))
    (issue,) = issues(harness)
    harness.person.update(1, body=f"{issue.body}\n" + "ours\n" * ((65_500 - len(issue.body)) // 5))
    fix = harness.repo.commit({"a.py": "\n" * 9 + OK + FAR})
    _, done = harness.collect(harness.review("a.py"))
    assert (done.action, look(harness)) == ("closed", [("closed", "completed")])
    assert f"fixed (in {fix[:7]})" in issue.body
    assert "ours\nours\n" in issue.body
    assert len(issue.body) < 65_536
