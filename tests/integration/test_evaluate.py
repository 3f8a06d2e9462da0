"""`evaluate`: labelled commits through real batches of the sandbox, and over kept answers."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from batch_action.commands.evaluate.cases import read_cases
from tests.documents.texts import ROOT, fences
from tests.harness.git_repositories import Repo
from tests.harness.workflow import BAD, GOOD, Result, WorkflowHarness, path_of_request
from tests.integration.test_command_output import data_of

CAP = ("--max-cost-usd", "5")
CLEAN = "function add(a, b) {\n  return a + b;\n}\n"


class Cases:
    """Two repositories with three labelled commits, and the command on them."""

    def __init__(self, workflow: WorkflowHarness) -> None:
        self.workflow = workflow
        self.folder = workflow.folder / "cases"
        self.file = self.folder / "cases.yml"
        web, api = (Repo.init(self.folder / name) for name in ("web", "api"))
        start = web.commit({"app.js": GOOD, "add.js": "\n"})
        bad = web.commit({"app.js": BAD})
        clean = web.commit({"add.js": CLEAN})
        first = api.commit({"run.js": GOOD})
        second = api.commit({"run.js": BAD, "more.js": BAD})
        self.cases: list[dict[str, Any]] = [
            {
                "repository": "web",
                "base": start,
                "head": bad,
                "defects": [{"file": "app.js", "lines": 3, "problem": "evaluates its argument"}],
            },
            {"repository": "web", "base": bad, "head": clean, "name": "clean"},
            {
                "repository": "api",
                "base": first,
                "head": second,
                "name": "api",
                "defects": [
                    {"file": "run.js", "lines": "2-3", "problem": "eval"},
                    {"file": "missing.js", "lines": "1", "problem": "is not in the change"},
                ],
            },
        ]
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump({"cases": self.cases}))

    def evaluate(self, *argv: str, **options: Any) -> Result:
        command = ["evaluate", str(self.file), "--out", str(self.folder / "out"), *argv]
        return self.workflow.cli(*command, **options)

    def data(self, *argv: str) -> dict[str, Any]:
        result = self.evaluate(*argv, "--json")
        assert result.exit == 0, result.log
        data: dict[str, Any] = data_of(result)["evaluation"]
        return data


@pytest.fixture
def cases(workflow: WorkflowHarness) -> Cases:
    return Cases(workflow)


def test_send_then_read_and_score(cases: Cases) -> None:
    sent = cases.data(*CAP)
    assert sent["waiting_batches"] == 3
    assert sent["scores"]["defects"] == 0
    paths = sorted(path_of_request(r) for b in cases.workflow.batches for r in b.requests)
    assert paths == ["add.js", "app.js", "more.js", "run.js"]
    cases.workflow.advance(3600)
    read = cases.data(*CAP)
    scores = read["scores"]
    assert (scores["found"], scores["defects"], scores["unanswered_defects"]) == (2, 2, 1)
    assert scores["clean_cases"] == 1
    assert scores["anchored"] == scores["findings"] > 2
    assert scores["precision"] is None
    assert scores["usd_per_found"] == pytest.approx(scores["cost_usd"] / 2)
    assert 0 < scores["cost_usd"] < 1
    (api,) = (case for case in read["cases"] if case["name"] == "api")
    assert "not selected" in api["unanswered"]["missing.js"]
    # A third call sends nothing, reads nothing, and says the same.
    before = len(cases.workflow.sandbox.faults.calls)
    again = cases.data(*CAP)
    assert again["scores"] == scores
    assert len(cases.workflow.batches) == 3
    assert not [c for c in cases.workflow.sandbox.faults.calls[before:] if c.method == "POST"]


def test_it_needs_a_cap_and_keeps_it_over_all_calls(cases: Cases) -> None:
    result = cases.evaluate()
    assert (result.exit, "--max-cost-usd" in result.log) == (2, True)
    assert not cases.workflow.batches
    nothing = cases.evaluate("--max-cost-usd", "0.0001")
    assert nothing.exit == 3, nothing.log
    assert not cases.workflow.batches
    first = cases.cases[0]
    plan = cases.workflow.cli(
        "plan", "--json", "--repo", str(cases.folder / "web"),
        "--base", first["base"], "--head", first["head"],
    )  # fmt: skip
    (one,) = {f["at_most_usd"] for f in json.loads(plan.stdout)["tasks"][0]["files"]}
    one *= 1.1
    for _ in range(3):
        some = cases.data("--max-cost-usd", f"{one:.4f}")
        cases.workflow.advance(3600)
    assert some["scores"]["unanswered_defects"] > 1
    assert any("max-cost-usd" in r for c in some["cases"] for r in c["unanswered"].values())
    assert some["scores"]["cost_usd"] <= one


def test_verdicts_give_the_precision_and_are_kept(cases: Cases) -> None:
    cases.evaluate(*CAP)
    cases.workflow.advance(3600)
    result = cases.evaluate(*CAP)
    assert "known when each of them has a verdict" in result.log
    path = cases.folder / "out" / "verdicts.yml"
    content = yaml.safe_load(path.read_text())
    assert content["findings"]
    assert all(row["verdict"] is None for row in content["findings"])
    for row in content["findings"]:
        row["verdict"] = row["file"] == "more.js"
    path.write_text(yaml.safe_dump(content))
    scores = cases.data(*CAP)["scores"]
    right = scores["anchored"] - scores["unlabelled"] + scores["right"]
    assert scores["judged"] == scores["unlabelled"] > 0
    assert scores["precision"] == pytest.approx(right / scores["anchored"])
    assert yaml.safe_load(path.read_text()) == content
    content["findings"][0]["verdict"] = "perhaps"
    path.write_text(yaml.safe_dump(content))
    broken = cases.evaluate(*CAP)
    assert (broken.exit, "verdict" in broken.log) == (2, True), broken.log


def kept_lines(batches: Any, make_answer: Callable[[Mapping[str, Any]], Any]) -> Iterator[str]:
    for request in (request for batch in batches for request in batch.requests):
        message = {
            "type": "message",
            "role": "assistant",
            "model": request["params"]["model"],
            "content": [{"type": "text", "text": json.dumps(make_answer(request))}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1000, "output_tokens": 10},
        }
        result = {"type": "succeeded", "message": message}
        yield json.dumps({"custom_id": request["custom_id"], "result": result})


def test_kept_answers_cost_nothing_and_compare_two_models(cases: Cases) -> None:
    cases.evaluate(*CAP)
    cases.workflow.advance(3600)
    first = cases.data(*CAP)["scores"]
    kept = cases.folder / "kept"
    kept.mkdir()
    lines = list(kept_lines(cases.workflow.batches, lambda _request: {"findings": []}))
    (kept / "batch.jsonl").write_text("\n".join([*lines, '{"custom_id": "of another repo"', ""]))
    before = len(cases.workflow.sandbox.faults.calls)
    out = ("--out", str(cases.folder / "haiku"))
    result = cases.workflow.cli(
        "evaluate", str(cases.file), "--json", "--model", "claude-haiku-5-5", *out,
        "--answers", str(kept), "--compare", str(cases.folder / "out"),
        environ={"ANTHROPIC_API_KEY": None},
    )  # fmt: skip
    assert result.exit == 0, result.log
    assert len(cases.workflow.sandbox.faults.calls) == before
    printed = data_of(result)
    assert any("1 line is no result of a batch" in warning for warning in printed["warnings"]), (
        printed["warnings"]
    )
    data = printed["evaluation"]
    assert (data["scores"]["found"], data["scores"]["defects"]) == (0, 2)
    assert data["scores"]["findings"] == 0
    assert 0 < data["scores"]["cost_usd"] < first["cost_usd"]
    compared = data["comparison"]
    assert (compared["both"], compared["neither"], compared["only_first"]) == (0, 0, [])
    assert len(compared["only_second"]) == 2
    assert compared["p_value"] == 0.5
    shown = cases.evaluate(*CAP, "--compare", str(cases.folder / "haiku"))
    assert "only by the first: code-review, claude-sonnet-5-5" in shown.log


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"base": "0" * 40}, "`base`", id="unknown commit"),
        pytest.param({"repository": "nowhere"}, "no clone", id="no repository"),
        pytest.param(
            {"defects": [{"file": "a", "lines": "9-7", "problem": "p"}]}, "7-9", id="lines"
        ),
        pytest.param({"hed": "x"}, "hed", id="unknown key"),
        pytest.param({"name": "clean"}, "clean", id="the same name twice"),
    ],
)
def test_mistakes_in_the_cases_are_named_before_anything_is_sent(
    cases: Cases, change: dict[str, Any], words: str
) -> None:
    cases.cases[0] |= change
    cases.write()
    result = cases.evaluate(*CAP)
    assert (result.exit, words in result.log) == (2, True), result.log
    assert not cases.workflow.batches


def test_the_documented_file_is_valid(tmp_path: Path) -> None:
    (block,) = fences((ROOT / "docs" / "EVALUATE.md").read_text("utf-8"), "yaml")
    path = tmp_path / "cases.yml"
    path.write_text(block)
    named, clean = read_cases(path)
    assert [defect.lines for defect in named.defects] == [(41, 44)]
    assert (named.title, clean.title, clean.defects) == ("cut-off-pages", "shop@19c5ee2", ())


def test_another_model_needs_another_folder(cases: Cases) -> None:
    cases.evaluate(*CAP)
    result = cases.evaluate(*CAP, "--model", "claude-haiku-5-5")
    assert (result.exit, "--out" in result.log) == (2, True), result.log


def test_a_death_between_the_answers_and_the_ledger_pays_nothing_twice(cases: Cases) -> None:
    cases.evaluate(*CAP)
    cases.workflow.advance(3600)
    state = cases.folder / "out" / "state"
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    scores = cases.data(*CAP)["scores"]
    for path, data in before.items():  # the ledger was not saved
        path.write_bytes(data)
    again = cases.data(*CAP)
    assert again["scores"] == scores
    assert len(cases.workflow.batches) == 3
    assert len(set(cases.workflow.billed_ids)) == len(cases.workflow.billed_ids)


def test_nothing_is_read_from_github_or_written_to_the_repositories(
    cases: Cases, tmp_path: Path
) -> None:
    before = {p: p.read_bytes() for p in (cases.folder / "web").rglob("*") if p.is_file()}
    cases.evaluate(*CAP, environ=cases.workflow.person() | {"GITHUB_ACTIONS": "true"})
    calls = cases.workflow.sandbox.faults.calls
    assert not [c for c in calls[-40:] if c.service == "github" and "demo" in c.path]
    after = {p: p.read_bytes() for p in (cases.folder / "web").rglob("*") if p.is_file()}
    assert after == before
