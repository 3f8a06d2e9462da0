"""Queries on a ledger: is a cache warm-up outstanding?"""

import pytest

from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import (
    Collected,
    Intended,
    Rejected,
    RequestKey,
    Sent,
    Usage,
    Withdrawn,
)
from tests.harness.replayed_runs import hours, ledger, sha


def intended(number: int, mode=None, *, at: int | None = None) -> Intended:
    request_key = RequestKey(id=f"q{number}", path="a.py", blob=sha("a"))
    return Intended(
        intent=f"{number:016x}",
        at=hours(number if at is None else at),
        run="1.1",
        head=sha("head"),
        model="m",
        batches=((request_key,),),
        mode=mode,
    )


def sent(number: int) -> Sent:
    return Sent(
        intent=f"{number:016x}",
        index=0,
        batch=f"msgbatch_{number}",
        created_at=hours(number),
        expires_at=hours(number + 24),
    )


def collected(number: int, **failed: str) -> Collected:
    return Collected(batch=f"msgbatch_{number}", at=hours(9), usage=Usage(), failed=failed)


WARM = (intended(1, "warm-up"), sent(1))


@pytest.mark.parametrize(
    ("facts", "outstanding", "is_lost"),
    [
        ((), False, False),
        ((intended(1), sent(1)), False, False),
        (WARM, True, False),
        ((intended(1, "warm-up"),), True, False),
        ((*WARM, collected(1)), True, False),
        ((*WARM, collected(1, q1="refused")), True, True),
        ((*WARM, Withdrawn(batch="msgbatch_1", actor="", at=hours(2))), True, True),
        ((*WARM, intended(2, "warmed"), sent(2)), False, False),
        ((*WARM, intended(2)), False, False),
        # A submit whose intent was closed does not count.
        ((*WARM, intended(2), Rejected(intent=f"{2:016x}", batch=None)), True, False),
        ((intended(1, "warm-up"), Rejected(intent=f"{1:016x}", batch=None)), False, False),
        ((intended(1), sent(1), intended(2, "warm-up", at=0), sent(2)), False, False),
    ],
    ids=str,
)
def test_outstanding(facts, outstanding, is_lost):
    warm_up = LedgerView(ledger(*facts)).outstanding_warm_up
    assert (warm_up is not None) is outstanding
    assert bool(warm_up and warm_up.is_lost) is is_lost
