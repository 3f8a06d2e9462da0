"""The first run over `first-run-limit`: the worst is reported, the rest once its code changes."""

import json
import re
from collections import Counter

import pytest

from batch_action.publishers import markers
from tests.harness.pull_requests import raw_finding, set_answers
from tests.harness.workflow import WorkflowHarness

FOLDERS = {"lib/a.js": "low", "lib/b.js": "low", "web/ui/c.js": "low", "web/d.js": "medium"}
FUNCTIONS = 100
HIGH = ("lib/b.js", 7), ("web/d.js", 99)
RULES = ("loose-equality", "magic-number")


def function(number: int, sign: str = "==") -> str:
    return f"function f{number}(x) {{\n  return x {sign} {number};\n}}\n\n"


def text_of(changed: dict[int, str] | None = None) -> str:
    return "".join(function(n, (changed or {}).get(n, "==")) for n in range(FUNCTIONS))


def findings_of(path: str, changed: dict[int, str] | None = None) -> list[dict]:
    """One finding about each function."""
    return [
        raw_finding(
            "loose-equality",
            f"  return x {(changed or {}).get(n, '==')} {n};",
            severity="high" if (path, n) in HIGH else FOLDERS[path],
            title=f"{path} {n} is loose",
            start_line=4 * n + 2,
            end_line=4 * n + 2,
        )
        for n in range(FUNCTIONS)
    ]


def plant(workflow: WorkflowHarness, *paths: str) -> None:
    workflow.commit({path: text_of() for path in paths})
    result = workflow.run("submit")
    assert result.exit == 0, result.log


def without_run(body: str) -> str:
    return re.sub(r"/actions/runs/\d+", "", body)


