"""Costs: against the published prices, and the relations between the amounts."""

from dataclasses import replace
from datetime import date
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from batch_action.models.ledger import Usage
from batch_action.models.requests import Cost
from batch_action.requests import pricing

PRICES = pricing.load()
MILLION = 1_000_000

# Model: batch input, batch output, 5 min write, 1 h write, read (the last three interactive).
PUBLISHED = {
    "claude-fable-5-2": (4, 20, 10, 16, 0.20),
    "claude-fable-5-1": (5, 25, 12.5, 20, 0.25),
    "claude-fable-5": (5, 25, 12.5, 20, 1),
    "claude-opus-5-5": (2, 10, 5, 8, 0.20),
    "claude-opus-5": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-opus-4-8": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-opus-4-7": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-opus-4-6": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-opus-4-5": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-opus-4-5-20251101": (2.5, 12.5, 6.25, 10, 0.50),
    "claude-sonnet-5-5": (1, 5, 2.5, 4, 0.10),
    "claude-sonnet-5": (1, 5, 2.5, 4, 0.20),
    "claude-sonnet-4-6": (1.5, 7.5, 3.75, 6, 0.30),
    "claude-sonnet-4-5": (1.5, 7.5, 3.75, 6, 0.30),
    "claude-sonnet-4-5-20250929": (1.5, 7.5, 3.75, 6, 0.30),
    "claude-haiku-5-5": (0.05, 0.25, 0.125, 0.20, 0.01),
    "claude-haiku-4-5": (0.5, 2.5, 1.25, 2, 0.10),
    "claude-haiku-4-5-20251001": (0.5, 2.5, 1.25, 2, 0.10),
}
# The mythos models cost what the fable models of their number cost.
PUBLISHED |= {m.replace("fable", "mythos"): p for m, p in PUBLISHED.items() if "fable" in m}
HAIKU_OVER = (0.25, 1.25, 0.625, 1, 0.05)

counts = st.integers(0, 200_000)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    cache_read_tokens=counts,
)
models = st.sampled_from(sorted(PUBLISHED))


def of(model: str, usages: list[Usage]) -> list[tuple[str, Usage]]:
    return [(model, usage) for usage in usages]


def usd(model, **tokens):
    return pricing.total_usd(PRICES, of(model, [Usage(**tokens)]))


