"""How the verification of a finding is shown: each result, in each destination.

A new destination is one row of `DESTINATIONS`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batch_action.config.settings import Settings
from batch_action.models.findings import FindingState, FindingStatus, Reconciliation
from batch_action.models.report import PublishResult
from batch_action.models.verification import Verification, VerificationResult
from batch_action.publishers import annotations, job_summary, markers, slack
from batch_action.publishers.exit_code import list_failures
from batch_action.publishers.files.publisher import render_document
from batch_action.publishers.issue import render as issue
from batch_action.publishers.issue_per_finding import render as finding_issue
from batch_action.publishers.pull_request import render as review
from batch_action.publishers.pull_request import review_comments
from batch_action.publishers.results import encode_results
from batch_action.publishers.sarif import document, reader, texts
from tests.harness.hostile_text import TEXTS, assert_inert
from tests.harness.reports import finding_status, published, publisher_options, report

REASON = "Line 12 returns before the query"
NO_COMMENTS = review.InlineCommentIndex(urls={}, ids={})
FAILING = Settings.model_validate({"fail-on-severity": "high"})
REFUTED = (Verification.DISPUTED, Verification.UNDECIDED)
"""The results whose reason is shown."""


def verified(
    result: Verification, reason: str = REASON, state: FindingState = FindingState.NEW, **fields
) -> FindingStatus:
    """A finding whose result came in with this run."""
    came_in = VerificationResult(fingerprint=f"{1:016x}", result=result, reason=reason)
    is_result = result is not Verification.UNCONFIRMED
    fields = {"verified": came_in if is_result else None, "verification": result, **fields}
    return finding_status(1, state, **fields)


def later(status: FindingStatus) -> FindingStatus:
    """The finding in a later run, which does not know the reason any more."""
    tracked = status.tracked
    if tracked.state is FindingState.NEW:
        tracked = replace(tracked, state=FindingState.OPEN)
    return replace(status, tracked=tracked, finding=None, verified=None, changed=False)


def in_issue(whole: PublishResult) -> str:
    draft = issue.render(whole.report, whole.reconciliation, None, publisher_options())
    return draft.body


def in_review(whole: PublishResult) -> str:
    return review.render(whole.report, whole.reconciliation, None, NO_COMMENTS, 25).text


def in_comment(whole: PublishResult) -> str:
    (status,) = whole.statuses
    text = review_comments.render(status.tracked, status.finding, suggestion=None)
    line = review_comments.format_state_line(status)
    return review_comments.comment_body(status.tracked, text, line)


def in_sarif(whole: PublishResult) -> str:
    draft = document.render(whole.report, whole.reconciliation, reader.AnalysisState())
    return draft.document["runs"][0]["results"][0]["message"]["text"]


def in_results(whole: PublishResult) -> str:
    return b"".join(encode_results(whole, datetime(2026, 3, 2, tzinfo=UTC))).decode()


def in_annotations(whole: PublishResult) -> str:
    found, _ = annotations.select_annotations(whole, {})
    return "\n".join(f"{one.title}\n{one.message}" for one in found)


def in_slack(whole: PublishResult) -> str:
    return json.dumps(slack.build_message(whole, {}), ensure_ascii=False)


DESTINATIONS: Mapping[str, Callable[[PublishResult], str]] = {
    "issue": in_issue,
    "issue-per-finding": lambda whole: finding_issue.render_body(
        whole.statuses[0], None, whole.report
    ),
    "pr-review": in_review,
    "pr-review on lines": in_comment,
    "sarif": in_sarif,
    "summary": lambda whole: job_summary.render_collected(whole, running=()),
    "report.md": lambda whole: "".join(render_document(whole)),
    "results.json and webhook": in_results,
    "annotations": in_annotations,
    "slack": in_slack,
}
NEWS_ONLY = ("annotations", "slack")
"""They are about what is new, which a disputed finding is not."""
WITHOUT_REASON = (*NEWS_ONLY, "summary", "pr-review on lines")
"""The comment on lines gets the reason when it is edited."""


@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("security", [False, True])
@pytest.mark.parametrize("result", Verification)
def test_each_destination_shows_the_result(
    result: Verification, security: bool, destination: str
) -> None:
    text = DESTINATIONS[destination](published(verified(result, security=security)))
    apart = result is Verification.DISPUTED and not security
    if destination in NEWS_ONLY and apart:
        assert "SQL from" not in text
        return
    assert result.value in text.lower()
    assert "SQL from" in text
    is_data = destination.startswith("results") and result is not Verification.UNCONFIRMED
    if destination not in WITHOUT_REASON:
        assert (REASON in text) is (result in REFUTED or is_data)


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_without_verification_nothing_is_said(destination: str) -> None:
    whole = published(finding_status(1))
    if destination == "results.json and webhook":
        (finding,) = json.loads(in_results(whole))["findings"]
        assert finding["verification"] is finding["verification_reason"] is None
        return
    text = DESTINATIONS[destination](whole).lower()
    assert not any(result.value in text for result in Verification)


@pytest.mark.parametrize("destination", ["issue", "pr-review", "issue-per-finding", "sarif"])
def test_a_person_counts_more_than_a_second_request(destination: str) -> None:
    status = verified(Verification.CONFIRMED, confirmed_by="ada", state=FindingState.OPEN)
    text = DESTINATIONS[destination](published(status))
    assert "confirmed by" in text
    assert "ada" in text
    assert "@ada" not in text


# A finding that is listed apart


def test_an_issue_lists_disputed_findings_apart_and_stays_open() -> None:
    whole = published(finding_status(2), verified(Verification.DISPUTED))
    draft = issue.render(whole.report, whole.reconciliation, None, publisher_options())
    head, _, folded = draft.body.partition("<details><summary>Disputed: 1</summary>")
    assert "**1 open finding, 1 high, 1 disputed; 1 new in this run.**" in head
    assert "(2)" in head
    assert "(1)" not in head
    assert "- 🟠 high · SQL from <code>name</code> (1) · 🆕 new · <code>src/db.py</code>" in folded
    assert REASON in folded
    assert f"<!-- batch-action:checkbox id={1:016x} -->" in folded
    assert "(1)" not in (draft.comment or "")
    only = published(verified(Verification.DISPUTED))
    alone = issue.render(only.report, only.reconciliation, None, publisher_options())
    assert "**Nothing open, 1 disputed.**" in alone.body
    assert alone.open
    assert alone.comment is None


@pytest.mark.parametrize("result", Verification)
def test_a_finding_about_security_is_only_marked(result: Verification) -> None:
    whole = published(verified(result, security=True))
    body = in_issue(whole)
    assert "Disputed: " not in body
    assert f"| **🆕 new, {result.value}** · SQL from" in body
    assert list_failures(FAILING, whole)


def test_a_disputed_finding_fails_no_run() -> None:
    assert list_failures(FAILING, published(verified(Verification.DISPUTED))) == []
    assert list_failures(FAILING, published(verified(Verification.UNDECIDED))) != []


@pytest.mark.parametrize(
    ("state", "section"),
    [(FindingState.FIXED, "✅ Fixed: 1"), (FindingState.DISMISSED, "Dismissed: 1")],
)
def test_a_disputed_finding_can_be_fixed_and_dismissed(state: FindingState, section: str) -> None:
    status = verified(Verification.DISPUTED, state=state)
    body = in_issue(published(status))
    assert f"<summary>{section}</summary>" in body
    assert "isputed:" not in body.replace("Disputed by a second request:", "")
    (tracked,) = issue.parse(body, ()).tracked
    assert (tracked.state, tracked.verification) == (state, Verification.DISPUTED)


def test_counts_and_the_code_scanning_level() -> None:
    whole = published(finding_status(2), verified(Verification.DISPUTED))
    counts = json.loads(in_results(whole))["counts"]
    assert (counts["open"], counts["disputed"], counts["new"]) == (1, 1, 1)
    assert json.loads(in_results(whole))["file_statuses"]["suppressed"] == [
        {"filter": "disputed", "count": 1, "destination": None}
    ]
    draft = document.render(whole.report, whole.reconciliation, reader.AnalysisState())
    results = draft.document["runs"][0]["results"]
    assert [result["level"] for result in results] == ["error", "error"]
    assert [result["properties"][texts.KEY].get("verification") for result in results] == [
        None,
        "disputed",
    ]


def test_a_run_says_what_came_in() -> None:
    whole = published(
        verified(Verification.DISPUTED),
        verified(Verification.CONFIRMED, state=FindingState.FIXED),
        verified(Verification.DISPUTED, security=True),
    )
    line = "Verified in this run: 1 confirmed, 2 disputed.\n"
    assert line in DESTINATIONS["report.md"](whole)
    assert line in DESTINATIONS["summary"](whole)
    assert "Verified in" not in DESTINATIONS["summary"](published(finding_status(1)))


# The reason


def test_the_reason_stays_in_the_issue_whatever_later_runs_know() -> None:
    status = verified(Verification.DISPUTED)
    reconciled = Reconciliation(statuses=(status,), commit="c" * 40)
    first = issue.render(report(), reconciled, None, publisher_options()).body
    edited = first.replace(REASON, f"{REASON}. I agree, says Ada")
    state = issue.parse(edited, ())
    assert state is not None
    again = issue.render(report(), reconciled, state, publisher_options()).body
    assert again.count(REASON) == 1
    assert again.count("I agree, says Ada") == 1
    unknowing = Reconciliation(statuses=(later(status),), commit="c" * 40)
    body = issue.render(report(), unknowing, issue.parse(again, ()), publisher_options()).body
    assert "I agree, says Ada" in body
    assert "Disputed: 1" in body
    assert issue.parse(body, ()).tracked[0].verification is Verification.DISPUTED


def test_the_reason_stays_in_an_issue_of_its_own() -> None:
    waiting = finding_status(1, verification=Verification.UNCONFIRMED)
    body = finding_issue.render_body(waiting, None, report()).replace(
        "The name", "My note. The name"
    )
    status = verified(Verification.DISPUTED, state=FindingState.OPEN)
    decided = finding_issue.update_body(body, status, report())
    assert "· open, disputed ·" in decided
    assert decided.count(REASON) == 1
    assert "My note" in decided
    assert finding_issue.parse(decided).tracked.verification is Verification.DISPUTED
    assert REASON in finding_issue.parse(decided).block
    assert finding_issue.update_body(decided, status, report()) == decided
    assert REASON in finding_issue.update_body(decided, later(status), report())


def test_the_reason_stays_in_code_scanning_without_our_properties() -> None:
    status = verified(Verification.DISPUTED, confirmed_by="")
    reconciled = Reconciliation(statuses=(status,), commit="c" * 40)
    first = document.render(report(), reconciled, reader.AnalysisState()).document
    del first["runs"][0]["results"][0]["properties"]
    state = reader.parse(first)
    (partial,) = state.partial
    assert partial.footer.verification is Verification.DISPUTED
    unknowing = Reconciliation(statuses=(later(status),), commit="c" * 40)
    for reconciliation in (reconciled, unknowing):
        draft = document.render(report(), reconciliation, state)
        message = draft.document["runs"][0]["results"][0]["message"]["text"]
        assert message.count(REASON) == 1
        assert message.count("disputed") == 1


def test_a_footer_names_the_person_who_confirmed() -> None:
    status = finding_status(1, verification=Verification.CONFIRMED, confirmed_by="ada_octo")
    footer = texts.parse_footer(texts.add_footer("Text.", status.tracked))
    assert footer is not None
    assert (footer.verification, footer.confirmed_by) == (Verification.CONFIRMED, "ada_octo")
    hostile = replace(status.tracked, confirmed_by="a) (Finding @x #1")
    assert texts.strip_footer(texts.add_footer("Text.", hostile)) == "Text."


def test_a_comment_on_lines_gets_the_reason_below_its_first_line() -> None:
    status = verified(Verification.DISPUTED, state=FindingState.OPEN)
    text = in_comment(published(status))
    block, line = review_comments.parse(text)
    assert line == "**Disputed.**"
    with_reason = review_comments.finding_block.add_reason(block.text, status.verified)
    first, label, reason, *_ = with_reason.strip("\n").split("\n\n")
    assert first.startswith("🟠 high")
    assert label.startswith("**Disputed by a second request:**")
    assert reason == REASON
    assert review_comments.minimize_reason(status) == ""


@pytest.mark.parametrize("attack", TEXTS)
@pytest.mark.parametrize("result", REFUTED)
def test_a_hostile_reason_is_inert(result: Verification, attack: str) -> None:
    whole = published(verified(result, TEXTS[attack]))
    for destination in ("issue", "issue-per-finding", "pr-review"):
        text = DESTINATIONS[destination](whole)
        assert_inert(text, home="https://github.com/octo/demo/")
        assert [b.tracked.fingerprint for b in markers.parse_blocks(text)] == [f"{1:016x}"]
    message = in_sarif(whole)
    footer = texts.parse_footer(message)
    assert footer is not None
    assert footer.verification is result
    assert "@o" not in message


def test_an_issue_that_people_filled_up_shows_the_result_without_the_reason() -> None:
    waiting = finding_status(1, verification=Verification.UNCONFIRMED)
    body = finding_issue.render_body(waiting, None, report())
    full = f"{body}\n\n{'x' * (65_000 - len(body) - 60)}"
    decided = finding_issue.update_body(full, verified(Verification.DISPUTED), report())
    assert ", disputed ·" in decided
    assert REASON not in decided
    assert len(decided) < 65_536
