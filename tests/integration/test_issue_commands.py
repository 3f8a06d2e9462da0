"""Commands and checkboxes in the rolling issue, and the replies to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.clients.github.issues import Issues
from batch_action.errors import GitHubError
from batch_action.models.findings import OPEN_STATES, FindingState
from batch_action.publishers import markers, user_commands
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import (
    BUG,
    DestinationHarness,
    connect,
    destination_harness,
    states_of,
)
from tests.harness.workflow import WORSE, WorkflowHarness


@pytest.fixture
def harness(running: Sandbox, tmp_path: Path, request) -> Iterator[DestinationHarness]:
    """Two open findings, published in one issue."""
    with destination_harness(running, tmp_path, request.node.name) as harness:
        harness.repo.commit({"b.py": BUG})
        harness.collect(harness.review("a.py", "b.py"))
        yield harness


def fingerprints(harness: DestinationHarness) -> list[str]:
    """Collect without new results, and return the fingerprints."""
    harness.collect(harness.review())
    return [known.fingerprint for known in harness.previous_state.tracked]


def replies(harness: DestinationHarness) -> list[str]:
    """The replies, without their markers."""
    texts = [c.body for c in harness.issues.comments(1) if c.author == "github-actions[bot]"]
    return [text.partition("\n")[2] for text in texts]


def tick(harness: DestinationHarness, who, fingerprint: str, number: int = 1) -> None:
    body = who.get(number).body
    (line,) = (x for x in body.splitlines() if f"box id={fingerprint}" in x)
    who.update(number, body=body.replace(line, line.replace("[ ]", "[x]")).replace("\n", "\r\n"))


def test_a_command_dismisses_and_gets_a_reaction(harness):
    first, second = fingerprints(harness)
    comment = harness.person.comment(1, f"Look:\r\n\r\n/batch wontfix {first[:8]} by design\r\n")
    reconciliation, done = harness.collect(harness.review())
    assert (sorted(states_of(reconciliation)), done.open) == (
        [FindingState.DISMISSED, FindingState.OPEN],
        1,
    )
    (dismissal,) = harness.previous_state.dismissals
    assert (dismissal.fingerprint, dismissal.actor) == (first, "octo")
    assert (dismissal.source, dismissal.reason) == (comment.url, "by design")
    (command,) = harness.issues.comments(1)
    assert command.reactions == ("+1",)
    body = harness.issues.get(1).body
    assert "Dismissed: 1" in body
    assert f"box id={first}" not in body
    assert f"box id={second}" in body
    harness.sandbox.faults.calls.clear()
    harness.dismissed.clear()
    _, done = harness.collect(harness.review(), number=harness.runs)
    assert (done.action, harness.writes()) == ("unchanged", [])


def test_a_run_without_results_answers_and_changes_nothing_else(harness):
    body = harness.issues.get(1).body
    _, done = harness.collect_nothing()
    assert (done.action, harness.issues.get(1).body) == ("unchanged", body)
    first = next(iter(harness.previous_state.tracked)).fingerprint
    harness.person.comment(1, f"/batch wontfix {first}")
    harness.person.comment(1, "/batch recheck 99999999")
    harness.collect_nothing()
    now = harness.issues.get(1).body
    assert "Dismissed: 1" in now
    assert "**1 open finding, 1 high.**" in now
    assert "| 🆕 " in now
    assert now[now.index("Files reviewed:") :] == body[body.index("Files reviewed:") :]
    assert now.splitlines()[0] == body.splitlines()[0]
    assert len(replies(harness)) == 1
    harness.sandbox.faults.calls.clear()
    harness.collect_nothing()
    assert harness.writes() == []


def test_a_recheck_is_requested_and_acknowledged(harness):
    first, _ = fingerprints(harness)
    comment = harness.person.comment(1, f"/batch recheck {first[:6]}")
    for _ in range(2):
        harness.collect(harness.review())
        (recheck,) = harness.previous_state.commands
        assert (recheck.fingerprint, recheck.actor, recheck.source) == (first, "octo", comment.url)
    assert harness.issues.comments(1)[0].reactions == ("eyes",)
    assert replies(harness) == []


def test_an_unclear_command_gets_one_reply(harness):
    harness.person.comment(1, "/batch wontfix 12345678\n/batch wontfix\n/batch dismiss x")
    for _ in range(3):
        harness.collect(harness.review())
    (reply,) = replies(harness)
    assert reply.count("\n- ") == 2
    assert "No finding here has the id `12345678`." in reply
    assert harness.previous_state.dismissals == ()


def test_a_corrected_comment_is_run_and_another_mistake_gets_another_reply(harness):
    first, _ = fingerprints(harness)
    comment = harness.person.comment(1, "/batch wontfix 12345678")
    harness.collect(harness.review())
    harness.person.edit_comment(comment.id, "/batch wontfix 87654321")
    harness.collect(harness.review())
    assert len(replies(harness)) == 2
    harness.person.edit_comment(comment.id, f"/batch wontfix {first[:8]}")
    reconciliation, _ = harness.collect(harness.review())
    assert FindingState.DISMISSED in states_of(reconciliation)
    assert len(replies(harness)) == 2


@pytest.mark.parametrize(("role", "counts"), [("read", False), ("triage", False), ("write", True)])
def test_only_people_with_write_access_count(harness, role, counts):
    first, _ = fingerprints(harness)
    guest = harness.add_user("guest", role)
    guest.comment(1, f"/batch wontfix {first}")
    harness.sandbox.faults.calls.clear()
    for _ in range(2):
        harness.collect(harness.review())
    assert bool(harness.previous_state.dismissals) == counts
    (comment,) = harness.issues.comments(1)
    assert comment.reactions == (("+1",) if counts else ("confused",))
    assert sum("reactions" in write for write in harness.writes()) == 1


def test_a_bots_command_is_ignored(harness):
    first, _ = fingerprints(harness)
    harness.issues.comment(1, f"/batch wontfix {first}")
    harness.collect(harness.review())
    assert harness.previous_state.dismissals == ()
    assert harness.issues.comments(1)[0].reactions == ()


def test_the_owner_of_the_token_counts_as_a_person(harness):
    harness.issues = harness.person
    _, done = harness.collect(harness.review("a.py", "b.py"))
    first, second = fingerprints(harness)
    harness.person.comment(done.number, f"/batch wontfix {first}\n/batch wontfix 99999999")
    tick(harness, harness.person, second, done.number)
    for _ in range(2):
        harness.collect(harness.review())
        assert first in {dismissal.fingerprint for dismissal in harness.previous_state.dismissals}
    assert {known.state for known in harness.previous_state.tracked} == {FindingState.DISMISSED}
    replies = [c for c in harness.issues.comments(done.number) if "batch-action:reply" in c.body]
    assert len(replies) == 1


def test_a_ticked_box_dismisses(harness):
    first, second = fingerprints(harness)
    tick(harness, harness.person, first)
    reconciliation, _ = harness.collect_nothing()
    assert sorted(states_of(reconciliation)) == [FindingState.DISMISSED, FindingState.OPEN]
    (dismissal,) = harness.previous_state.dismissals
    assert (dismissal.fingerprint, dismissal.actor) == (first, "octo")
    body = harness.issues.get(1).body
    assert user_commands.parse_ticked(body) == frozenset()
    assert f"box id={second}" in body
    assert harness.issues.comments(1) == []


def test_the_actor_is_who_ticked_the_box_not_who_edited_last(harness):
    first, second = fingerprints(harness)
    guest = harness.add_user("triager", "triage")
    tick(harness, guest, first)
    body = harness.person.get(1).body
    harness.person.update(1, body=f"{body}\n")
    tick(harness, harness.person, second)
    harness.collect(harness.review())
    assert [d.fingerprint for d in harness.previous_state.dismissals] == [second]
    (reply,) = replies(harness)
    assert (
        f"The tick of `{first[:8]}` does not count: the person who ticked it has no write access."
        in reply
    )
    assert user_commands.parse_ticked(harness.issues.get(1).body) == frozenset()
    harness.collect(harness.review())
    assert len(replies(harness)) == 1


@pytest.mark.parametrize("how", ["a bot", "no history", "a revision was deleted"])
def test_a_box_ticked_by_an_unknown_person_does_not_count(harness, how):
    first, _ = fingerprints(harness)
    if how == "a bot":
        tick(harness, harness.issues, first)
    else:
        tick(harness, harness.person, first)
    if how == "a revision was deleted":
        harness.sandbox.github.repository(harness.name).issues[1].edits[-1].deleted = True
    if how == "no history":
        assert harness.issues.is_trusted("github-actions[bot]")
        harness.sandbox.faults.add("status", path="graphql", status=404, times=9)
    harness.collect(harness.review())
    assert harness.previous_state.dismissals == ()
    (reply,) = replies(harness)
    assert "GitHub does not show who ticked it" in reply


def test_a_box_ticked_while_a_run_publishes_waits_for_the_next_run(harness):
    first, _ = fingerprints(harness)
    harness.repo.commit({"c.py": BUG})

    def meanwhile() -> None:
        tick(harness, harness.person, first)
        body = harness.person.get(1).body
        harness.person.update(1, body=body.replace("**Why.**", "Mine.\n\n**Why.**", 1))

    harness.collect(harness.review("c.py"), meanwhile=meanwhile)
    now = harness.issues.get(1).body
    assert user_commands.parse_ticked(now) == {first}
    assert "Mine." in now
    harness.collect(harness.review())
    assert [d.fingerprint for d in harness.previous_state.dismissals] == [first]


@pytest.mark.parametrize("call", range(9))
def test_every_command_is_answered_once_whatever_call_fails(harness, call):
    first, second = fingerprints(harness)
    harness.person.comment(1, f"/batch wontfix {first[:8]}\n/batch recheck 99999999")
    tick(harness, harness.add_user("triager", "triage"), second)
    harness.sandbox.faults.add("status", path="issues", status=410, nth=call + 1, times=99)
    with pytest.raises(GitHubError):
        harness.collect_nothing()
    harness.sandbox.faults.clear()
    harness.collect_nothing()
    assert user_commands.parse_ticked(harness.issues.get(1).body) == frozenset()
    assert len(replies(harness)) == 2
    assert harness.issues.comments(1)[0].reactions == ("+1",)


def test_a_dismissal_outlives_the_issue(workflow: WorkflowHarness):
    workflow.commit({"app.js": WORSE})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect").exit == 0
    first = min(
        markers.parse_blocks(workflow.issue.body), key=lambda b: b.tracked.fingerprint
    ).tracked
    hub = workflow.sandbox.github
    with connect(
        workflow.sandbox, workflow.github_repository.full_name, hub.token_for("octo")
    ) as client:
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
    del hub.repository(workflow.github_repository.full_name).issues[1]
    workflow.commit({"app.js": f"// moved\n{WORSE}"})
    workflow.run("submit")
    workflow.finish()
    assert workflow.run("collect").exit == 0
    tracked = [block.tracked for block in markers.parse_blocks(workflow.issue.body)]
    assert first.fingerprint not in {k.fingerprint for k in tracked if k.state in OPEN_STATES}
    assert len([k for k in tracked if k.state in OPEN_STATES]) == 1
