"""What batches and the prompt cache have saved, by the usage of the collected batches."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from batch_action.ledger.spend import month_start
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Fact
from batch_action.models.report import Savings, SavingsByPeriod


def savings_of(facts: Iterable[Fact]) -> Savings:
    """Return the savings of the batches that these facts say are collected."""
    collected = (_savings_of_batch(fact) for fact in facts if isinstance(fact, Collected))
    return sum(collected, Savings())


def by_period(view: LedgerView, collected: Iterable[Fact], now: datetime) -> SavingsByPeriod:
    """Return the savings of a run, of the month and of all runs.

    *view*: all facts that count; *collected*: those of this run.
    """
    start = month_start(now)
    end = month_start(start + timedelta(days=31))
    facts = view.facts(Collected)
    return SavingsByPeriod(
        run=savings_of(collected),
        month=savings_of(fact for fact in facts if start <= fact.at < end),
        total=savings_of(facts),
    )


def _savings_of_batch(fact: Collected) -> Savings:
    is_known = fact.cost_usd is not None and fact.interactive_usd is not None
    return Savings(
        batches=1,
        unknown_batches=0 if is_known else 1,
        interactive_usd=(fact.interactive_usd or 0.0) if is_known else 0.0,
        paid_usd=(fact.cost_usd or 0.0) if is_known else 0.0,
        cache_saved_usd=(fact.cache_saved_usd or 0.0) if is_known else 0.0,
        prompt_tokens=fact.usage.prompt_tokens,
        cache_read_tokens=fact.usage.cache_read_tokens,
    )
