"""What one answer reports, through submit and collect to every destination."""

import json
import re

from batch_action.publishers import markers
from tests.harness.pull_requests import PullRequestHarness, raw_finding, set_answers
from tests.harness.workflow import WorkflowHarness

CODE = """\
function style(text, italic) {
  if (text.underline) return `\\x1b[5m${text}`;
  const timeout = parseInt(env("T", "5")) * 1000;
  return wait(timeout);
}
"""
FLAG = "  if (text.underline) return `\\x1b[5m${text}`;"
FINDINGS = [
    raw_finding("wrong-flag", FLAG, title="Italic tests the flag of underline"),
    raw_finding("elsewhere", "  return wait(timeout);", severity="medium"),
    raw_finding(
        "wrong-code",
        FLAG,
        severity="low",
        suggestion=FLAG.replace("[5m", "[3m").replace("5m", "3m"),
    ),
    raw_finding("part", 'parseInt(env("T", "5"))', suggestion='parseInt(env("T"), 10)'),
    # Not tracked, each for a reason of its own.
    raw_finding("wrong-flag", FLAG, title="The same once more"),
    raw_finding("invented", "return nothing();", title="About code that is not there"),
    raw_finding("unsure", "function style(text, italic) {", confidence="low", title="Unsure"),
]
REASONS = ("below `min-confidence`", "reported twice", "discarded, because the quoted code")


def test_every_finding_of_an_answer_is_shown_or_counted_and_listed(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"style.js": CODE})
    workflow.run("submit")
    set_answers(workflow, {"style.js": FINDINGS})
    destinations = "issue,issue-per-finding,summary,files"
    result = workflow.run("collect", report=destinations, min_confidence="medium")
    assert result.exit == 0, result.log
    assert result.outputs["findings-count"] == "4"
    rolling = next(i for i in workflow.issues if "batch-action:code-review" in i.labels)
    rules = [block.tracked.rule for block in markers.parse_blocks(rolling.body)]
    # What shares lines follows the worst of them, however severe it is itself.
    assert rules.index("wrong-code") == rules.index("wrong-flag") + 1
    assert sorted(rules) == ["elsewhere", "part", "wrong-code", "wrong-flag"]
    assert len(workflow.issues) == 5
    folder = workflow.repo.path / ".batch-action"
    document = next(folder.glob("*.md")).read_text("utf-8")
    for text in (rolling.body, result.summary, document):
        for reason in REASONS:
            assert f"1 {reason}" in text or f"1 finding {reason}" in text
    # The number leads to the list.
    assert re.search(r"\(\[list\]\(\S+/actions/runs/\d+\)\)", rolling.body)
    for text in (result.summary, document):
        for title in ("The same once more", "About code that is not there", "Unsure"):
            assert title in text
    data = json.loads((workflow.repo.path / result.outputs["results-file"]).read_text("utf-8"))
    found = {finding["rule"]: finding for finding in data["findings"]}
    assert (found["part"]["suggestion"], found["part"]["proposal"]) == (
        None,
        'parseInt(env("T"), 10)',
    )
    assert "[3m" in found["wrong-code"]["suggestion"]
    assert sorted(held["reason"] for held in data["file_statuses"]["held_back"]) == [
        "discarded",
        "min-confidence",
        "repeated",
    ]


HELD_BACK = ("The same once more", "About code that is not there", "Unsure")


def test_without_summary_in_report_the_link_of_the_issue_still_leads_to_the_list(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit({"style.js": CODE})
    workflow.run("submit", report="issue")
    set_answers(workflow, {"style.js": FINDINGS})
    result = workflow.run("collect", report="issue", min_confidence="medium")
    assert result.run is not None
    assert f"([list]({workflow.person()['GITHUB_SERVER_URL']}" in workflow.issue.body
    assert f"/actions/runs/{result.run.id})" in workflow.issue.body
    assert [title for title in HELD_BACK if title not in result.summary] == []
    assert "Italic tests the flag" not in result.summary, "the rest is not wanted"
    assert "Suppressed or listed separately: 1 below" in result.log


def test_a_shell_lists_what_is_suppressed(workflow: WorkflowHarness) -> None:
    workflow.commit({"style.js": CODE})
    environ = {**workflow.person(), "BATCH_ACTION_STATE_DIR": str(workflow.folder / "state")}
    workflow.cli("submit", "--first-run", "last-commit", environ=environ)
    set_answers(workflow, {"style.js": FINDINGS})
    argv = ("collect", "--report", "issue", "--min-confidence", "medium")
    result = workflow.cli(*argv, environ=environ)
    assert result.exit == 0, result.log
    assert "(listed on the console of the run)" in workflow.issue.body
    assert [title for title in HELD_BACK if title not in result.log] == []


def test_a_pull_request_has_a_comment_for_each_and_replaces_whole_lines_only(
    workflow: WorkflowHarness,
) -> None:
    pull = PullRequestHarness.open(workflow, {"style.js": CODE})
    pull.run("submit")
    set_answers(workflow, {"style.js": FINDINGS})
    assert pull.collect(min_confidence="medium").exit == 0
    comments = {
        block.tracked.rule: c for c in pull.inline for block in markers.parse_blocks(c.body)
    }
    assert comments.keys() == {"wrong-flag", "wrong-code", "part", "elsewhere"}
    assert "```suggestion\n" in comments["wrong-code"].body
    assert "suggestion\n" not in comments["part"].body
    assert "-  const timeout" not in comments["part"].body, "no diff that loses the rest"
    assert 'parseInt(env("T"), 10)' in comments["part"].body
    for reason in REASONS:
        assert reason in pull.summary
