"""The outputs of a run with several tasks."""

import pytest

from batch_action.clients.actions_runner import STATUS_ORDER, combine_outputs


@pytest.mark.parametrize(
    ("name", "values", "combined"),
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
def test_each_kind_of_output_is_combined(name, values, combined):
    assert combine_outputs(name, [{name: value} for value in values]) == combined


def test_a_task_without_the_output_does_not_count():
    assert (
        combine_outputs("findings-count", [{}, {"findings-count": "2"}, {"status": "pending"}])
        == "2"
    )


def test_number_url_and_action_are_of_one_issue():
    none = {"issue-number": "", "issue-url": "", "issue-action": "skipped"}
    one = {"issue-number": "7", "issue-url": "https://x/7", "issue-action": "created"}
    two = {"issue-number": "9", "issue-url": "https://x/9", "issue-action": "updated"}
    combined = {name: combine_outputs(name, [none, one, two]) for name in one}
    assert combined == one
    assert {name: combine_outputs(name, [none, none]) for name in one} == none


def test_every_status_has_its_rank():
    assert len(set(STATUS_ORDER)) == len(STATUS_ORDER)
