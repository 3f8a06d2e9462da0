"""What people ask for in the rolling issue, and how it is answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.clients.github.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.findings import OPEN_STATES, FindingState
from batch_action.publishers import markers, user_commands
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import BUG, Circle, circle_of, connected, states
from tests.harness.workflow import WORSE, WorkflowHarness


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def circle(running: Sandbox, tmp_path: Path, request) -> Iterator[Circle]:
    """Two open findings, told in one issue."""
    with circle_of(running, tmp_path, request.node.name) as circle:
        circle.repo.commit({"b.py": BUG})
        circle.workflow(circle.review("a.py", "b.py"))
        yield circle


def ids(circle: Circle) -> list[str]:
    """After a night on which nothing happens."""
    circle.workflow(circle.review())
    return [known.fingerprint for known in circle.suppressed.tracked]


def said(circle: Circle) -> list[str]:
    """The replies, without their markers."""
    texts = [c.body for c in circle.edge.comments(1) if c.author == "github-actions[bot]"]
    return [text.partition("\n")[2] for text in texts]


def tick(circle: Circle, who, fingerprint: str, number: int = 1) -> None:
    body = who.get(number).body
    (line,) = (x for x in body.splitlines() if f"box id={fingerprint}" in x)
    who.update(number, body=body.replace(line, line.replace("[ ]", "[x]")).replace("\n", "\r\n"))


def test_a_command_dismisses_and_is_thanked_with_a_reaction(circle):
    first, second = ids(circle)
    comment = circle.person.comment(1, f"Look:\r\n\r\n/batch wontfix {first[:8]} by design\r\n")
    settled, done = circle.workflow(circle.review())
    assert (sorted(states(settled)), done.open) == ([FindingState.DISMISSED, FindingState.OPEN], 1)
    (dismissal,) = circle.suppressed.dismissals
    assert (dismissal.fingerprint, dismissal.by) == (first, "octo")
    assert (dismissal.where, dismissal.reason) == (comment.url, "by design")
    (told,) = circle.edge.comments(1)
    assert told.reactions == ("+1",)
    body = circle.edge.get(1).body
    assert "Dismissed: 1" in body
    assert f"box id={first}" not in body
    assert f"box id={second}" in body
    circle.sandbox.faults.calls.clear()
    circle.dismissed.clear()
    _, done = circle.workflow(circle.review(), number=circle.nights)
    assert (done.action, circle.writes()) == ("unchanged", [])


def test_a_quiet_night_answers_and_leaves_the_rest_as_it_was(circle):
    body = circle.edge.get(1).body
    _, done = circle.quiet()
    assert (done.action, circle.edge.get(1).body) == ("unchanged", body)
    first = next(iter(circle.suppressed.tracked)).fingerprint
    circle.person.comment(1, f"/batch wontfix {first}")
    circle.person.comment(1, "/batch recheck 99999999")
    circle.quiet()
    now = circle.edge.get(1).body
    assert "Dismissed: 1" in now
    assert "**1 open finding, 1 high.**" in now
    assert "🆕 new" in now
    assert now[now.index("Receipt:") :] == body[body.index("Receipt:") :]
    assert now.splitlines()[0] == body.splitlines()[0]
    assert len(said(circle)) == 1
    circle.sandbox.faults.calls.clear()
    circle.quiet()
    assert circle.writes() == []


def test_a_recheck_is_asked_for_and_seen(circle):
    first, _ = ids(circle)
    comment = circle.person.comment(1, f"/batch recheck {first[:6]}")
    for _ in range(2):
        circle.workflow(circle.review())
        (wish,) = circle.suppressed.rechecks
        assert (wish.fingerprint, wish.by, wish.where) == (first, "octo", comment.url)
    assert circle.edge.comments(1)[0].reactions == ("eyes",)
    assert said(circle) == []


def test_what_is_not_clear_is_said_once(circle):
    circle.person.comment(1, "/batch wontfix 12345678\n/batch wontfix\n/batch dismiss x")
    for _ in range(3):
        circle.workflow(circle.review())
    (reply,) = said(circle)
    assert reply.count("\n- ") == 2
    assert "No finding here has the id `12345678`." in reply
    assert circle.suppressed.dismissals == ()


def test_a_corrected_comment_is_done_and_another_mistake_is_said_again(circle):
    first, _ = ids(circle)
    comment = circle.person.comment(1, "/batch wontfix 12345678")
    circle.workflow(circle.review())
    circle.person.edit_comment(comment.id, "/batch wontfix 87654321")
    circle.workflow(circle.review())
    assert len(said(circle)) == 2
    circle.person.edit_comment(comment.id, f"/batch wontfix {first[:8]}")
    settled, _ = circle.workflow(circle.review())
    assert FindingState.DISMISSED in states(settled)
    assert len(said(circle)) == 2


@pytest.mark.parametrize(("role", "counts"), [("read", False), ("triage", False), ("write", True)])
def test_only_people_who_may_write_count(circle, role, counts):
    first, _ = ids(circle)
    guest = circle.stranger("guest", role)
    guest.comment(1, f"/batch wontfix {first}")
    circle.sandbox.faults.calls.clear()
    for _ in range(2):
        circle.workflow(circle.review())
    assert bool(circle.suppressed.dismissals) == counts
    (comment,) = circle.edge.comments(1)
    assert comment.reactions == (("+1",) if counts else ("confused",))
    assert sum("reactions" in write for write in circle.writes()) == 1


def test_a_bots_command_is_nobodys(circle):
    first, _ = ids(circle)
    circle.edge.comment(1, f"/batch wontfix {first}")
    circle.workflow(circle.review())
    assert circle.suppressed.dismissals == ()
    assert circle.edge.comments(1)[0].reactions == ()


def test_who_owns_the_token_is_a_person_too(circle):
    circle.edge = circle.person
    _, done = circle.workflow(circle.review("a.py", "b.py"))
    first, second = ids(circle)
    circle.person.comment(done.number, f"/batch wontfix {first}\n/batch wontfix 99999999")
    tick(circle, circle.person, second, done.number)
    for _ in range(2):
        circle.workflow(circle.review())
        assert first in {dismissal.fingerprint for dismissal in circle.suppressed.dismissals}
    assert {known.state for known in circle.suppressed.tracked} == {FindingState.DISMISSED}
    replies = [c for c in circle.edge.comments(done.number) if "batch-action:reply" in c.body]
    assert len(replies) == 1


def test_a_ticked_box_dismisses(circle):
    first, second = ids(circle)
    tick(circle, circle.person, first)
    settled, _ = circle.quiet()
    assert sorted(states(settled)) == [FindingState.DISMISSED, FindingState.OPEN]
    (dismissal,) = circle.suppressed.dismissals
    assert (dismissal.fingerprint, dismissal.by) == (first, "octo")
    body = circle.edge.get(1).body
    assert user_commands.ticked(body) == frozenset()
    assert f"box id={second}" in body
    assert circle.edge.comments(1) == []


def test_who_ticked_a_box_is_who_did_it_not_who_wrote_last(circle):
    first, second = ids(circle)
    guest = circle.stranger("triager", "triage")
    tick(circle, guest, first)
    body = circle.person.get(1).body
    circle.person.update(1, body=f"{body}\n")
    tick(circle, circle.person, second)
    circle.workflow(circle.review())
    assert [d.fingerprint for d in circle.suppressed.dismissals] == [second]
    (reply,) = said(circle)
    assert f"The box of `{first[:8]}` does not count: who ticked it may not write here." in reply
    assert user_commands.ticked(circle.edge.get(1).body) == frozenset()
    circle.workflow(circle.review())
    assert len(said(circle)) == 1


@pytest.mark.parametrize("how", ["a bot", "no history", "a revision was deleted"])
def test_a_box_ticked_by_nobody_we_know_does_not_count(circle, how):
    first, _ = ids(circle)
    if how == "a bot":
        tick(circle, circle.edge, first)
    else:
        tick(circle, circle.person, first)
    if how == "a revision was deleted":
        circle.sandbox.github.repository(circle.name).issues[1].edits[-1].deleted = True
    if how == "no history":
        assert circle.edge.trusts("github-actions[bot]")
        circle.sandbox.faults.add("status", path="graphql", status=404, times=9)
    circle.workflow(circle.review())
    assert circle.suppressed.dismissals == ()
    (reply,) = said(circle)
    assert "GitHub does not say which person ticked it" in reply


def test_a_box_ticked_while_the_night_is_written_waits_for_the_next(circle):
    first, _ = ids(circle)
    circle.repo.commit({"c.py": BUG})

    def meanwhile() -> None:
        tick(circle, circle.person, first)
        body = circle.person.get(1).body
        circle.person.update(1, body=body.replace("**Why.**", "Mine.\n\n**Why.**", 1))

    circle.workflow(circle.review("c.py"), meanwhile=meanwhile)
    now = circle.edge.get(1).body
    assert user_commands.ticked(now) == {first}
    assert "Mine." in now
    circle.workflow(circle.review())
    assert [d.fingerprint for d in circle.suppressed.dismissals] == [first]


@pytest.mark.parametrize("call", range(9))
def test_whatever_dies_every_wish_is_answered_once(circle, call):
    first, second = ids(circle)
    circle.person.comment(1, f"/batch wontfix {first[:8]}\n/batch recheck 99999999")
    tick(circle, circle.stranger("triager", "triage"), second)
    circle.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    with pytest.raises(GitHubError):
        circle.quiet()
    circle.sandbox.faults.clear()
    circle.quiet()
    assert user_commands.ticked(circle.edge.get(1).body) == frozenset()
    assert len(said(circle)) == 2
    assert circle.edge.comments(1)[0].reactions == ("+1",)


def test_a_dismissal_outlives_the_issue(workflow: WorkflowHarness):
    workflow.commit({"app.js": WORSE})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect").exit == 0
    first = min(markers.blocks(workflow.issue.body), key=lambda b: b.tracked.fingerprint).tracked
    hub = workflow.sandbox.github
    with connected(workflow.sandbox, workflow.hub.full_name, hub.token_for("octo")) as client:
        Issues(client).comment(1, f"/batch wontfix {first.fingerprint[:8]} we like it")
        Issues(client).comment(1, "/batch wontfix 00000000")
        quiet = workflow.run("collect")
        assert quiet.exit == 0
        comment, _, reply = workflow.issue.comments
        assert [r.content for r in comment.reactions] == ["+1"]
        assert "No finding here has the id" in reply.body
        count = len(workflow.writes)
        assert workflow.run("collect").exit == 0
        assert len(workflow.writes) == count
    del hub.repository(workflow.hub.full_name).issues[1]
    workflow.commit({"app.js": f"// moved\n{WORSE}"})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect").exit == 0
    told = [block.tracked for block in markers.blocks(workflow.issue.body)]
    assert first.fingerprint not in {k.fingerprint for k in told if k.state in OPEN_STATES}
    assert len([k for k in told if k.state in OPEN_STATES]) == 1
