"""One issue a finding: real git, the real edge, the sandbox's GitHub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_action.clients.github.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.findings import FindingState, Reconciliation
from batch_action.publishers import user_commands
from batch_action.publishers.issue_per_finding import render, state
from batch_action.sandbox.github.state import Issue
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import (
    BUG,
    FAR,
    OK,
    TASK,
    Circle,
    circle_of,
    connected,
    per_finding,
    states,
)
from tests.harness.workflow import GOOD, WORSE, WorkflowHarness

MANY = {f"m{n}.py": BUG.replace("x", f"x{n}") for n in range(7)}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def circle(running: Sandbox, tmp_path: Path, request) -> Iterator[Circle]:
    with circle_of(running, tmp_path, request.node.name, per_finding) as circle:
        yield circle


def issues(circle: Circle) -> list[Issue]:
    return list(circle.sandbox.github.repository(circle.name).issues.values())


def look(circle: Circle) -> list[tuple[str, str | None]]:
    return [(issue.state, issue.state_reason) for issue in issues(circle)]


def said(circle: Circle, number: int) -> list[str]:
    return [c.body for c in circle.edge.comments(number)]


def quietly(circle: Circle, batch_answers, **how) -> None:
    """The same night once more: nothing is written."""
    circle.sandbox.faults.calls.clear()
    _, done = circle.workflow(batch_answers, number=circle.nights, **how)
    assert (done.action, circle.writes()) == ("unchanged", [])


def test_a_life_in_an_issue_of_its_own(circle):
    batch_answers = circle.review("a.py")
    settled, done = circle.workflow(batch_answers, labels=("mine",))
    assert (done.action, done.new, done.open, done.number) == ("created", 1, 1, 1)
    assert states(settled) == [FindingState.NEW]
    (issue,) = issues(circle)
    assert issue.title == "It crashes (a.py)"
    assert issue.labels == ["batch-action", f"batch-action:finding:{TASK}", "mine"]
    assert "**🟠 high** · 🆕 new · [<code>a.py:2</code>]" in issue.body
    assert "<details open><summary>" in issue.body
    quietly(circle, batch_answers)

    circle.repo.commit({"a.py": "import os\n" + BUG + FAR})
    body = issue.body.replace("<sub>", "Ours to fix.\r\n\r\n<sub>").replace("why", "wHy", 1)
    circle.person.update(1, body=f"Top.\r\n{body}")
    circle.workflow(circle.review())
    assert issue.body.startswith("Top.\n<!-- batch-action:single v1 ")
    assert "open · [<code>a.py:3</code>]" in issue.body
    assert "Ours to fix.\n\n<sub>" in issue.body
    assert "wHy" in issue.body
    quietly(circle, circle.review())
    assert issue.comments == []

    fix = circle.repo.commit({"a.py": OK + FAR})
    batch_answers = circle.review("a.py")
    _, done = circle.workflow(batch_answers)
    assert (done.action, done.fixed, done.open) == ("closed", 1, 0)
    assert look(circle) == [("closed", "completed")]
    (comment,) = said(circle, 1)
    assert (
        f"✅ Fixed in [`{fix[:7]}`](https://github.example/{circle.name}/commit/{fix})" in comment
    )
    assert f"fixed (in {fix[:7]})" in issue.body
    quietly(circle, batch_answers)

    circle.repo.commit({"a.py": BUG + FAR})
    batch_answers = circle.review("a.py")
    settled, done = circle.workflow(batch_answers)
    assert (done.action, states(settled)) == ("reopened", [FindingState.BACK])
    assert look(circle) == [("open", "reopened")]
    assert "↩️ Reported again: [<code>a.py:2</code>]" in said(circle, 1)[1]
    quietly(circle, batch_answers)
    assert len(issues(circle)) == 1


def test_a_few_a_run_and_the_rest_waits(circle):
    circle.repo.commit(MANY)
    batch_answers = circle.review("a.py", *MANY)
    _, done = circle.workflow(batch_answers, max_issues=3)
    assert (done.new, len(issues(circle)), dict(done.suppressed)) == (8, 3, {"max-issues": 5})
    assert done.note == "3 issues opened, 5 findings waiting, listed in #1"
    (page,) = said(circle, 1)
    assert "**5 more findings wait**" in page
    quietly(circle, batch_answers, max_issues=3)
    assert circle.suppressed.batches == ("msgbatch_1",)

    assert circle.suppressed.pending
    settled, done = circle.workflow(circle.review(), max_issues=3)
    assert (len(issues(circle)), dict(done.suppressed)) == (6, {"max-issues": 2})
    assert set(states(settled)) == {FindingState.OPEN}
    assert "why why" in issues(circle)[5].body
    circle.quiet(max_issues=3)
    assert len(issues(circle)) == 8
    assert said(circle, 1) == []
    titles = [issue.title for issue in issues(circle)]
    assert len(set(titles)) == 8
    circle.quiet(max_issues=3)
    assert len(issues(circle)) == 8
    assert not circle.suppressed.pending


def test_waiting_ones_are_fixed_dismissed_and_forgotten(circle):
    circle.repo.commit(MANY)
    circle.workflow(circle.review("a.py", *MANY), max_issues=1)
    first, second, third, *_ = (known for known in circle_waiting(circle))
    circle.person.comment(1, f"/batch wontfix {second.fingerprint[:8]} as designed")
    page = next(c for c in circle.person.comments(1) if state.is_page(replace(c, trusted=True)))
    line = next(x for x in page.body.splitlines() if f"box id={third.fingerprint}" in x)
    circle.person.edit_comment(
        page.id, page.body.replace(line, line.replace("[ ]", "[x]")).replace("**Why.**", "Mine.", 1)
    )
    path = first.anchor.path
    circle.repo.commit({path: MANY[path].replace("crash", "check")})
    _, done = circle.workflow(circle.review(path), max_issues=0)
    assert (done.fixed, {d.by for d in circle.suppressed.dismissals}) == (1, {"octo"})
    left = {known.fingerprint for known in circle_waiting(circle)}
    assert len(left) == 4
    assert left.isdisjoint(known.fingerprint for known in (first, second, third))
    circle.workflow(circle.review(*MANY), max_issues=9)
    assert len(issues(circle)) == 5


def circle_waiting(circle: Circle):
    return [known for known, _ in state.read(circle.edge.comments(1)).values()]


@pytest.mark.parametrize("how", ["closed", "label", "command", "command without an id"])
def test_dismissed_for_good(circle, how):
    circle.workflow(circle.review("a.py"))
    match how:
        case "closed":
            circle.person.close(1, "not_planned")
        case "label":
            issue = issues(circle)[0]
            hub = circle.sandbox.github.repository(circle.name)
            label(circle, issue.number, "WontFix")
            assert "wontfix" in hub.labels
        case "command":
            circle.person.comment(1, f"/batch wontfix {known(circle).fingerprint[:8]} by design")
        case _:
            circle.person.comment(1, "/batch wontfix facade by design")
    settled, _ = circle.quiet()
    (dismissal,) = circle.suppressed.dismissals
    assert (dismissal.by, states(settled)) == ("octo", [FindingState.DISMISSED])
    assert look(circle) == [("closed", "not_planned")]
    circle.repo.commit({"a.py": "import os\n" + BUG + FAR})
    circle.dismissed.clear()
    settled, done = circle.workflow(circle.review("a.py"))
    assert (states(settled), done.open) == ([FindingState.DISMISSED], 0)
    assert look(circle) == [("closed", "not_planned")]
    quietly(circle, circle.review("a.py"))


def known(circle: Circle):
    return render.read(circle.edge.get(1).body).tracked


def label(circle: Circle, number: int, name: str, who=None) -> None:
    client = (who or circle.person)._client
    client.request("POST", f"issues/{number}/labels", input={"labels": [name]})


@pytest.mark.parametrize("who", ["stale bot", "triager"])
@pytest.mark.parametrize("how", ["closed", "label"])
def test_stale_closers_and_guests_dismiss_nothing(circle, who, how):
    circle.workflow(circle.review("a.py"))
    actor = circle.edge if who == "stale bot" else circle.stranger("triager", "triage")
    if how == "closed":
        actor.close(1, "not_planned")
    else:
        label(circle, 1, "wontfix", actor)
    settled, _ = circle.workflow(circle.review())
    assert (circle.suppressed.dismissals, states(settled)) == ((), [FindingState.OPEN])
    reopened = how == "closed" and who == "stale bot"
    assert issues(circle)[0].state == ("closed" if how == "closed" and not reopened else "open")
    assert [("Still there" in text) for text in said(circle, 1)] == [True] * reopened
    circle.workflow(circle.review("a.py"))
    assert issues(circle)[0].state == "open"


def test_who_closes_it_as_completed_says_it_is_fixed(circle):
    circle.workflow(circle.review("a.py"))
    circle.person.close(1, "completed")
    settled, done = circle.workflow(circle.review())
    assert (states(settled), done.open, look(circle)) == (
        [FindingState.OPEN],
        1,
        [("closed", "completed")],
    )
    circle.workflow(circle.review("a.py"))
    assert look(circle) == [("open", "reopened")]


def test_who_closes_it_as_completed_and_is_right_is_not_told_so(circle):
    circle.workflow(circle.review("a.py"))
    circle.repo.commit({"a.py": OK + FAR})
    circle.person.close(1, "completed")
    circle.workflow(circle.review("a.py"))
    assert look(circle) == [("closed", "completed")]
    assert (known(circle).state, said(circle, 1)) == (FindingState.FIXED, [])


@pytest.mark.parametrize("state", ["fixed", "dismissed"])
def test_who_opens_it_again_is_left_alone(circle, state):
    circle.workflow(circle.review("a.py"))
    if state == "fixed":
        circle.repo.commit({"a.py": OK + FAR})
    else:
        circle.person.close(1, "not_planned")
    circle.workflow(circle.review("a.py"))
    circle.person.reopen(1)
    circle.workflow(circle.review())
    quietly(circle, circle.review())
    assert issues(circle)[0].state == "open"


def test_closed_as_a_duplicate_it_stays_so(circle):
    circle.workflow(circle.review("a.py"))
    circle.person.close(1, "duplicate")
    circle.workflow(circle.review("a.py"))
    assert look(circle) == [("closed", "duplicate")]


def ignoring(settled: Reconciliation) -> Reconciliation:
    """As if the baseline file accepted all of it."""
    accepted = [
        replace(
            s,
            tracked=replace(s.tracked, state=FindingState.IGNORED, suppressed="baseline"),
            changed=False,
        )
        for s in settled.statuses
    ]
    return replace(settled, statuses=tuple(accepted))


def test_accepted_by_the_baseline_it_closes_and_opens_again(circle):
    batch_answers = circle.review("a.py")
    _, done = circle.workflow(batch_answers, settling=ignoring)
    assert (done.action, issues(circle)) == ("skipped", [])
    circle.workflow(batch_answers)
    _, done = circle.workflow(batch_answers, settling=ignoring)
    assert (dict(done.suppressed), look(circle)) == ({"baseline": 1}, [("closed", "completed")])
    quietly(circle, batch_answers, settling=ignoring)
    assert circle.suppressed.dismissals == ()
    circle.workflow(batch_answers)
    assert look(circle) == [("open", "reopened")]


def test_public_repositories_do_not_tell_of_security(circle):
    batch_answers = circle.review("a.py")
    (finding,) = batch_answers.findings
    secret = replace(finding, raw=replace(finding.raw, security=True))
    _, done = circle.workflow(replace(batch_answers, findings=(secret,)), public=True)
    assert (done.action, issues(circle), dict(done.suppressed)) == ("skipped", [], {"public": 1})
    assert circle.writes() == []


def test_a_damaged_marker_costs_only_the_words(circle):
    circle.workflow(circle.review("a.py"))
    body = issues(circle)[0].body
    start = body.index("<!-- batch-action:finding")
    circle.person.update(1, body=body[:start] + "My own words.")
    circle.workflow(circle.review("a.py"))
    assert len(issues(circle)) == 1
    assert "My own words.\n\n<!-- batch-action:finding v1" in issues(circle)[0].body
    quietly(circle, circle.review("a.py"))


def test_two_issues_of_one_finding_become_one(circle):
    circle.workflow(circle.review("a.py"))
    issue = circle.edge.get(1)
    circle.edge.create(issue.title, issue.body, issue.labels)
    circle.workflow(circle.review())
    assert look(circle) == [("open", None), ("closed", "duplicate")]
    assert said(circle, 2) == ["Continued in #1."]
    circle.workflow(circle.review("a.py"))
    assert len(issues(circle)) == 2


def test_strangers_issues_are_not_believed(circle):
    circle.workflow(circle.review("a.py"))
    issue = circle.edge.get(1)
    circle.person.create("forged", issue.body.replace("state=new", "state=fixed"), issue.labels)
    settled, _ = circle.workflow(circle.review())
    assert states(settled) == [FindingState.OPEN]


def test_a_lagging_list_loses_nothing_that_waits(circle):
    circle.repo.commit(MANY)
    circle.sandbox.github.list_lag = 60.0
    _, done = circle.workflow(circle.review("a.py", *MANY), max_issues=2)
    circle.sandbox.github.list_lag = 0.0
    assert done.note == "2 issues opened, 6 findings waiting, listed in #1"
    circle.workflow(circle.review(), max_issues=20)
    assert len(issues(circle)) == 8


@pytest.mark.parametrize("call", range(0, 27, 2))
def test_whatever_dies_nothing_is_lost_or_told_twice(circle, call):
    circle.repo.commit(MANY)
    circle.workflow(circle.review("a.py", *MANY), max_issues=2)
    fixed = {path: text.replace("crash", "check") for path, text in list(MANY.items())[:2]}
    circle.repo.commit(fixed)
    batch_answers = circle.review(*fixed)
    circle.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    try:
        circle.workflow(batch_answers, number=2, max_issues=2)
    except GitHubError:
        circle.sandbox.faults.clear()
        circle.workflow(batch_answers, number=2, max_issues=2)
    circle.sandbox.faults.clear()
    assert len(issues(circle)) == 4
    assert [render.read(i.body).tracked.state for i in issues(circle)].count(
        FindingState.FIXED
    ) == sum(i.state == "closed" for i in issues(circle))
    assert len(circle_waiting(circle)) + sum(i.state == "open" for i in issues(circle)) == 6
    comments = [c.body for i in issues(circle) for c in i.comments]
    assert len(comments) == len(set(comments))
    assert all(user_commands.ticked(comment) == frozenset() for comment in comments)


class TestNights:
    """The same through the door, all destinations together."""

    def test_a_life_from_the_door(self, workflow: WorkflowHarness):
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

    def test_a_lost_ledger_is_found_by_the_issues(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue-per-finding", "first_run": "all"}
        workflow.commit({"app.js": WORSE})
        workflow.run("run")
        workflow.finish()
        workflow.run("collect")
        workflow.hub.artifacts.clear()
        workflow.commit({"b.js": GOOD})
        assert workflow.run("submit").exit == 0
        assert workflow.asked() == ["b.js"]

    def test_together_with_the_rolling_issue(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue,issue-per-finding"}
        workflow.commit({"app.js": WORSE})
        workflow.run("submit")
        workflow.finish()
        assert workflow.run("collect").exit == 0
        rolling, *ones = workflow.issues
        assert rolling.title == "Nightly code review"
        token = workflow.sandbox.github.token_for("octo")
        with connected(workflow.sandbox, workflow.hub.full_name, token) as client:
            Issues(client).close(ones[0].number, "not_planned")
        assert workflow.run("collect").exit == 0
        assert "Dismissed: 1" in rolling.body
        assert [i.state for i in ones] == ["closed", "open"]

    def test_where_issues_are_off_it_is_refused_with_the_cure(self, workflow: WorkflowHarness):
        workflow.inputs |= {"report": "issue-per-finding,summary"}
        workflow.hub.has_issues = False
        workflow.commit({"app.js": WORSE})
        workflow.run("submit")
        workflow.finish()
        result = workflow.run("collect")
        assert result.exit == 5
        assert "ssues" in result.log