class TestPriceTable:
    def test_it_is_complete_and_dated(self):
        assert set(PRICES.models) == set(PUBLISHED)
        assert date(2026, 10, 8) <= PRICES.as_of <= date(2026, 11, 30)

    @pytest.mark.parametrize("model", PUBLISHED)
    def test_a_small_request_costs_what_was_published(self, model):
        # 1,000 tokens, so that no long-prompt price applies; per million, half for the batch.
        kinds = (
            "input_tokens",
            "output_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "cache_read_tokens",
        )
        paid = [usd(model, **{kind: 1000}) * 1000 for kind in kinds]
        batch_in, batch_out, *cache = PUBLISHED[model]
        assert paid == pytest.approx([batch_in, batch_out, *(price / 2 for price in cache)])

    @pytest.mark.parametrize("model", PUBLISHED)
    def test_the_cache_multiplies_the_input_price(self, model):
        rates = PRICES.models[model]
        assert rates.write_5m == pytest.approx(1.25 * rates.input)
        assert rates.write_1h == pytest.approx(2 * rates.input)
        share = {"claude-opus-5-5": 0.05, "claude-sonnet-5-5": 0.05, "claude-fable-5": 0.1}
        model = model.replace("mythos", "fable")
        some = 0.025 if model in {"claude-fable-5-1", "claude-fable-5-2"} else 0.1
        assert rates.read == pytest.approx(share.get(model, some) * rates.input)

    @pytest.mark.parametrize(
        ("tokens", "over"),
        [
            ({"input_tokens": 100_000}, False),
            ({"input_tokens": 100_001}, True),
            ({"input_tokens": 1, "cache_read_tokens": 100_000}, True),
            ({"input_tokens": 50_000, "cache_write_1h_tokens": 50_000}, False),
            ({"input_tokens": 50_000, "cache_write_5m_tokens": 50_001}, True),
            ({"output_tokens": 150_000, "input_tokens": 1}, False),
        ],
    )
    def test_a_long_prompt_is_repriced_as_a_whole_with_its_cached_tokens(self, tokens, over):
        rates = HAIKU_OVER if over else PUBLISHED["claude-haiku-5-5"]
        batch_in, batch_out, write_5m, write_1h, read = rates
        expected = (
            tokens.get("input_tokens", 0) * batch_in
            + (tokens.get("output_tokens", 0) + 1000) * batch_out
            + tokens.get("cache_write_5m_tokens", 0) * write_5m / 2
            + tokens.get("cache_write_1h_tokens", 0) * write_1h / 2
            + tokens.get("cache_read_tokens", 0) * read / 2
        ) / MILLION
        whole = {**tokens, "output_tokens": tokens.get("output_tokens", 0) + 1000}
        assert usd("claude-haiku-5-5", **whole) == pytest.approx(expected)

    def test_each_request_is_repriced_by_itself(self):
        small = [Usage(input_tokens=60_000)] * 2
        assert pricing.total_usd(PRICES, of("claude-haiku-5-5", small)) == pytest.approx(0.006)

    def test_an_unknown_model_is_unpriced_never_free(self):
        assert pricing.total_usd(PRICES, of("claude-new", [Usage()])) is None
        for made in (pricing.estimate_cost, pricing.actual_cost):
            cost = made(PRICES, of("claude-new", [Usage(input_tokens=1)]), 0)
            assert cost == Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
            assert not cost.is_priced

    def test_a_worked_example(self):
        report = [Usage(input_tokens=12_000, output_tokens=2_000)] * 40
        for model, dollars in (
            ("claude-sonnet-5-5", 0.88),
            ("claude-opus-5-5", 1.76),
            ("claude-haiku-5-5", 0.044),
        ):
            cost = pricing.estimate_cost(PRICES, of(model, report), 0)
            assert cost.batch_usd == pytest.approx(dollars)
            assert cost.interactive_usd == pytest.approx(2 * dollars)


class TestEstimateCost:
    @given(models, st.lists(usages, max_size=6), counts)
    def test_batch_is_half_of_interactive(self, model, found, shared):
        cost = pricing.estimate_cost(PRICES, of(model, found), shared)
        assert cost.interactive_usd == pytest.approx(2 * cost.batch_usd)

    @given(models, st.integers(1, 50_000), st.lists(st.integers(0, 100_000), min_size=3))
    def test_a_shared_prefix_pays_from_the_third_request_on(self, model, shared, rests):
        found = [Usage(input_tokens=shared + rest, output_tokens=9) for rest in rests]
        cost = pricing.estimate_cost(PRICES, of(model, found), shared)
        assert cost.batch_cached_usd <= cost.batch_usd

    @given(models, st.integers(1000, 50_000), st.integers(0, 40_000))
    def test_a_single_cold_request_pays_extra(self, model, shared, rest):
        found = [Usage(input_tokens=shared + rest)]
        cost = pricing.estimate_cost(PRICES, of(model, found), shared)
        assert cost.batch_cached_usd > cost.batch_usd

    @given(models, st.lists(usages, max_size=6), counts)
    def test_they_do_not_depend_on_what_was_cached(self, model, found, shared):
        plain = [Usage(input_tokens=u.prompt_tokens, output_tokens=u.output_tokens) for u in found]
        assert pricing.estimate_cost(PRICES, of(model, found), shared) == pricing.estimate_cost(
            PRICES, of(model, plain), shared
        )

    @given(models, st.lists(usages, max_size=6), usages)
    def test_one_request_more_is_never_cheaper(self, model, found, one):
        before = pricing.total_usd(PRICES, of(model, found))
        assert pricing.total_usd(PRICES, of(model, [*found, one])) >= before


