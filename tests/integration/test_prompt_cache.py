"""`prompt-cache: warm`: one request is sent first, and the others read its cache."""

from typing import Any

import pytest

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
    assert (sizes(warm), first.outputs["requests-count"]) == ([1], "1")
    assert first.outputs["backlog-count"] == "3"
    assert "fills the prompt cache" in first.summary
    warm.advance(HOUR / 4)
    second = warm.run()
    assert sizes(warm) == [1, 3]
    assert second.outputs["requests-count"] == "3"
    assert "The prompt cache is warm" in second.summary
    assert {str(m) for b in warm.batches for m in breakpoints(b)} == {
        "{'type': 'ephemeral', 'ttl': '1h'}"
    }
    warm.advance(HOUR)
    third = warm.run()
    assert third.outputs["findings-count"] == "8"
    (written,) = usages(warm, warm.batches[0])
    assert written["cache_creation"]["ephemeral_1h_input_tokens"] > 0
    assert all(usage["cache_read_input_tokens"] > 0 for usage in usages(warm, warm.batches[1]))
    assert len(warm.billed_ids) == len(set(warm.billed_ids)) == 4
    assert modes(warm) == ["warm-up", "warmed"]
    assert warm.run().outputs["status"] == "nothing-to-do"


def test_the_report_shows_what_the_cache_saved(warm: WorkflowHarness) -> None:
    warm.run("submit")
    collected = warm.run()
    assert "0% of input from cache, which cost $0.00" in collected.summary
    assert "more, including its warm-up" in collected.summary
    warm.advance(HOUR)
    reason = warm.run().summary
    assert "of input from cache, which saved $0.00" in reason
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
    share = sum(fact.usage.cache_read_tokens for fact in facts)
    assert share > 0
    saved = plain - billed
    assert saved > 0
    assert f"saved ${saved:.4f}" in reason


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


def test_wait_minutes_sends_both_in_one_run(warm: WorkflowHarness) -> None:
    done = warm.run(wait_minutes="5")
    assert (done.exit, sizes(warm)) == (0, [1, 3])
    assert done.outputs["requests-count"] == "4"
    assert done.ids == [batch.id for batch in warm.batches]
    assert done.outputs["backlog-count"] == "0"
    assert done.outputs["new-findings-count"] == "2"
    warm.advance(HOUR)
    assert warm.run().outputs["findings-count"] == "8"


def test_every_task_sends_its_warm_up_before_any_waits(warm: WorkflowHarness) -> None:
    warm.run(task="code-review, security-scan", wait_minutes="5")
    assert sizes(warm) == [1, 1, 3, 3]


def test_the_others_wait_while_it_runs_but_not_forever(warm: WorkflowHarness) -> None:
    warm.sandbox.anthropic.hold = True
    warm.run("submit")
    warm.advance(HOUR)
    waits = warm.run("submit")
    assert (waits.outputs["status"], sizes(warm)) == ("pending", [1])
    assert warm.batches[0].id in waits.summary
    warm.advance(1.5 * HOUR)
    cold = warm.run("submit")
    assert (cold.outputs["status"], sizes(warm)) == ("submitted", [1, 3])
    assert "takes too long" in cold.summary
    assert breakpoints(warm.batches[1]) == [None] * 3
    assert modes(warm) == ["warm-up", None]


def test_without_a_run_within_the_hour_they_are_sent_without_the_cache(
    warm: WorkflowHarness,
) -> None:
    warm.run("submit")
    warm.advance(2 * HOUR)
    warm.clock_skew = 7 * HOUR
    cold = warm.run()
    assert sizes(warm) == [1, 3]
    assert "more than 50 minutes ago" in cold.summary
    assert breakpoints(warm.batches[1]) == [None] * 3
    assert "findings-count" in cold.outputs


@pytest.mark.parametrize(
    ("changed_inputs", "reason"),
    [
        ({"model": "claude-opus-5-5"}, "another model"),
        ({"effort": "low"}, "another model or effort"),
        ({"prompt_cache": "off"}, "is off now"),
    ],
    ids=str,
)
def test_no_breakpoint_when_the_cache_would_not_be_read(
    warm: WorkflowHarness, changed_inputs: Any, reason: str
) -> None:
    warm.run("submit")
    later = warm.run("submit", **changed_inputs)
    assert reason in later.summary
    assert breakpoints(warm.batches[-1]) == [None] * len(warm.batches[-1].requests)


def test_a_later_file_waits_for_its_own_warm_up(warm: WorkflowHarness) -> None:
    warm.run("submit")
    (asked,) = warm.requested_paths(0)
    warm.advance(2 * HOUR)
    warm.commit(dict.fromkeys(set(FOUR) - {asked}))
    warm.commit({f"later-{name}": text for name, text in FOUR.items()})
    warm.run()
    assert (sizes(warm), modes(warm)) == ([1, 1], ["warm-up", "warm-up"])


def test_new_guidelines_make_the_cache_useless(warm: WorkflowHarness) -> None:
    warm.run("submit")
    warm.commit({"AGENTS.md": "Tabs, not spaces.\n"})
    later = warm.run("submit")
    assert "guidelines have changed" in later.summary
    assert breakpoints(warm.batches[-1]) == [None] * len(warm.batches[-1].requests)


def test_a_warm_up_without_an_answer_does_not_count(warm: WorkflowHarness) -> None:
    warm.sandbox.faults.add_outcome("errored:api_error")
    warm.run("submit")
    warm.finish()
    warm.sandbox.faults.clear()
    later = warm.run()
    assert "the warm-up was not answered" in later.summary
    assert sizes(warm) == [1, 4]
    assert breakpoints(warm.batches[1]) == [None] * 4


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
    warm.run("submit")
    first, rest = sorted(LedgerView(stored_ledger(warm)).facts(Intended), key=lambda x: x.at)
    assert first.worst_case_usd is not None
    assert rest.worst_case_usd is not None
    assert rest.worst_case_usd / 3 == pytest.approx(first.worst_case_usd, rel=0.05)
    # More than at the price of plain input: a cache write costs twice as much.
    assert first.worst_case_usd > 0.032


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["POST /v1/messages/batches", "GET /v1/messages/batches/{batch}"])
@pytest.mark.parametrize("nth", [0, 1])
def test_after_a_crash_nothing_is_paid_twice(
    warm: WorkflowHarness, call: str, when: str, nth: int
) -> None:
    if nth:
        warm.run("submit")
        warm.advance(600)
    run_until_crash(warm, "run", CrashPoint(call, when))
    for _ in range(4):
        warm.advance(HOUR)
        assert warm.run().exit == 0
    assert sorted(path_of_request(r) for b in warm.batches for r in b.requests) == sorted(FOUR)
    assert len(warm.billed_ids) == len(set(warm.billed_ids)) == 4
    ledger = stored_ledger(warm)
    assert (LedgerView(ledger).pending_batches, LedgerView(ledger).open_intents) == ((), ())
    assert warm.issue.body.count("<!-- batch-action:finding ") == 8
