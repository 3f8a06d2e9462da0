"""The job summary and the report file: contents, size limits and charts."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.models.files import ChangeType, SelectedFile, Selection, SkippedFile, SkipReason
from batch_action.models.findings import FindingState, Severity, Verdict
from batch_action.models.report import DestinationResult, FileStatus, FileStatusEntry, FileStatuses
from batch_action.models.requests import Cost, ModelCheck, TokenEstimate
from batch_action.publishers import charts, job_summary, run_end, submit_report, suppressed
from batch_action.publishers.files.publisher import render_document
from batch_action.publishers.job_summary import RunningBatch
from batch_action.requests.planner import Plan
from batch_action.requests.pricing import Forecast
from batch_action.requests.request_file import RequestFile
from batch_action.selection.commit_range import CommitRange
from tests.harness.hostile_text import FILE_NAMES, GFM, TEXTS, assert_inert
from tests.harness.reports import (
    COST,
    ISSUE_RESULT,
    C,
    file_verdict,
    finding_status,
    generated,
    held_back,
    published,
    refused,
    report,
)

MIB = 1024 * 1024
WORDS = (job_summary.render_collected, lambda whole, **_: "".join(render_document(whole)))


def collected(whole, **options) -> str:
    return job_summary.render_collected(whole, running=options.pop("running", ()), **options)


def fences(text: str, language: str) -> list[str]:
    return [t.content for t in GFM.parse(text) if t.type == "fence" and t.info == language]


def test_findings_are_before_the_charts_which_are_folded():
    text = collected(published(finding_status(1), finding_status(2, FindingState.OPEN)))
    folded = text.index("<details><summary>Charts</summary>")
    assert text.index("| Severity | Finding | Where |") < folded
    assert text.index("Open since earlier runs") < folded < text.index("```mermaid")
    assert text.count("```mermaid") == text[folded:].partition("</details>")[0].count("```mermaid")


def test_the_whole_summary():
    whole = published(
        finding_status(1),
        finding_status(2, FindingState.OPEN, severity=Severity.LOW),
        finding_status(3, FindingState.FIXED),
        held_back=held_back("min-severity", 3) + held_back("discarded", 2),
        file_verdicts=(file_verdict("It sorts no more."),),
        generated=(generated("Tests of a"),),
        refused=(refused("../x"),),
    )
    text = collected(whole)
    assert "**2 open findings, 1 high; 1 new, 1 fixed in this run.**" in text
    assert "issue: updated, [#12](https://github.com/octo/demo/issues/12), 1 new, 1 open" in text
    assert "Open since earlier runs: 1" in text
    assert "| <code>src/a.py</code> | ❌ INVALID | It sorts no more. |" in text
    assert (
        "| <code>tests/<wbr>test_<wbr>a.<wbr>py</code> | <code>src/a.py</code> | Tests of a |"
        in text
    )
    assert "refused: leaves the repository" in text
    assert "3 below `min-severity`; 2 discarded" in text
    # The number leads to the list.
    for line, label in ((12, "below `min-severity`"), (11, "discarded, because")):
        assert f"(1) | <code>src/db.py:{line}</code> | {label}" in text
    assert "min-confidence" not in text
    assert "this run $0.41" in text
    assert "month so far $7.10" in text
    assert "3 skipped by the submit: 3 binary" in text
    # Files that were not reviewed come first.
    assert text.index("src/x.py") < text.rindex("src/db.py")


def test_running_batches_are_listed_when_nothing_was_collected():
    running = [RunningBatch(batch="msgbatch_1", requests=2, age_hours=1.5, expires="soon")] * 60
    text = collected(None, running=running)
    assert "`msgbatch_1` (2 requests) is still running after 90 min; it expires at soon." in text
    assert "… and 10 more." in text


NONE_FOUND = {"findings-count": "0", "new-findings-count": "0", "fixed-findings-count": "0"}


@pytest.mark.parametrize(
    ("outputs", "head", "row"),
    [
        pytest.param(
            {
                "status": "collected",
                "requests-count": "10",
                "backlog-count": "3",
                "findings-count": "20",
                "new-findings-count": "2",
                "fixed-findings-count": "0",
                "cost-usd": "0.100000",
            },
            "| Task | Status | Requests | Backlog | Findings | Cost ($) |",
            "| x | collected | 10 | 3 | 20 open, 2 new | 0.100000 |",
            id="all columns",
        ),
        pytest.param(
            {**NONE_FOUND, "status": "submitted", "requests-count": "1", "backlog-count": "0"},
            "| Task | Status | Requests |",
            "| x | submitted | 1 |",
            id="sent",
        ),
        pytest.param(
            {**NONE_FOUND, "status": "pending", "cost-usd": "0.000000"},
            "| Task | Status |",
            "| x | pending |",
            id="nothing",
        ),
        pytest.param({}, "| Task | Status |", "| x | failed |", id="failed"),
    ],
)
def test_the_overview_has_the_columns_that_say_something(outputs, head, row):
    lines = run_end.render_overview([("x", outputs), ("y", {"status": "pending"})]).splitlines()
    assert (lines[0], lines[2]) == (head, row)
    assert len({line.count("|") for line in lines}) == 1


def test_every_filter_is_counted():
    issue = DestinationResult(
        destination="issue", action="updated", suppressed=(("max-findings", 4), ("public", 9))
    )
    whole = published(
        finding_status(1, FindingState.IGNORED, ignored_by="comment"),
        finding_status(2, FindingState.IGNORED, ignored_by="baseline"),
        finding_status(3, FindingState.DISMISSED),
        finding_status(4, pre_existing=True),
        finding_status(5, security=True),
        finding_status(6, FindingState.FIXED, security=True),
        held_back=(
            *held_back("discarded", 8),
            *held_back("min-severity"),
            *held_back("min-confidence", 2),
            *held_back("repeated"),
            *held_back("outdated", 3),
            *held_back("min-severity", security=True),
        ),
        results=(issue,),
        hides_security=True,
    )
    found = [(h.filter, h.count, h.destination) for h in suppressed.count_all_suppressed(whole)]
    assert found == [
        ("min-severity", 1, ""),
        ("min-confidence", 2, ""),
        ("comment", 1, ""),
        ("baseline", 1, ""),
        ("dismissed", 1, ""),
        ("pre-existing", 1, ""),
        ("repeated", 1, ""),
        ("outdated", 3, ""),
        ("discarded", 8, ""),
        ("public", 1, ""),
        ("max-findings", 4, "issue"),
    ]
    assert "4 over `max-findings` in issue." in suppressed.format_all_suppressed(whole)
    assert suppressed.count_all_suppressed(published(finding_status())) == ()
    assert suppressed.format_all_suppressed(published()) == ""


@pytest.mark.parametrize("say", WORDS, ids=["summary", "document"])
def test_a_public_repository_shows_no_security_finding(say):
    whole = published(
        finding_status(1, title="Loose end"),
        finding_status(2, title="Stolen keys", security=True),
        hides_security=True,
    )
    text = say(whole, running=()) if say is job_summary.render_collected else say(whole)
    assert "Stolen" not in text
    assert "Loose" in text
    assert "Security findings are not shown" in text
    assert "about security" not in text
    assert fences(text, "mermaid")[:1] in ([], [charts_of(1)])


def charts_of(count: int) -> str:
    drawn = charts.render_severity_chart([finding_status(n) for n in range(1, count + 1)])
    return drawn.removeprefix("```mermaid\n").removesuffix("```")


def test_the_document_contains_every_finding_in_full():
    whole = published(
        finding_status(1, explanation="Because of one."),
        finding_status(2, FindingState.OPEN, explanation="Because of two."),
        finding_status(3, FindingState.RECHECKING),
        finding_status(4, FindingState.OPEN, pre_existing=True, title="Old one"),
        finding_status(5, FindingState.FIXED, title="Gone one"),
        finding_status(6, FindingState.IGNORED, ignored_by="baseline", title="Accepted one"),
        blocks={f"{3:016x}": "Worded by the issue."},
    )
    text = "".join(render_document(whole))
    assert "Because of one." in text
    assert "Because of two." in text
    assert "Worded by the issue." in text
    older, fixed = text.index("## Older"), text.index("## Fixed in this run")
    assert older < text.index("Old one", older) < fixed
    assert fixed < text.index("Gone one") < text.index("Accepted one")
    assert "<!-- batch-action" not in text


def test_a_huge_submit_stays_within_the_limit():
    name = "d/" * 90 + "&" * 200
    files = [
        SelectedFile(
            path=f"{name}{n}",
            status=ChangeType.MODIFIED,
            blob=C,
            old_path=None,
            old_blob=None,
            language="",
            parts=(),
            risk=0.0,
            masked_secrets=0,
        )
        for n in range(500)
    ]
    skipped = [SkippedFile(path=f.path, reason=SkipReason.BINARY, detail=name) for f in files]
    plan = Plan(
        selection=Selection(head=C, base=None, files=tuple(files), skipped=tuple(skipped)),
        commits=CommitRange(head=C, base=None, explanation=name),
        check=ModelCheck(model=None, clock=datetime.now(UTC), local_clock=datetime.now(UTC)),
        spend=None,
        batches=(),
        request_file=RequestFile(""),
        backlog=tuple(files),
        shared_tokens=1,
        saved_by_cache_usd=0.0,
        tokens=TokenEstimate(input=1, output_max=1, method="counted"),
        cost=COST,
        forecast=Forecast(
            about_findings_usd=0.0,
            expected_usd=None,
            basis=name,
            files={},
            month_usd=None,
            month_basis=name,
        ),
    )
    text = submit_report.render_submitted("<b>", plan, (), dry_run=False)
    assert len(text.encode()) < MIB / 4
    assert len(re.findall(r"… and \d+ more rows\.", text)) == 2, "the backlog and the skipped"
    assert "<b>" not in text


# Charts.

PIE = re.compile(
    r"%%\{init: \{'themeVariables': \{('pie\d': '#[0-9a-f]{6}'(, )?)+\}\}\}%%\n"
    r"pie showData title [A-Za-z ]+\n"
    r"(    \"[a-z]+\" : [1-9]\d*\n)+"
)
BARS = re.compile(
    r"%%\{init: \{[^\n]*\}\}\}%%\n"
    r"xychart-beta\n    title \"[A-Za-z ]+\"\n"
    r"    x-axis \[(\"[a-z +]+\"(, )?)+\]\n"
    r"    y-axis 0 --> \d+(\.\d+)?\n"
    r"    bar \[(\d+(\.\d+)?(, )?)+\]\n"
)
amounts = st.none() | st.floats(0, 1e6, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(Severity), st.sampled_from(FindingState))))
def test_the_pie_counts_what_is_open(found):
    statuses = [finding_status(n, state, severity=s) for n, (s, state) in enumerate(found)]
    drawn = charts.render_severity_chart(statuses)
    live = [
        s for s, state in found if state in (FindingState.NEW, FindingState.OPEN, FindingState.BACK)
    ]
    live += [s for s, state in found if state is FindingState.RECHECKING]
    if not live:
        assert drawn == ""
        return
    (chart,) = fences(drawn, "mermaid")
    assert PIE.fullmatch(chart), chart
    counts = dict(re.findall(r'"(\w+)" : (\d+)', chart))
    assert counts == {s.value: str(live.count(s)) for s in Severity if s in live}


@given(amounts, amounts, amounts)
def test_the_bars_are_drawn_for_known_prices(interactive, batch, cached):
    cost = Cost(interactive_usd=interactive, batch_usd=batch, batch_cached_usd=cached)
    drawn = charts.render_cost_chart(cost)
    if not drawn:
        known = [x for x in (interactive, batch, cached) if x]
        assert batch is None or not [x for x in known if x >= 1e-6]
        return
    (chart,) = fences(drawn, "mermaid")
    assert BARS.fullmatch(chart), chart


def test_charts_contain_no_text_from_outside():
    drawn = "".join(
        charts.render_severity_chart([finding_status(1, title=text, rule=text)])
        for text in TEXTS.values()
    )
    assert drawn == charts.render_severity_chart([finding_status(1)]) * len(TEXTS)
    assert charts.render_cost_chart(COST).startswith("```mermaid")


# Hostile text and huge reports.


def hostile_run(text: str, name: str):
    return published(
        finding_status(
            1, title=text, explanation=text, remediation=text, rule=text, category=text, path=name
        ),
        finding_status(2, FindingState.OPEN, title=text, suggestion=text, cwe=text, path=name),
        finding_status(3, FindingState.FIXED, title=text, path=name),
        finding_status(4, FindingState.IGNORED, title=text, path=name, ignored_by="comment"),
        file_verdicts=(file_verdict(text, name, Verdict.UNCERTAIN),),
        generated=(generated(text, name),),
        refused=(refused(name, text),),
        results=(ISSUE_RESULT, DestinationResult(destination="sarif", action="refused", note=text)),
        report=report(
            file_statuses=FileStatuses.of(
                (FileStatusEntry(path=name, status=FileStatus.BACKLOG, reason=text),)
            )
        ),
    )


@pytest.mark.parametrize("number", range(max(len(TEXTS), len(FILE_NAMES))))
def test_hostile_text_is_inert(number: int):
    texts = [*TEXTS.values()]
    name = FILE_NAMES[number % len(FILE_NAMES)]
    whole = hostile_run(texts[number % len(texts)], name)
    for text in (collected(whole), "".join(render_document(whole))):
        assert_inert(text, "https://github.com/octo/demo/")
        assert "<!-- batch-action" not in text.lower()
        tables = [t for t in GFM.parse(text) if t.type == "tr_open"]
        assert len(tables) >= 8


@pytest.mark.parametrize("text", ["x" * 4000, "&" * 400, "\U0001f600" * 500])
def test_a_huge_report_is_far_below_one_mebibyte(text):
    many = 500
    name = "d/" * 40 + "&" * 200
    whole = published(
        *(finding_status(n, title=text, path=name) for n in range(many)),
        *(
            finding_status(n, FindingState.OPEN, title=text, path=name)
            for n in range(many, 2 * many)
        ),
        file_verdicts=tuple(file_verdict(text, name) for _ in range(many)),
        generated=tuple(generated(text, name) for _ in range(many)),
        report=report(
            file_statuses=FileStatuses.of(
                tuple(
                    FileStatusEntry(path=f"{name}{n}", status=FileStatus.BACKLOG, reason=text)
                    for n in range(many)
                )
            )
        ),
        results=(ISSUE_RESULT, DestinationResult(destination="sarif", action="refused", note=text)),
    )
    summary = collected(whole)
    assert len(summary.encode()) < MIB / 2
    assert summary.count("more rows.") == 5
    assert summary.count("<details>") == summary.count("</details>")
