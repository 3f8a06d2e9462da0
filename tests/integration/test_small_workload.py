"""A small workload: sent as usual, accumulated, or sent interactively at full price."""

from datetime import datetime
from pathlib import Path

import pytest

from batch_action.cli.main import enter
from batch_action.errors import Interrupted
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Intended, Sent
from tests.crashes.cells import run_until_crash, stored_ledger
from tests.crashes.crash_point import CrashPoint
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, DAY, GOOD, HOUR, WORSE, WorkflowHarness

FEW = {"min_requests": "3"}
ACCUMULATE = {**FEW, "small_workload": "accumulate"}
INTERACTIVE = {**FEW, "small_workload": "interactive"}
WORST = 0.0305
"""What one small file can cost at the most in a batch, in US dollars."""


def interactive_requests(workflow: WorkflowHarness) -> int:
    """Count the requests to the Messages API."""
    return sum(
        c.method == "POST" and c.path == "/v1/messages" for c in workflow.sandbox.faults.calls
    )


@pytest.fixture
def counted(workflow: WorkflowHarness) -> WorkflowHarness:
    """A workflow whose calls are counted from here on."""
    workflow.sandbox.faults.calls.clear()
    return workflow


def test_it_is_sent_as_usual_by_default(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    assert workflow.run("submit", **FEW).outputs["status"] == "submitted"


def test_it_waits_for_more_and_is_sent_with_it(workflow: WorkflowHarness) -> None:
    workflow.inputs |= ACCUMULATE
    workflow.commit({"a.js": BAD})
    first = workflow.run("submit")
    assert (first.exit, first.outputs["status"]) == (0, "accumulated")
    assert (first.outputs["requests-count"], first.outputs["backlog-count"]) == ("0", "1")
    assert "1 open, fewer than" in first.summary
    facts = stored_ledger(workflow).facts
    assert [fact.kind for fact in facts] == ["selected"]
    writes = len(workflow.artifacts)
    assert workflow.run("submit").outputs["status"] == "accumulated"
    assert len(workflow.artifacts) == writes
    workflow.advance(DAY)
    workflow.commit({"b.js": BAD.replace("x", "y"), "c.js": WORSE})
    assert workflow.run("submit").outputs["status"] == "submitted"
    assert workflow.requested_paths() == ["a.js", "b.js", "c.js"]


def test_it_does_not_wait_forever(workflow: WorkflowHarness) -> None:
    workflow.inputs |= ACCUMULATE | {"max_wait_days": "2"}
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.advance(DAY)
    workflow.commit({"b.js": BAD.replace("x", "y")})
    assert workflow.run("submit").outputs["status"] == "accumulated"
    workflow.advance(DAY)
    sent = workflow.run("submit")
    assert sent.outputs["status"] == "submitted"
    assert "has waited since" in sent.summary
    assert workflow.requested_paths() == ["a.js", "b.js"]


def test_a_file_that_changes_while_it_waits_is_compared_with_what_was_reviewed(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"a.js": GOOD})
    workflow.run()
    workflow.run()
    workflow.inputs |= ACCUMULATE | {"max_wait_days": "2"}
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.advance(DAY)
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    workflow.advance(DAY)
    workflow.run("submit")
    (request,) = workflow.batches[-1].requests
    assert "- |   return x + 1;" in request["params"]["messages"][0]["content"]


def test_interactive_requests_are_published_in_the_same_run(counted: WorkflowHarness) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    done = workflow.run(**INTERACTIVE)
    assert (done.exit, workflow.batches, interactive_requests(workflow)) == (0, [], 2)
    assert done.outputs["status"] == "collected"
    assert done.outputs["requests-count"] == "2"
    assert done.outputs["new-findings-count"] == "4"
    assert "a.js" in workflow.issue.body
    assert "sends and pays for them again" in done.summary
    assert "(interactive, at full price)" in done.summary
    assert "batch $" in done.summary.partition("would have cost")[2]
    assert (float(done.outputs["cost-usd"]) > 0, float(done.outputs["savings-usd"])) == (True, 0)
    ledger = stored_ledger(workflow)
    (sent,) = LedgerView(ledger).facts(Sent)
    assert sent.batch.startswith("interactive-")
    (collected,) = LedgerView(ledger).facts(Collected)
    full = collected.cost_usd
    assert full == pytest.approx(float(done.outputs["cost-usd"]), abs=1e-6)
    # An answered request is not sent again.
    assert workflow.run(**INTERACTIVE).outputs["status"] == "nothing-to-do"
    assert interactive_requests(workflow) == 2


def test_the_budget_counts_the_full_price(counted: WorkflowHarness) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD})
    cap = WORST * 1.5
    assert workflow.run("submit", **INTERACTIVE, max_cost_usd=str(cap)).exit == 3
    assert interactive_requests(workflow) == 0
    assert workflow.run("submit", max_cost_usd=str(cap)).exit == 0


def test_an_unanswered_file_is_backlog_and_the_rest_is_published(counted: WorkflowHarness) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    # Five refusals are one request's three tries and two of the other's.
    workflow.sandbox.faults.add("status", method="POST", path="/v1/messages$", times=5, status=529)
    done = workflow.run(**INTERACTIVE)
    assert done.exit == 0
    assert done.outputs["new-findings-count"] == "2"
    assert "unanswered" in done.summary
    ledger = stored_ledger(workflow)
    assert len(LedgerView(ledger).backlog(max_attempts=1)) == 1
    workflow.advance(DAY)
    assert workflow.run(**INTERACTIVE).outputs["findings-count"] == "4"


