"""`prompt-cache: warm`: one request is sent first, and the others read its cache."""

from typing import Any

import pytest

from batch_action.errors import Interrupted
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Intended
from batch_action.requests import pricing
from batch_action.sandbox.anthropic.batches import Batch
from batch_action.text import format_dollars
from tests.crashes.cells import run_until_crash, stored_ledger
from tests.crashes.crash_point import CrashPoint
from tests.harness.workflow import BAD, HOUR, WorkflowHarness, path_of_request

FOUR = {f"{name}.js": BAD.replace("run", name) for name in ("one", "two", "three", "four")}
WARM = {"prompt_cache": "warm"}


def sizes(workflow: WorkflowHarness) -> list[int]:
    return [len(batch.requests) for batch in workflow.batches]


def breakpoints(batch: Batch) -> list[Any]:
    return [r["params"]["system"][-1].get("cache_control") for r in batch.requests]


def usages(workflow: WorkflowHarness, batch: Batch) -> list[Any]:
    billed = workflow.sandbox.anthropic.billed()
    return [one.usage for one in billed if one.batch_id == batch.id]


def modes(workflow: WorkflowHarness) -> list[str | None]:
    found = LedgerView(stored_ledger(workflow)).facts(Intended)
    return [intended.mode for intended in sorted(found, key=lambda x: x.at)]


@pytest.fixture
def warm(workflow: WorkflowHarness) -> WorkflowHarness:
    """Four files to review, with the prompt cache."""
    workflow.inputs |= WARM
    workflow.commit(FOUR)
    return workflow


def test_off_is_the_default_and_sets_no_breakpoint(workflow: WorkflowHarness) -> None:
    workflow.commit(FOUR)
    workflow.run("submit")
    assert (sizes(workflow), breakpoints(workflow.batches[0])) == ([4], [None] * 4)


def test_one_request_is_sent_first_and_the_others_read_its_cache(warm: WorkflowHarness) -> None:
    first = warm.run("submit")
    assert (sizes(warm), first.outputs["requests-count"]) == ([1, 3], "4")
    assert (first.outputs["status"], first.outputs["backlog-count"]) == ("submitted", "0")
    assert first.outputs["batch-ids"] == ",".join(batch.id for batch in warm.batches)
    assert "fills the prompt cache" in first.summary
    assert "The prompt cache is warm" in first.log
    assert {str(m) for b in warm.batches for m in breakpoints(b)} == {
        "{'type': 'ephemeral', 'ttl': '1h'}"
    }
    assert modes(warm) == ["warm-up"]
    warm.advance(HOUR)
    assert warm.run().outputs["findings-count"] == "8"
    (written,) = usages(warm, warm.batches[0])
    assert written["cache_creation"]["ephemeral_1h_input_tokens"] > 0
    assert all(usage["cache_read_input_tokens"] > 0 for usage in usages(warm, warm.batches[1]))
    assert len(warm.billed_ids) == len(set(warm.billed_ids)) == 4
    assert warm.run().outputs["status"] == "nothing-to-do"


def test_the_report_shows_what_the_cache_saved(warm: WorkflowHarness) -> None:
    warm.run("submit")
    warm.advance(HOUR)
    reason = warm.run().summary
    facts = list(LedgerView(stored_ledger(warm)).facts(Collected))
    billed = sum(fact.cost_usd or 0 for fact in facts)
    plain = (
        sum(
            fact.usage.input_tokens
            + fact.usage.cache_write_1h_tokens
            + fact.usage.cache_read_tokens
            + 5 * fact.usage.output_tokens
            for fact in facts
        )
        * 1e-6
    )
    assert sum(fact.usage.cache_read_tokens for fact in facts) > 0
    saved = plain - billed
    assert saved > 0
    assert f"of input from cache, which saved ${saved:.4f}, including its warm-up" in reason


