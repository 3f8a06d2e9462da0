"""What was saved: exact amounts by period, over tasks, and after compaction."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batch_action.ledger import savings
from batch_action.ledger.compaction import compact
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Collected, Intended, RequestKey, Sent, Usage
from batch_action.models.report import Savings, SavingsByPeriod
from batch_action.publishers.report_text import format_savings, format_savings_table
from tests.harness.replayed_runs import ledger, sha

NOW = datetime(2026, 11, 30, 6, 17, tzinfo=UTC)


def batch(number, at, interactive, paid, *, cache=None, tokens=(1000, 0)):
    """The facts of a collected batch."""
    intent, plain, read = f"{number:016x}", *tokens
    key = RequestKey(id=f"q{number}", path="a.py", blob=sha(str(number)))
    return (
        Intended(intent=intent, at=at, run="1.1", head=sha("head"), model="m", batches=((key,),)),
        Sent(
            intent=intent,
            index=0,
            batch=f"b{number}",
            created_at=at,
            expires_at=at + timedelta(days=1),
        ),
        Collected(
            batch=f"b{number}",
            at=at,
            usage=Usage(input_tokens=plain, cache_read_tokens=read, output_tokens=77),
            cost_usd=paid,
            interactive_usd=interactive,
            cache_saved_usd=cache,
            failed={},
        ),
    )


LAST_YEAR = batch(1, datetime(2025, 3, 1, tzinfo=UTC), 8.0, 4.0)
LAST_MONTH = batch(2, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC), 2.0, 1.0)
FIRST = batch(3, datetime(2026, 11, 1, tzinfo=UTC), 1.0, 0.5)
TODAY = batch(4, NOW, 3.0, 1.25, cache=0.25, tokens=(1000, 3000))
FUTURE = batch(5, datetime(2999, 1, 1, tzinfo=UTC), 64.0, 32.0)
ALL = (*LAST_YEAR, *LAST_MONTH, *FIRST, *TODAY)


def periods(*facts, run=TODAY):
    return savings.by_period(LedgerView(ledger(*facts)), run, NOW)


def amounts(period):
    return (
        period.interactive_usd,
        period.paid_usd,
        period.saved_usd,
        period.cache_saved_usd,
        period.cache_share,
    )


def test_each_period_has_its_batches():
    found = periods(*ALL)
    assert amounts(found.run) == (3.0, 1.25, 1.75, 0.25, 0.75)
    assert amounts(found.month) == (4.0, 1.75, 2.25, 0.25, 0.6)
    assert amounts(found.total) == (14.0, 6.75, 7.25, 0.25, 3000 / 7000)


def test_a_batch_of_a_wrong_clock_is_not_in_this_month():
    assert periods(*ALL, *FUTURE).month == periods(*ALL).month


def test_compaction_changes_no_amount():
    known = ledger(*ALL)
    short = compact(known, NOW + timedelta(days=400))
    assert short != known
    assert savings.by_period(LedgerView(short), TODAY, NOW) == periods(*ALL)


def test_tasks_are_added():
    two = [periods(*ALL), periods(*LAST_MONTH, *FIRST, run=())]
    both = SavingsByPeriod.sum(two)
    assert amounts(both.run) == amounts(two[0].run)
    assert amounts(both.month) == (5.0, 2.25, 2.75, 0.25, 0.5)
    assert amounts(both.total)[:3] == (17.0, 8.25, 8.75)
    assert SavingsByPeriod.sum([]) == SavingsByPeriod()


@pytest.mark.parametrize(("interactive", "paid"), [(None, None), (None, 1.0), (1.0, None)])
def test_an_unknown_cost_is_reported_and_no_zero(interactive, paid):
    unknown = batch(6, NOW, interactive, paid)
    mixed = periods(*ALL, *unknown, run=unknown)
    assert (mixed.month.batches, mixed.month.unknown_batches) == (3, 1)
    assert amounts(mixed.month)[:3] == (4.0, 1.75, 2.25)
    assert "without 1 batch of unknown price" in format_savings(mixed)
    table = format_savings_table(mixed)
    assert "| This run | not known | not known | not known | 0% |" in table
    assert "| This month | $4.00 | $1.75 + 1 batch of unknown price | $2.25 |" in table
    only = periods(*unknown, run=unknown)
    assert format_savings(only) == "What was saved is not known: no batch has a known price."


def test_the_sentence_and_the_table():
    found = periods(*ALL)
    assert format_savings(found) == (
        "Saved this month $2.25 of $4.00, since the beginning $7.25 of $14.00."
    )
    assert format_savings_table(found).splitlines()[2:] == [
        "| This run | $3.00 | $1.25 | $1.75 | 75% (saved $0.25) |",
        "| This month | $4.00 | $1.75 | $2.25 | 60% (saved $0.25) |",
        "| Since the beginning | $14.00 | $6.75 | $7.25 | 43% (saved $0.25) |",
    ]
    dear = replace(found, run=Savings(batches=1, cache_saved_usd=-0.02))
    assert "0% (cost $0.02 more)" in format_savings_table(dear)
