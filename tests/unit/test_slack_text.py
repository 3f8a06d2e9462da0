"""The message for Slack: its headline, when there is none, and Slack's limits."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import given

from batch_action.models.findings import FindingState, Severity
from batch_action.models.report import DestinationResult, FileStatus, FileStatusEntry, FileStatuses
from batch_action.publishers import slack
from tests.harness.hostile_text import texts as hostile
from tests.harness.reports import ISSUE_RESULT, SPENDING, finding_status, published, report


def render_text(whole, **fixers: str) -> str:
    """Return all text of a message, block by block."""
    message = slack.build_message(whole, {f"{int(n[1:]):016x}": name for n, name in fixers.items()})
    assert message is not None
    return "\n".join(text["text"] for text in texts(message["blocks"]))


def texts(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return every text object."""
    for block in blocks:
        yield from (block["text"],) if "text" in block else block["elements"]


def test_the_message_of_a_run():
    whole = published(
        *(finding_status(n, severity=Severity.CRITICAL) for n in range(1, 4)),
        finding_status(4, FindingState.FIXED),
    )
    message = slack.build_message(whole, {f"{4:016x}": "Ada Lovelace"})
    assert message is not None
    sentence = "3 new, 1 fixed by Ada Lovelace, $0.41 (saved $0.58), month $7.10"
    assert message["text"] == f"code-review: {sentence}"
    header, line, *findings, context = message["blocks"]
    assert header["text"]["text"] == "batch-action: code-review · octo/demo"
    assert line["text"]["text"] == f"*{sentence}*"
    assert len(findings) == 3
    assert findings[0]["text"]["text"].startswith(
        "🔴 critical · <https://github.com/octo/demo/blob/"
    )
    assert findings[0]["text"]["text"].endswith("|src/db.py:10>\nSQL from `name` (1)")
    assert context["elements"][0]["text"] == (
        "Files reviewed: 1 of 2 (1 in the backlog) · "
        "<https://github.com/octo/demo/issues/12|issue #12> · "
        "<https://github.com/octo/demo/actions/runs/7|run>"
    )
    assert all(text.get("verbatim") for text in texts(message["blocks"][1:]))


@pytest.mark.parametrize(
    ("fixers", "expected"),
    [
        ({}, "1 back"),
        ({"f1": "Ada"}, "1 fixed by Ada"),
        ({"f1": "Ada", "f2": "Ada"}, "2 fixed by Ada"),
        ({"f1": "Ada", "f2": "Bob", "f3": "abc1234"}, "3 fixed by Ada, Bob and abc"),
        ({f"f{n}": f"P{n}" for n in range(1, 6)}, "5 fixed by P1, P2 and others"),
    ],
)
def test_authors_of_fixes(fixers, expected):
    fixed = [finding_status(n, FindingState.FIXED) for n in range(1, len(fixers) + 1)]
    back = [] if fixed else [finding_status(9, FindingState.BACK)]
    assert expected in render_text(published(*fixed, *back), **fixers)


LOST_FILES = {
    "expired": (
        FileStatusEntry(path="a", status=FileStatus.BACKLOG, reason="expired"),
        "1 file expired",
    ),
    "given up": (
        FileStatusEntry(path="a", status=FileStatus.GIVEN_UP, reason="truncated"),
        "1 file given up",
    ),
}


def test_a_run_without_changes_has_no_message():
    still = [
        finding_status(1, FindingState.OPEN),
        finding_status(2, FindingState.RECHECKING),
        finding_status(3, FindingState.DISMISSED),
    ]
    assert slack.build_message(published(*still), {}) is None
    refused = DestinationResult(destination="sarif", action="refused", note="Not enabled.")
    assert slack.build_message(published(*still, results=(refused,)), {}) is None


