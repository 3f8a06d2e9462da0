"""Merging is commutative, associative and idempotent, and loses no fact."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.ledger import (
    Fact,
    Intended,
    Ledger,
    RequestKey,
    Withdrawn,
    disagree,
    merge,
)
from tests.harness.replayed_runs import EMPTY, facts, hours, ledger, ledgers, originals, versions


def canonical_json(fact: Fact) -> str:
    return fact.model_dump_json()


def json_of(known: Ledger) -> str:
    return known.model_dump_json()


@given(ledgers, ledgers)
def test_the_order_does_not_matter(one, two):
    assert json_of(merge(one, two)[0]) == json_of(merge(two, one)[0])


@given(ledgers, ledgers, ledgers)
def test_the_grouping_does_not_matter(one, two, three):
    left = merge(merge(one, two)[0], three)[0]
    right = merge(one, merge(two, three)[0])[0]
    assert json_of(left) == json_of(right) == json_of(merge(one, two, three)[0])


@given(ledgers, ledgers)
def test_merging_again_changes_nothing_and_warns_of_nothing_new(one, two):
    once, _ = merge(one, two)
    assert merge(once, once) == (once, [])
    assert json_of(merge(once, one, two)[0]) == json_of(once)


@given(ledgers, ledgers)
def test_no_fact_is_lost(one, two):
    both, warnings = merge(one, two)
    keys = {fact.key() for x in (one, two) for fact in x.facts}
    assert [fact.key() for fact in both.facts] == sorted(keys)
    assert set(both.merged_artifacts) == {*one.merged_artifacts, *two.merged_artifacts}
    unequal = {
        a.key() for a in one.facts for b in two.facts if a.key() == b.key() and disagree(a, b)
    }
    assert len(warnings) == len(unequal)


@given(facts, facts)
def test_of_two_values_for_one_key_the_same_one_stays_in_every_run(one, two):
    both, warnings = merge(ledger(one), ledger(two))
    assert both == merge(ledger(two), ledger(one))[0]
    if one.key() != two.key():
        assert set(map(canonical_json, both.facts)) == {canonical_json(one), canonical_json(two)}
        assert warnings == []
    elif disagree(one, two):
        assert both.facts[0] in (one, two)
        assert len(warnings) == 1
    else:
        assert warnings == []


@given(originals.flatmap(lambda fact: st.tuples(st.just(fact), versions(fact), versions(fact))))
def test_of_two_versions_of_a_fact_what_both_list_stays(three):
    original, *shortened = three
    (fact,) = merge(*map(ledger, three))[0].facts
    assert not any(disagree(fact, version) for version in three)
    assert original.key() == fact.key()
    for name in ("files", "removed", "failed", "batches"):
        for index, listed in enumerate(lists_of(original, name)):
            in_both = [x for x in listed if all(x in lists_of(v, name)[index] for v in shortened)]
            assert lists_of(fact, name)[index] == in_both


def lists_of(fact, name):
    """Return the lists of a fact that compaction may shorten."""
    value = getattr(fact, name, ())
    if isinstance(value, dict):
        return [list(value.items())]
    return [list(x) for x in value] if name == "batches" else [list(value)]


def test_numbers_of_what_is_no_longer_listed_stay():
    keys = tuple(
        RequestKey(id=f"q{n}", path="a.py", blob="0" * 40, part=n, parts=3) for n in (1, 2, 3)
    )
    intended = Intended(
        intent="0" * 16, at=hours(1), run="1.1", head="1" * 40, model="m", batches=(keys, keys[:1])
    )
    versions = [
        intended,
        intended.reduce(batches=(keys[:2], ()), sizes=intended.request_counts),
        intended.reduce(batches=(keys[1:], keys[:1]), sizes=intended.request_counts),
    ]
    for order in itertools.permutations(versions):
        (fact,) = merge(*map(ledger, order))[0].facts
        assert fact.batches == ((keys[1],), ())
        assert fact.request_counts == (3, 1)


def test_a_conflict_is_reported_once_by_its_key():
    by = [
        ledger(Withdrawn(batch="msgbatch_1", actor=who, at=hours(1))) for who in ("cy", "ada", "bo")
    ]
    for order in itertools.permutations(by):
        both, warnings = merge(*order)
        assert [fact.actor for fact in both.facts] == ["ada"]
        assert warnings == ["two unequal facts for withdrawn msgbatch_1"]


def test_one_time_in_two_time_zones_is_one_fact():
    lines = [
        f'{{"kind":"withdrawn","batch":"b","actor":"ada","at":"{at}"}}'
        for at in ("2026-11-01T02:00:00Z", "2026-11-01T03:00:00+01:00")
    ]
    one, two = (Withdrawn.model_validate_json(line) for line in lines)
    assert canonical_json(one) == canonical_json(two) == lines[0]
    assert merge(ledger(one), ledger(two))[1] == []


def test_the_newest_time_of_writing_counts():
    old, new = (EMPTY.model_copy(update={"written_at": hours(n)}) for n in (1, 2))
    assert merge(new, old, EMPTY)[0].written_at == hours(2)
    assert merge(EMPTY)[0].written_at is None


@given(ledgers, facts)
def test_adding_is_merging(one, fact):
    assert one.add(fact) == merge(one, one.model_copy(update={"facts": (fact,)}))[0]
    assert one.add() == one


@pytest.mark.parametrize("other", [{"task": "security-scan"}, {"repository": "43"}])
def test_ledgers_of_different_tasks_or_repositories_do_not_merge(other):
    with pytest.raises(ValueError, match="different tasks or repositories"):
        merge(EMPTY, EMPTY.model_copy(update=other))