def blocks(body: str) -> list[tuple[str, int, str]]:
    """The path, function and severity of each finding of a text."""
    found = (block.tracked for block in markers.parse_blocks(body))
    return [(t.anchor.path, t.anchor.start_line // 4, t.severity.value) for t in found]


def test_400_findings_are_ten_and_what_is_touched_comes_back(workflow: WorkflowHarness) -> None:
    plant(workflow, *FOLDERS)
    answers = {path: findings_of(path) for path in FOLDERS}
    set_answers(workflow, answers)
    # A death after the issue is written: the next run publishes the same again.
    workflow.sandbox.faults.add("status", path="CreateArtifact", status=500, times=5)
    assert workflow.run("collect", report="issue,summary,files").exit == 5
    written = workflow.issue.body
    set_answers(workflow, answers)
    result = workflow.run("collect", report="issue,summary,files")
    assert (result.exit, without_run(workflow.issue.body)) == (0, without_run(written))

    shown = blocks(written)
    assert Counter(severity for *_, severity in shown) == {"high": 2, "medium": 8}
    assert {(path, n) for path, n, severity in shown if severity == "high"} == set(HIGH)
    assert workflow.issue.comments == []
    assert result.outputs["new-findings-count"] == "10"
    # The rest by folder and severity, and each of it in the list of what is held back.
    rows = re.findall(r"^\| (`\S+`|<code>\S+</code>) \| (\d+) \| (\d+) \|$", written, re.MULTILINE)
    counts = {re.sub(r"</?code>|`", "", row[0]): (row[1], row[2]) for row in rows}
    assert counts == {"lib": ("0", "199"), "web/ui": ("0", "100"), "web": ("91", "0")}
    assert "390 more findings, not listed" in written
    for text in (written, result.summary):
        assert "390 finding" in text or "390 of the first run" in text
    data = json.loads((workflow.repo.path / result.outputs["results-file"]).read_text("utf-8"))
    reasons = Counter(held["reason"] for held in data["file_statuses"]["held_back"])
    assert reasons == {"first-run-limit": 390}

    # Another look at the same content reports nothing of it.
    environ = {"BATCH_ACTION_RECHECK": "true"}
    workflow.start("submit", {}, environ=environ, select="all")
    assert len(workflow.batches) == 2
    assert set(workflow.requested_paths()) > set(FOLDERS)
    set_answers(workflow, answers)
    again = workflow.run("collect")
    assert again.outputs.get("new-findings-count") == "0", again.log
    assert blocks(workflow.issue.body) == shown

    # Three findings below `high` are touched, elsewhere lines are added, and one file is moved.
    touched = {20: "!=", 40: "!=", 60: "!="}
    workflow.commit({"lib/b.js": "// New.\n" + text_of(touched)})
    workflow.run("submit")
    assert workflow.requested_paths() == ["lib/b.js"]
    set_answers(workflow, {"lib/b.js": findings_of("lib/b.js", touched)})
    result = workflow.run("collect")
    new = [block for block in blocks(workflow.issue.body) if block not in shown]
    assert result.outputs["new-findings-count"] == "3", workflow.issue.body
    assert sorted(n for path, n, _ in new if path == "lib/b.js" and n != 7) == [20, 40, 60]
    assert "390 more findings, not listed" in workflow.issue.body, "the table is kept"
    assert "96 findings of the first run" in workflow.issue.body


def test_the_first_run_is_one_however_many_collects_it_takes(workflow: WorkflowHarness) -> None:
    config = "max-requests-per-batch: 1\nfirst-run-limit: 120\n"
    workflow.commit({".github/batch-action.yml": config})
    plant(workflow, *FOLDERS)
    assert len(workflow.batches) == len(FOLDERS)
    for number, batch in enumerate(workflow.batches):
        (path,) = workflow.requested_paths(number)
        set_answers(workflow, {path: findings_of(path)}, number)
        workflow.run("collect", batch_id=batch.id)
        shown = {(p, n) for p, n, _ in blocks(workflow.public_text)}
        first = {p for p, _ in shown - set(HIGH)}
        # One hundred are under the limit; of the later files only what is severe is reported.
        assert (len(first), len(shown - {(p, n) for p, n in HIGH if p not in first})) == (1, 100)
    assert shown >= set(HIGH)
    assert len(re.findall("First run, .*, not listed", workflow.issue.body)) == 3


@pytest.mark.parametrize(
    ("config", "removed"),
    [
        pytest.param("first-run-limit: off\n", False, id="off"),
        pytest.param("first-run-limit: 0\n", False, id="zero"),
        pytest.param("first-run-limit: 30\n", True, id="lost-ledger"),
    ],
)
def test_without_a_limit_or_after_a_first_run_all_is_reported(
    workflow: WorkflowHarness, config, removed
) -> None:
    workflow.commit({".github/batch-action.yml": config})
    if removed:
        plant(workflow, "lib/a.js")
        set_answers(workflow, {"lib/a.js": findings_of("lib/a.js")[:2]})
        workflow.run("collect")
        workflow.github_repository.artifacts.clear()
    plant(workflow, "lib/b.js")
    set_answers(workflow, {"lib/b.js": findings_of("lib/b.js")})
    assert workflow.run("collect").outputs["new-findings-count"] == str(FUNCTIONS)


def test_the_limit_is_that_of_all_destinations(workflow: WorkflowHarness) -> None:
    workflow.commit({".github/batch-action.yml": "max-issues: 100\n"})
    plant(workflow, "web/d.js")
    report = "issue-per-finding,summary"
    set_answers(workflow, {"web/d.js": findings_of("web/d.js")})
    result = workflow.run("collect", report=report)
    assert result.exit == 0, result.log
    titles = {issue.title for issue in workflow.issues}
    assert len(titles) == 10
    assert any("web/d.js 99 is loose" in title for title in titles)
    assert "90 of the first run, over `first-run-limit` and unchanged since" in result.summary
    workflow.commit({"web/e.js": text_of()})
    workflow.run("submit")
    set_answers(workflow, {"web/e.js": findings_of("web/d.js")[:12]})
    workflow.run("collect", report=report)
    assert len(workflow.issues) == 22, "a later run has no limit"