@pytest.mark.parametrize("kind", LOST_FILES)
def test_lost_files_are_reported(kind):
    entry, expected = LOST_FILES[kind]
    whole = published(
        finding_status(1, FindingState.OPEN),
        report=report(file_statuses=FileStatuses.of((entry,))),
    )
    assert expected in render_text(whole)
    assert "nothing new" in render_text(whole)


def test_undelivered_results_are_reported():
    refused = DestinationResult(destination="sarif", action="refused", note="Code scanning is off.")
    assert "⚠️ sarif: Code scanning is off." in render_text(
        published(finding_status(1), results=(refused,))
    )


def test_only_the_worst_five_are_named():
    text = render_text(published(*(finding_status(n) for n in range(1, 9))))
    assert text.count("SQL from") == 5
    assert "… and 3 more" in text


def test_an_unpriced_run():
    cost = replace(SPENDING.cost, interactive_usd=None, batch_usd=None)
    spending = replace(SPENDING, cost=cost, month_to_date_usd=None)
    text = render_text(published(finding_status(1), report=report(spending=spending)))
    assert "*1 new, unpriced*" in text
    assert "*1 new*" in render_text(published(finding_status(1), report=report(spending=None)))


def test_a_public_repository_shows_only_the_count():
    hidden = finding_status(1, title="Stolen keys", security=True)
    sarif = DestinationResult(destination="sarif", action="created")
    text = render_text(published(hidden, hides_security=True))
    assert "Stolen" not in text
    assert "1 change about security hidden on a public repository" in text
    text_with_sarif = render_text(published(hidden, hides_security=True, results=(sarif,)))
    assert (
        "shown in <https://github.com/octo/demo/security/code-scanning|code scanning>"
        in text_with_sarif
    )


def inert(text: dict[str, Any]) -> None:
    """Assert: only our links in angle brackets, and Slack's limits."""
    assert 0 < len(text["text"]) <= (150 if text["type"] == "plain_text" else 3000)
    if text["type"] == "plain_text":
        return
    for inside in re.findall(r"<([^>]*)>", text["text"]):
        assert re.match(r"https://github\.com/octo/demo/[^|<>\s]+\|[^|<>]+$", inside), inside
    rest = re.sub(r"<[^>]*>", "", text["text"])
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", rest)
    assert not re.search(r"@[a-z0-9]|#[a-z0-9]|://|www\.", unescape(rest), re.IGNORECASE)


@given(hostile)
def test_hostile_text_is_inert_in_slack(text):
    whole = published(
        *(finding_status(n, title=text, path=f"a{text}") for n in range(1, 4)),
        finding_status(4, FindingState.FIXED),
        report=report(task=text or "t"),
        results=(ISSUE_RESULT, DestinationResult(destination="sarif", action="refused", note=text)),
    )
    message = slack.build_message(whole, {f"{4:016x}": text})
    other = slack.build_failure_message(
        text or "t", task=text or "t", repository="o/r", run_url=None
    )
    for one in (message, other):
        assert one is not None
        assert len(one["blocks"]) <= 50
        inert({"type": "mrkdwn", "text": one["text"]})
        for part in texts(one["blocks"]):
            if part["text"]:
                inert(part)
        json.dumps(one).encode()


def test_the_longest_texts_stay_within_slacks_limits():
    for text in ("&" * 9000, "`&` " * 3000, "<!here> " * 2000):
        whole = published(
            *(finding_status(n, title=text, path=text) for n in range(60)),
            *(finding_status(n, FindingState.FIXED) for n in range(60, 70)),
            results=tuple(
                DestinationResult(destination="sarif", action="refused", note=text)
                for _ in range(9)
            ),
        )
        message = slack.build_message(whole, {f"{n:016x}": f"{n}{text}" for n in range(60, 70)})
        assert message is not None
        for part in texts(message["blocks"]):
            assert 0 < len(part["text"]) <= 3000
        for part in texts(
            slack.build_failure_message(text, task=text, repository=text, run_url=None)["blocks"]
        ):
            assert 0 < len(part["text"]) <= 3000
