"""What is not reported is counted by reason on every page, and the number leads to the list.

A new reason is one row of `REASONS`, a new page one row of `PAGES`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from batch_action.models.findings import FindingState
from batch_action.models.report import PublishResult
from batch_action.models.verification import Verification
from batch_action.publishers import job_summary, slack, suppressed
from batch_action.publishers.draft_pr import render as draft
from batch_action.publishers.files.publisher import render_document
from batch_action.publishers.issue import render as issue
from batch_action.publishers.pull_request import render as review
from batch_action.publishers.results import encode_results
from tests.harness.reports import (
    finding_status,
    held_back,
    published,
    publisher_options,
    refused,
    report,
)

TITLE = "Unseen by most"
PLACE = "kept/apart.py"
REASONS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "below `min-severity`": lambda **f: {"held_back": held_back("min-severity", **f)},
    "below `min-confidence`": lambda **f: {"held_back": held_back("min-confidence", **f)},
    "reported twice": lambda **f: {"held_back": held_back("repeated", **f)},
    "about code that has changed since": lambda **f: {"held_back": held_back("outdated", **f)},
    "discarded, because": lambda **f: {"held_back": held_back("discarded", **f)},
    "ignored by a comment": lambda **f: {
        "status": finding_status(2, FindingState.IGNORED, ignored_by="comment", path=PLACE, **f)
    },
    "accepted by the baseline": lambda **f: {
        "status": finding_status(2, FindingState.IGNORED, ignored_by="baseline", path=PLACE, **f)
    },
    "dismissed by people": lambda **f: {
        "status": finding_status(2, FindingState.DISMISSED, path=PLACE, **f)
    },
    "older than the reviewed change": lambda **f: {
        "status": finding_status(2, pre_existing=True, path=PLACE, **f)
    },
    "disputed by a second request": lambda **f: {
        "status": finding_status(2, verification=Verification.DISPUTED, path=PLACE, **f)
    },
}


def in_issue(whole: PublishResult) -> str:
    return issue.render(whole.report, whole.reconciliation, None, publisher_options()).body


def in_review(whole: PublishResult) -> str:
    comments = review.InlineCommentIndex(urls={}, ids={})
    return review.render(whole.report, whole.reconciliation, None, comments, 25).text


def in_results(whole: PublishResult) -> str:
    return b"".join(encode_results(whole, datetime.now(UTC))).decode()


PAGES: Mapping[str, Callable[[PublishResult], str]] = {
    "issue": in_issue,
    "pull request": in_review,
    "job summary": lambda whole: job_summary.render_collected(whole, running=()),
    "job summary without `summary`": lambda whole: job_summary.render_suppressed(
        whole, has_alerts=False
    ),
    "report.md": lambda whole: "".join(render_document(whole)),
    "results.json": in_results,
    "slack": lambda whole: json.dumps(slack.build_message(whole, {})),
    "console": lambda whole: "\n".join(
        [
            suppressed.format_all_suppressed(whole),
            *(" ".join(finding.cells) for finding in suppressed.list_suppressed(whole)),
        ]
    ),
}
OF_AN_ISSUE = {
    "ignored by a comment": r"Ignored: 1 by a comment",
    "accepted by the baseline": r"Ignored: 1 by the baseline",
    "dismissed by people": r"Dismissed: 1",
    "older than the reviewed change": r"1 finding older than",
    "disputed by a second request": r"Disputed: 1",
}
"""What has a section of its own in an issue and in a review."""
IN_RESULTS = {
    "older than the reviewed change": "pre-existing",
    "ignored by a comment": "comment",
    "accepted by the baseline": "baseline",
    "dismissed by people": "dismissed",
    "below `min-severity`": "min-severity",
    "below `min-confidence`": "min-confidence",
    "reported twice": "repeated",
    "about code that has changed since": "outdated",
    "discarded, because": "discarded",
    "disputed by a second request": "disputed",
}


def run_with(reason: str, *, public: bool = False, **fields: object) -> PublishResult:
    """A run with a new finding and one that is not reported for *reason*."""
    made = REASONS[reason](title=TITLE, rule="apart", category="apart", **fields)
    statuses = [finding_status(1)]
    if "status" in made:
        statuses.append(made.pop("status"))
    return published(*statuses, hides_security=public, **made)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_a_number_leads_to_the_list(reason: str, page: str) -> None:
    whole = run_with(reason)
    text = PAGES[page](whole)
    count = rf"\b1 (finding )?{re.escape(reason)}"
    if page in ("issue", "pull request"):
        count = OF_AN_ISSUE.get(reason, count)
    if page == "results.json":
        counted = json.loads(text)["file_statuses"]["suppressed"]
        found = {entry["filter"]: entry["count"] for entry in counted}
        assert found == {IN_RESULTS[reason]: 1}
    elif page == "slack" and reason in OF_AN_ISSUE:
        return  # A message names what is new, and gives no such number.
    else:
        assert re.search(count, text)
    # The list is on the page, or the page links to the run, whose summary has it.
    assert TITLE in text or whole.report.run_url in text


@pytest.mark.parametrize("reason", REASONS)
def test_the_job_summary_has_the_list_in_every_case(reason: str) -> None:
    for page in ("job summary", "job summary without `summary`", "console", "report.md"):
        assert TITLE in PAGES[page](run_with(reason))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_a_hidden_security_finding_is_neither_named_nor_counted(reason: str, page: str) -> None:
    text = PAGES[page](run_with(reason, public=True, security=True))
    assert TITLE not in text
    assert PLACE not in text
    assert not re.search(rf"\d+ (findings? )?{re.escape(reason)}", text)
    if reason in OF_AN_ISSUE:
        assert not re.search(OF_AN_ISSUE[reason], text)


def test_without_a_run_on_github_the_console_has_the_list() -> None:
    whole = run_with("reported twice")
    local = replace(whole, report=report(run_url=None))
    assert "1 finding reported twice (listed on the console of the run)." in in_issue(local)


def test_the_worst_reasons_come_first_and_a_note_is_inert() -> None:
    whole = published(
        finding_status(1, FindingState.IGNORED, ignored_by="comment", title="Second"),
        held_back=(*held_back("discarded", title="Third"), *held_back("min-severity", title="A")),
    )
    text = suppressed.render(whole, 80_000)
    assert text.startswith("Suppressed or listed separately: 1 below")
    assert text.index("| A |") < text.index("| Second |") < text.index("| Third |")
    assert suppressed.render(published(finding_status(1)), 80_000) == ""


@pytest.mark.parametrize("security", [True, False])
@pytest.mark.parametrize("has_alerts", [True, False])
def test_without_summary_a_public_repository_is_told_where_security_findings_are(
    security: bool, has_alerts: bool
) -> None:
    whole = published(finding_status(1, security=security), hides_security=True)
    text = job_summary.render_suppressed(whole, has_alerts=has_alerts)
    # Whether there are any shows neither in the words nor in that there are words.
    assert ("add `sarif` to `report`" in text) is not has_alerts
    assert bool(text) is not has_alerts
    private = published(finding_status(1, security=security))
    assert job_summary.render_suppressed(private, has_alerts=has_alerts) == ""


def test_a_list_that_is_cut_says_how_many_are_missing() -> None:
    closed = [finding_status(n, FindingState.DISMISSED) for n in range(25)]
    assert "- … and 5 more" in in_review(published(*closed))
    left_out = [refused(f"tests/test_{n}.py") for n in range(60)]
    body = draft.body(report(), [], {}, left_out)
    assert "Left out: 60" in body
    assert "… and 10 more." in body
