"""Annotations: the worst new ones, ten of a level, the rest in one sentence."""

import pytest

from batch_action.models.findings import FindingState, Severity
from batch_action.publishers.annotations import select_annotations
from tests.harness.reports import finding_status, published

EVERY = [s for s in Severity for _ in range(12)]


def test_levels_locations_and_messages():
    first, second, third = select_annotations(
        published(
            finding_status(1, severity=Severity.HIGH),
            finding_status(2, FindingState.BACK, severity=Severity.MEDIUM),
            finding_status(3, severity=Severity.LOW, explanation="", title=""),
            finding_status(4, FindingState.OPEN),
            finding_status(5, FindingState.FIXED),
        ),
        {},
    )[0]
    assert (first.level, first.path, first.line, first.end_line) == ("error", "src/db.py", 10, 12)
    assert first.title == "high: SQL from `name` (1)"
    assert first.message == "The name comes from outside."
    assert second.level == "warning"
    assert (third.level, third.title) == ("notice", "low: Untitled finding")
    assert third.message == "sql-injection"


def test_a_message_keeps_its_lists_and_code():
    text = "Two ways:\n- once\n```py\nx = 1\n```"
    ((one,), _) = select_annotations(published(finding_status(1, explanation=text)), {})
    assert one.message == text


@pytest.mark.parametrize(
    ("used", "counts", "rest"),
    [
        ({}, {"error": 10, "warning": 10, "notice": 9}, 19),
        ({"warning": 4, "error": 10}, {"error": 0, "warning": 6, "notice": 9}, 33),
        ({"notice": 11}, {"error": 10, "warning": 10, "notice": 0}, 28),
    ],
)
def test_ten_of_a_level_are_shown_and_the_rest_is_counted(used, counts, rest):
    news = [finding_status(n, severity=severity) for n, severity in enumerate(EVERY)]
    found, sentence = select_annotations(published(*news), used)
    levels = [one.level for one in found]
    assert {level: levels.count(level) for level in ("error", "warning", "notice")} == counts
    assert sentence.startswith(f"{rest} more new findings are not annotated")
    # The worst go first: twelve critical ones leave no place for the high ones.
    assert not [one for one in found if one.title.startswith("high")]


def test_annotations_within_the_limit_need_no_sentence():
    news = [finding_status(n, severity=Severity.LOW) for n in range(10)]
    found, sentence = select_annotations(published(*news), {})
    assert (len(found), sentence) == (10, "")
    found, sentence = select_annotations(
        published(*news, finding_status(11, severity=Severity.LOW)), {}
    )
    assert (len(found), sentence) == (
        9,
        "2 more new findings are not annotated: a step shows 10 annotations of a level.",
    )


def test_a_public_repository_shows_no_security_finding():
    whole = published(finding_status(1, security=True), hides_security=True)
    assert select_annotations(whole, {}) == ((), "")
