"""What an output of a run is when several tasks have set it."""

import pytest

from batch_action.clients.actions_runner.commands import TELLING, joined


@pytest.mark.parametrize(
    ("name", "values", "whole"),
    [
        ("status", ["collected"], "collected"),
        ("status", ["nothing-to-do", "pending", "submitted", "collected"], "submitted"),
        ("status", ["nothing-to-do", "accumulated"], "accumulated"),
        ("batch-ids", ["b1,b2", "", "b3"], "b1,b2,b3"),
        ("requests-count", ["3", "0", "4"], "7"),
        ("cost-usd", ["0.100000", "0.050000"], "0.150000"),
        ("savings-usd", ["0.1", "-0.05"], "0.050000"),
        ("state-file", ["a.zip", "b.zip", "a.zip"], "a.zip\nb.zip"),
        ("anything-else", ["one", "two"], "one"),
        ("batch-ids", [], ""),
    ],
)
def test_each_kind_has_its_way(name, values, whole):
    assert joined(name, [{name: value} for value in values]) == whole


def test_who_has_not_set_it_does_not_count():
    assert joined("findings-count", [{}, {"findings-count": "2"}, {"status": "pending"}]) == "2"


def test_number_address_and_action_are_of_one_issue():
    none = {"issue-number": "", "issue-url": "", "issue-action": "skipped"}
    one = {"issue-number": "7", "issue-url": "https://x/7", "issue-action": "created"}
    two = {"issue-number": "9", "issue-url": "https://x/9", "issue-action": "updated"}
    whole = {name: joined(name, [none, one, two]) for name in one}
    assert whole == one
    assert {name: joined(name, [none, none]) for name in one} == none


def test_every_word_of_status_has_its_place():
    assert len(set(TELLING)) == len(TELLING)