class TestActualCost:
    @given(models, st.lists(usages, max_size=6), counts)
    def test_batch_is_what_was_billed(self, model, found, shared):
        cost = pricing.actual_cost(PRICES, of(model, found), shared)
        assert cost.batch_usd == pricing.total_usd(PRICES, of(model, found))
        estimate = pricing.estimate_cost(PRICES, of(model, found), shared)
        assert cost.interactive_usd == estimate.interactive_usd
        read = any(u.cache_read_tokens for u in found)
        assert cost.batch_cached_usd == (cost.batch_usd if read else estimate.batch_cached_usd)
        unknown = pricing.actual_cost(PRICES, of(model, found), None)
        cached = cost.batch_usd if read else None
        assert unknown == replace(cost, batch_cached_usd=cached)


class TestTokenEstimates:
    @given(st.integers(0, 10**9), st.floats(0.5, 8))
    def test_it_is_never_too_small(self, size, ratio):
        tokens = pricing.estimate_tokens(size, ratio)
        assert tokens * ratio >= size * (1 - 1e-9)
        assert tokens <= size / ratio + 1

    @given(st.lists(st.integers(1, 10**6), max_size=60), st.integers(2, 12))
    def test_a_sample_is_small_and_holds_the_largest_and_the_smallest(self, sizes, most):
        chosen = pricing.sample_indexes(sizes, most)
        assert len(set(chosen)) == len(chosen) == min(most, len(sizes))
        assert all(0 <= index < len(sizes) for index in chosen)
        if sizes:
            taken = [sizes[index] for index in chosen]
            assert (min(taken), max(taken)) == (min(sizes), max(sizes))

    @pytest.mark.parametrize(
        ("counted", "ratio", "spread"),
        [
            ([(1000, 400)], 2.5, 0.0),
            ([(1000, 400), (3000, 1200)], 2.5, 0.0),
            ([(1000, 500), (1000, 250)], 2000 / 750, 0.375),
            ([(10, 0)], 10.0, 1.0),
        ],
    )
    def test_ratio_and_spread(self, counted, ratio, spread):
        assert pricing.bytes_per_token(counted) == (pytest.approx(ratio), pytest.approx(spread))

    def test_an_empty_sample_has_no_ratio(self):
        with pytest.raises(ValueError, match="empty"):
            pricing.bytes_per_token([])


class TestOverrides:
    RATES: ClassVar = {"input": 1, "output": 2, "write_5m": 1.25, "write_1h": 2, "read": 0.1}

    def test_they_override_the_packaged_table(self):
        prices = pricing.load({"claude-new": self.RATES, "claude-opus-5-5": self.RATES})
        assert pricing.total_usd(prices, of("claude-new", [Usage(output_tokens=MILLION)])) == 1
        assert (
            pricing.total_usd(prices, of("claude-opus-5-5", [Usage(input_tokens=MILLION)])) == 0.5
        )
        assert prices.models["claude-sonnet-5-5"] == PRICES.models["claude-sonnet-5-5"]
        assert pricing.load() == PRICES

    @pytest.mark.parametrize(
        "rates",
        [
            {},
            None,
            5,
            {"input": 1},
            RATES | {"input": -1},
            RATES | {"input": "cheap"},
            RATES | {"input": float("nan")},
            RATES | {"output": float("inf")},
            RATES | {"batch": 1},
            RATES | {"long_context": {"tokens": 0, **RATES}},
            RATES | {"long_context": RATES},
        ],
    )
    def test_an_invalid_one_is_refused_with_the_models_name(self, rates):
        with pytest.raises(ValidationError) as caught:
            pricing.load({"claude-new": rates})
        assert caught.value.errors()[0]["loc"][:2] == ("models", "claude-new")
