"""What the prompt cache saves, and what interactive requests cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.ledger import Usage
from batch_action.models.report import Spending
from batch_action.models.requests import Cost
from batch_action.publishers.report_text import format_cost
from batch_action.requests import pricing, send_strategy
from tests.harness.batches import a_request

PRICES = pricing.load()
MODELS = st.sampled_from(sorted(PRICES.models))
MINIMA = {
    "claude-fable-5": 512,
    "claude-opus-5-5": 512,
    "claude-opus-5": 512,
    "claude-opus-4-8": 1_024,
    "claude-opus-4-7": 2_048,
    "claude-opus-4-6": 4_096,
    "claude-sonnet-5-5": 512,
    "claude-sonnet-5": 1_024,
    "claude-sonnet-4-5-20250929": 1_024,
    "claude-haiku-5-5": 512,
    "claude-haiku-4-5": 4_096,
}
"""Tokens (Anthropic's prompt-caching page, September 2026)."""


def of(model: str, usages: list[Usage]) -> list[tuple[str, Usage]]:
    return [(model, usage) for usage in usages]


def test_every_model_has_a_cache_minimum():
    assert {name: PRICES.models[name].cache_minimum for name in MINIMA} == MINIMA
    assert all(rates.cache_minimum for rates in PRICES.models.values())


@given(model=MODELS, count=st.integers(1, 50), prefix=st.integers(1, 50_000))
def test_a_warm_up_pays_from_the_third_request_on(model, count, prefix):
    warm_up = Usage(cache_write_1h_tokens=prefix)
    others = [Usage(cache_read_tokens=prefix)] * (count - 1)
    saved = pricing.cache_saving(PRICES, of(model, [warm_up, *others]))
    assert saved is not None
    assert (saved > 0) is (count >= 3)


@given(model=MODELS, count=st.integers(1, 50), prefix=st.integers(1, 50_000))
def test_a_cold_batch_with_breakpoints_always_costs_more(model, count, prefix):
    written = [Usage(cache_write_1h_tokens=prefix)] * count
    assert (pricing.cache_saving(PRICES, of(model, written)) or 0) < 0


def test_without_cache_tokens_or_prices_there_is_no_saving():
    usage = Usage(input_tokens=5, output_tokens=7)
    assert pricing.without_cache(usage) == usage
    assert pricing.cache_saving(PRICES, of("claude-sonnet-5-5", [usage])) == 0
    assert pricing.cache_saving(PRICES, of("unheard-of", [usage])) is None
    assert pricing.total_usd(PRICES, of("unheard-of", [usage]), batched=False) is None


@given(model=MODELS, size=st.integers(0, 90_000))
def test_interactive_requests_cost_the_full_price(model, size):
    usage = [Usage(input_tokens=size, output_tokens=size)]
    full = pricing.total_usd(PRICES, of(model, usage), batched=False)
    assert full == pytest.approx(2 * (pricing.total_usd(PRICES, of(model, usage)) or 0))


COST = Cost(interactive_usd=0.4, batch_usd=0.2, batch_cached_usd=0.15)


@pytest.mark.parametrize(
    ("batched", "saved", "expected"),
    [
        (True, None, "this run $0.20 · would have cost: interactive $0.40, "),
        (False, None, "this run $0.40 (interactive, at full price) · "),
        (False, None, "would have cost: batch $0.20, batch + cache $0.15 · "),
        (True, None, "50% of input from cache"),
        (True, 0.05, "50% of input from cache, which saved $0.05, including its warm-up"),
        (True, -0.02, "50% of input from cache, which cost $0.02 more, including its warm-up"),
    ],
)
def test_the_cost_line_shows_the_price_that_was_paid(batched, saved, expected):
    spending = Spending(
        usage=Usage(),
        cost=COST,
        month_to_date_usd=None,
        cache_share=0.5,
        cache_saved_usd=saved,
        batched=batched,
    )
    assert expected in format_cost(spending)
    assert spending.saved_usd == pytest.approx(0.2 if batched else 0)


RUNS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["filled", "running", "failed"])),
    min_size=60,
    max_size=60,
)
"""The requests of each run, and what has become of its warm-up after `warm-minutes`."""


@given(MODELS, RUNS, st.integers(100, 20_000))
def test_sixty_runs_with_warm_ups_cost_at_most_a_write_each_more(model, runs, prefix):
    rates = PRICES.models[model]
    total = plain = writes = 0.0
    for count, state in runs:
        requests = [
            a_request(f"r{n}", input_tokens=prefix + 500, max_tokens=9) for n in range(count)
        ]
        off = [Usage(input_tokens=prefix + 500)] * count
        is_warm = send_strategy.saved_by_cache(PRICES, model, requests, prefix) > 0
        warm_up = Usage(input_tokens=500, cache_write_1h_tokens=prefix)
        other = off[0]
        if state == "filled":
            other = Usage(input_tokens=500, cache_read_tokens=prefix)
        usages = [warm_up, *[other] * (count - 1)] if is_warm else off
        cost = pricing.total_usd(PRICES, of(model, usages)) or 0
        cost_off = pricing.total_usd(PRICES, of(model, off)) or 0
        assert state != "filled" or not is_warm or cost < cost_off
        total, plain = total + cost, plain + cost_off
        writes += prefix * (rates.write_1h - rates.input) / 1e6 * PRICES.batch_discount * is_warm
    assert total <= plain + writes + 1e-9