def test_without_any_answer_the_run_fails_and_the_next_one_sends_again(
    counted: WorkflowHarness,
) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", method="POST", path="/v1/messages$", times=9, status=529)
    assert workflow.run(**INTERACTIVE).exit == 4
    assert LedgerView(stored_ledger(workflow)).open_intents == ()
    workflow.sandbox.faults.clear()
    assert workflow.run(**INTERACTIVE).outputs["new-findings-count"] == "2"


def test_a_key_without_credit_stops_after_its_first_answer(counted: WorkflowHarness) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    workflow.sandbox.faults.add("status", method="POST", path="/v1/messages$", times=9, status=402)
    result = workflow.run("submit", **INTERACTIVE)
    assert result.exit == 4
    assert "402" in result.summary
    assert workflow.batches == []


def test_answers_that_cannot_be_published_are_paid_for_once_more_at_most(
    counted: WorkflowHarness,
) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="github", method="POST", path="/issues$", times=9)
    lost = workflow.run(**INTERACTIVE)
    assert lost.exit == 5
    ledger = stored_ledger(workflow)
    (collected,) = LedgerView(ledger).facts(Collected)
    assert set(collected.failed.values()) == {"undelivered"}
    assert collected.cost_usd is not None
    assert collected.cost_usd > 0
    # Not at full price again: the results of a batch can be read again.
    again = workflow.run(**INTERACTIVE)
    assert "can be read again" in again.summary
    assert (interactive_requests(workflow), len(workflow.batches)) == (1, 1)
    workflow.sandbox.faults.clear()
    assert workflow.run(**INTERACTIVE).outputs["new-findings-count"] == "2"


def test_a_run_that_crashed_is_reported_and_its_files_are_backlog(
    counted: WorkflowHarness,
) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD})
    intent = abandoned(workflow)
    # The other run may still be sending, so this one does not.
    assert workflow.run(**INTERACTIVE).outputs["status"] == "nothing-to-do"
    assert interactive_requests(workflow) == 1
    workflow.advance(2 * HOUR)
    workflow.clock_skew = -5 * HOUR  # The runner's clock does not count.
    result = workflow.run(**INTERACTIVE)
    assert result.outputs["new-findings-count"] == "2"
    assert "may be paid for twice" in "".join(result.annotations("warning"))
    assert interactive_requests(workflow) == 2
    intents = {fact.intent for fact in LedgerView(stored_ledger(workflow)).facts(Intended)}
    assert len(intents - {intent}) == 1


def abandoned(workflow: WorkflowHarness) -> str:
    """A run that dies when its answer is there; its intent."""
    workflow.inputs |= INTERACTIVE
    run_until_crash(workflow, "submit", CrashPoint("POST /v1/messages", "after"))
    (open_,) = LedgerView(stored_ledger(workflow)).open_intents
    assert open_.intended.mode == "interactive"
    return open_.intended.intent


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["POST /issues", "POST ArtifactService/FinalizeArtifact"])
def test_a_crash_anywhere_else_loses_no_file(
    counted: WorkflowHarness, call: str, when: str
) -> None:
    workflow = counted
    workflow.commit({"a.js": BAD})
    workflow.inputs |= INTERACTIVE
    run_until_crash(workflow, "submit", CrashPoint(call, when))
    workflow.advance(2 * HOUR)
    workflow.run()
    workflow.advance(2 * HOUR)
    assert workflow.run().exit == 0
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 2
    assert not LedgerView(stored_ledger(workflow)).open_intents
    assert not LedgerView(stored_ledger(workflow)).pending_batches
    assert interactive_requests(workflow) <= 2


def test_an_interrupt_puts_the_files_in_the_backlog(counted: WorkflowHarness) -> None:
    workflow = counted
    workflow.commit({f"{n}.js": f"// {n}\n{BAD}" for n in range(6)})
    signals = iter([True])

    def clock() -> datetime:
        if interactive_requests(workflow) and next(signals, False):
            raise Interrupted
        return workflow.sandbox.clock.now()

    run = workflow.open({})
    environ = workflow.step(run, "submit", small_workload="interactive")
    code = enter(["action"], environ, clock=clock, sleep=lambda _: None, write_interval=0.0)
    workflow.sandbox.github.finish_run(run, "failure")
    assert code == 130
    assert "Interrupted while" in Path(environ["GITHUB_STEP_SUMMARY"]).read_text("utf-8")
    ledger = stored_ledger(workflow)
    assert LedgerView(ledger).open_intents == ()
    assert len(LedgerView(ledger).backlog(max_attempts=1)) == 6


def test_plan_shows_how_it_would_be_sent(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    config = {f"BATCH_ACTION_{k.upper()}": v for k, v in INTERACTIVE.items()}
    plain = workflow.cli("plan", "--json", "--base", "HEAD~1").tasks[0]
    shown_plan = workflow.cli("plan", "--json", "--base", "HEAD~1", environ=config).tasks[0]
    assert (plain["mode"], plain["note"], shown_plan["mode"]) == ("batch", "", "interactive")
    assert shown_plan["cost"]["due_usd"] == pytest.approx(2 * plain["cost"]["due_usd"])
    assert "sent now" in shown_plan["note"]
    shown = workflow.cli("plan", "--base", "HEAD~1", environ=config)
    assert "sent now" in " ".join(shown.stderr.split())


def test_a_pull_request_does_not_wait_for_more(workflow: WorkflowHarness) -> None:
    workflow.environ["BATCH_ACTION_SMALL_WORKLOAD"] = "accumulate"
    workflow.environ["BATCH_ACTION_PROMPT_CACHE"] = "warm"
    pull = PullRequestHarness.open(workflow, {f"{name}.js": WORSE for name in "abcd"})
    assert pull.run().exit == 0
    assert workflow.requested_paths() == ["a.js", "b.js", "c.js", "d.js"]