def test_collect_prices_the_cache_with_the_tokens_that_submit_recorded(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit(FOUR)
    workflow.run("submit")
    workflow.finish()
    (intended,) = LedgerView(stored_ledger(workflow)).facts(Intended)
    shared = intended.shared_tokens
    assert shared
    collected = workflow.run("collect")
    (fact,) = LedgerView(stored_ledger(workflow)).facts(Collected)
    assert fact.cost_usd
    rates = pricing.load().models[intended.model]
    # One request writes the prefix and three read it, all at half price.
    difference = rates.write_1h + 3 * rates.read - 4 * rates.input
    cached = fact.cost_usd + shared * difference / 2e6
    assert f"batch + cache {format_dollars(cached)}" in collected.summary


@pytest.mark.parametrize("minutes", [0, 2.5, 10])
def test_the_others_wait_for_it_at_most_warm_minutes(
    workflow: WorkflowHarness, minutes: float
) -> None:
    warm = workflow
    warm.inputs |= WARM
    warm.commit({**FOUR, ".github/batch-action.yml": f"warm-minutes: {minutes}\n"})
    warm.sandbox.anthropic.hold = True
    pauses: list[float] = []
    warm.sleep = pauses.append
    cold = warm.run("submit")
    assert (cold.outputs["status"], sizes(warm)) == ("submitted", [1, 3])
    # The ledger pauses for some seconds before it deletes what it replaced.
    assert 0 <= sum(pauses) - 60 * minutes < 30
    assert "still running" in cold.log
    assert breakpoints(warm.batches[1]) == [None] * 3
    warm.finish()
    assert warm.run().outputs["findings-count"] == "8"


@pytest.mark.parametrize("failure", ["errored:api_error", "expired", "canceled"])
def test_a_warm_up_without_an_answer_does_not_count(warm: WorkflowHarness, failure: str) -> None:
    warm.sandbox.faults.add_outcome(failure)
    later = warm.run("submit")
    assert "was not filled" in later.log
    assert sizes(warm) == [1, 3]
    assert breakpoints(warm.batches[1]) == [None] * 3


def test_every_task_waits_for_its_own_warm_up(warm: WorkflowHarness) -> None:
    warm.run(task="code-review, security-scan")
    assert sizes(warm) == [1, 3, 1, 3]


def test_an_interrupt_while_waiting_leaves_the_rest_in_the_backlog(warm: WorkflowHarness) -> None:
    def interrupt(_seconds: float) -> None:
        raise Interrupted

    warm.sandbox.anthropic.hold = True
    warm.sleep = interrupt
    assert warm.run("submit").exit == 130
    view = LedgerView(stored_ledger(warm))
    assert (sizes(warm), len(view.pending_batches), view.open_intents) == ([1], 1, ())
    warm.sleep = lambda _seconds: None
    warm.sandbox.anthropic.hold = False
    warm.finish()
    warm.run()
    assert sorted(path for n in range(len(sizes(warm))) for path in warm.requested_paths(n)) == (
        sorted(FOUR)
    )


@pytest.mark.parametrize("fault", ["none", "hold", "errored:api_error"])
def test_it_is_at_most_one_write_dearer_than_off(warm: WorkflowHarness, fault: str) -> None:
    if fault == "hold":
        warm.sandbox.anthropic.hold = True
    elif fault != "none":
        warm.sandbox.faults.add_outcome(fault)
    warm.run("submit")
    warm.finish()
    [intended] = LedgerView(stored_ledger(warm)).facts(Intended)
    rates = pricing.load().models[intended.model]
    paid = plain = write = 0.0
    for usage in (u for batch in warm.batches for u in usages(warm, batch)):
        written = usage["cache_creation"]["ephemeral_1h_input_tokens"]
        read, rest = usage["cache_read_input_tokens"], usage["input_tokens"]
        paid += written * rates.write_1h + read * rates.read + rest * rates.input
        plain += (written + read + rest) * rates.input
        write = max(write, written * (rates.write_1h - rates.input))
    assert paid <= plain + write
    assert (paid < plain) is (fault == "none")


def test_the_plan_says_what_it_saves_and_how_long_it_takes(workflow: WorkflowHarness) -> None:
    workflow.commit(FOUR)
    argv = ("plan", "--first-run", "all")
    off = workflow.cli(*argv)
    assert "`prompt-cache: warm` would save about $" in off.log
    assert "holds the run for at most 10 minutes" in " ".join(off.log.split())
    warm = workflow.cli(*argv, "--prompt-cache", "warm", "--json").tasks[0]
    assert warm["cost"]["saved_by_cache_usd"] > 0
    assert warm["mode"] == "warm-up"


@pytest.mark.parametrize(
    ("files", "inputs", "reason"),
    [
        ({"a.js": BAD}, {}, "so few requests"),
        (FOUR, {"model": "claude-haiku-4-5"}, "caches a prefix of 4,096 or more"),
        (FOUR, {"max_cost_usd": "0.07"}, "too few requests fit the budget"),
    ],
    ids=["few", "short", "dear"],
)
def test_no_warm_up_when_it_would_not_pay_off(
    workflow: WorkflowHarness, files: dict[str, str], inputs: dict[str, str], reason: str
) -> None:
    workflow.commit(files)
    if "model" in inputs:
        inputs = {**inputs, "effort": "none"}
    result = workflow.run("submit", **WARM, **inputs)
    assert result.exit == 0
    assert reason in result.summary
    assert breakpoints(workflow.batches[0]) == [None] * len(workflow.batches[0].requests)


def test_the_worst_case_is_a_cache_that_no_request_reads(warm: WorkflowHarness) -> None:
    warm.run("submit")
    (intended,) = LedgerView(stored_ledger(warm)).facts(Intended)
    assert intended.worst_case_usd is not None
    # More than at the price of plain input: a cache write costs twice as much.
    assert intended.worst_case_usd / 4 > 0.032


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["POST /v1/messages/batches", "GET /v1/messages/batches/{batch}"])
def test_after_a_crash_nothing_is_paid_twice(warm: WorkflowHarness, call: str, when: str) -> None:
    run_until_crash(warm, "run", CrashPoint(call, when))
    for _ in range(4):
        warm.advance(HOUR)
        assert warm.run().exit == 0
    assert sorted(path_of_request(r) for b in warm.batches for r in b.requests) == sorted(FOUR)
    assert len(warm.billed_ids) == len(set(warm.billed_ids)) == 4
    ledger = stored_ledger(warm)
    assert (LedgerView(ledger).pending_batches, LedgerView(ledger).open_intents) == ((), ())
    assert warm.issue.body.count("<!-- batch-action:finding ") == 8
