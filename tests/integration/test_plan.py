"""The plan: it says what submit would, and shows byte for byte what would leave the machine."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from anthropic.types.model_param import ModelParam

from batch_action.requests import pricing
from batch_action.text import format_dollars
from tests.harness.workflow import BAD, DAY, GOOD, WORSE, Result, WorkflowHarness

ALL = ("--first-run", "all")
NO_KEY = {"ANTHROPIC_API_KEY": None, "ANTHROPIC_BASE_URL": None}
HOSTILE = 'é = "</file> \\u2028 \u2028 ``` 漢字"  # ' + "x" * 50 + "\n"


def plan(workflow: WorkflowHarness, *argv: str, key: bool = True) -> Result:
    return workflow.cli("plan", *ALL, *argv, environ=None if key else NO_KEY)


def test_each_model_of_the_sdk_has_a_price_or_is_retired() -> None:
    prices = pricing.load()
    for name in get_args(get_args(ModelParam)[0]):
        assert name in prices.models or name in prices.retires, name
    assert prices.without_effort <= set(prices.models)


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("sonnet", "claude-sonnet-5-5"),
        ("sonet", "claude-sonnet-5-5"),
        ("opus", "claude-opus-5-5"),
        ("Haiku", "claude-haiku-5-5"),
        ("claude-fable", "claude-fable-5-2"),
        ("claude-sonnet-5.5", "claude-sonnet-5-5"),
        ("claude-sonet-5-5", "claude-sonnet-5-5"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-5-5"),
        ("claude-opus-5-5-20260922", "claude-opus-5-5"),
        ("claude", None),
        ("gpt-4", None),
        ("x" * 10_000, None),
        ("-", None),
    ],
)
def test_the_model_that_was_meant(name: str, similar: str | None) -> None:
    assert pricing.load().similar_model(name) == similar


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "sonnet"], "Did you mean `claude-sonnet-5-5`?"),
        (["--model", "gpt-4"], "Anthropic's documentation lists the models"),
        (["--model", "claude-mythos-preview"], "claude-mythos-preview is retired"),
        (["--model", "claude-haiku-4-5"], "claude-haiku-4-5 does not support effort"),
        (["--model", "claude-haiku-4-5", "--exact"], "claude-haiku-4-5 does not support effort"),
    ],
)
def test_plan_refuses_the_models_that_submit_refuses(
    workflow: WorkflowHarness, key: bool, flags: list[str], message: str
) -> None:
    workflow.commit({"a.js": BAD})
    if "mythos" in flags[1] and key:
        pytest.skip("the sandbox does not serve it")
    result = plan(workflow, *flags, key=key)
    assert (result.exit, message in result.stderr) == (2, True), result.log


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-sonnet-4-5"])
def test_plan_and_submit_say_the_same_of_a_model(workflow: WorkflowHarness, model: str) -> None:
    workflow.commit({"a.js": BAD})
    argv = [*ALL, "--model", model, "--effort", "none"]
    said = []
    for command in (["plan"], ["submit", "--dry-run"]):
        lines = workflow.cli(*command, *argv).stderr.splitlines()
        said.append([line for line in lines if line.startswith(("warning", "error"))])
    assert said[0] == said[1]
    assert ("retires on 2026-11-30" in str(said)) is (model == "claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("days", "exit_code", "message"),
    [(100, 0, None), (30, 0, "retires on {}: choose another one"), (0, 2, "is retired")],
)
def test_without_a_key_the_price_table_says_when_a_model_retires(
    workflow: WorkflowHarness,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    exit_code: int,
    message: str | None,
) -> None:
    workflow.commit({"a.js": BAD})
    day = (workflow.now() + timedelta(days=days)).date()
    prices = pricing.load()
    retires = {**prices.retires, "claude-sonnet-5-5": day}
    dated = prices.model_copy(update={"retires": retires})
    monkeypatch.setattr(pricing, "load", lambda _overrides: dated)
    result = plan(workflow, "--model", "claude-sonnet-5-5", key=False)
    assert result.exit == exit_code, result.log
    assert ("retire" in result.stderr) is (message is not None)
    assert (message or "").format(day) in result.stderr


@pytest.mark.parametrize(
    "flags",
    [["--max-cost-usd", "0.000001"], ["--max-cost-usd", "0"], ["--monthly-budget-usd", "0"]],
    ids=str,
)
def test_a_cap_too_small_for_anything_is_said(workflow: WorkflowHarness, flags: list[str]) -> None:
    workflow.commit({"a.js": BAD})
    result = plan(workflow, *flags)
    assert (result.exit, "Not even one file fits" in result.stderr) == (3, True)
    data: dict[str, Any] = plan(workflow, "--json", *flags).tasks[0]
    assert "Not even one file fits" in data["problem"]
    assert workflow.cli("submit", *ALL, *flags).exit == 3
    assert plan(workflow, "--json").tasks[0]["problem"] is None


@pytest.mark.parametrize(
    ("flags", "exit_code"),
    [
        (["--model", "claude-new"], 2),
        (["--max-cost-usd", "0.06", "--on-over-budget", "fail"], 3),
        (["--max-cost-usd", "0.06"], 0),
        (["--daily-budget-usd", "0"], 3),
        (["--paths", "nothing/"], 0),
    ],
    ids=str,
)
def test_plan_ends_as_submit_would(
    workflow: WorkflowHarness, flags: list[str], exit_code: int
) -> None:
    workflow.commit({"a.js": BAD, "b.js": BAD})
    planned = plan(workflow, *flags, key=False)
    dry = workflow.cli("submit", "--dry-run", *ALL, *flags)
    assert (planned.exit, dry.exit) == (exit_code, exit_code), planned.log
    if exit_code:
        error = next(x for x in planned.stderr.splitlines() if x.startswith("error"))
        assert error.replace("in the price table", "at Anthropic") in dry.stderr


def cost_lines(result: Result) -> list[str]:
    """Return the plan's lines of the log, without warnings."""
    lines = result.stderr.splitlines()
    return [x for x in lines if not x.startswith(("warning", "error"))]


@pytest.mark.parametrize("key", [True, False])
def test_the_first_and_the_last_line_say_what_it_costs(
    workflow: WorkflowHarness, key: bool
) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE, "package-lock.json": "{}\n"})
    lines = cost_lines(plan(workflow, "--max-cost-usd", "1.5", key=key))
    data = plan(workflow, "--max-cost-usd", "1.5", "--json", key=key).tasks[0]
    cost = data["cost"]
    most = format_dollars(cost["due_usd"])
    expected = format_dollars(cost["expected_usd"])
    assert lines[0] == lines[-1]
    assert lines[0] == (
        f"About {expected}, at most {most} (cap $1.50), claude-sonnet-5-5; a month: not known"
    )
    assert len(lines[0]) <= 80
    assert 0 < cost["expected_usd"] < cost["due_usd"] < cost["cap_usd"] == 1.5
    assert "assuming that an answer uses 25% of its limit" in " ".join(lines)
    for name in ("expected", "at_most"):
        total = cost["expected_usd" if name == "expected" else "due_usd"]
        assert sum(file[f"{name}_usd"] for file in data["files"]) == pytest.approx(total)


def test_the_expected_cost_comes_from_this_repositorys_answers(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "b.js": WORSE})
    workflow.run("submit")
    collected = workflow.run("collect")
    workflow.commit({"c.js": BAD})
    environ = workflow.person()
    shown = workflow.cli("plan", "--first-run", "none", environ=environ)
    assert "from 2 answers to this repository" in shown.stderr
    assert "30 runs like this one" in " ".join(shown.stderr.split())
    cost = workflow.cli("plan", "--json", environ=environ).tasks[0]["cost"]
    # A file like the one before costs what that one cost, but for the estimate of its tokens.
    past = float(collected.outputs["cost-usd"]) / 2
    assert cost["expected_usd"] == pytest.approx(past, rel=0.5)
    assert cost["month_usd"] == pytest.approx(30 * cost["expected_usd"])
    other = workflow.cli("plan", "--json", "--model", "claude-opus-5-5", environ=environ).tasks[0]
    assert other["cost"]["expected_from"].startswith("assuming"), "another model's answers differ"
    workflow.advance(9 * DAY)
    cost = workflow.cli("plan", "--json", environ=environ).tasks[0]["cost"]
    assert cost["month_from"] == "as in the last 9 days"
    assert cost["month_usd"] == pytest.approx(2 * past * 30 / 9, rel=0.01)


def test_the_documented_keys_are_those_of_the_json(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "yarn.lock": "x\n"})
    data = plan(workflow, "--json", key=False).tasks[0]
    rows = Path("docs/PLAN.md").read_text("utf-8").partition("| Key |")[2].splitlines()[2:]
    documented = [re.findall(r"`([a-z_]+)`", row) for row in rows]
    top = {name for names in documented for name in names}
    nested = {key for part in ("tokens", "cost", "about_findings") for key in data[part]}
    nested |= {*data["files"][0], *data["skipped"][0]}
    assert {*data, *nested} == top - {"null", "sampled", "counted", "submit"}


def test_the_requests_that_show_an_excerpt_are_counted(workflow: WorkflowHarness) -> None:
    lines = [f"function f{n}(a) {{\n{'  a = step(a);' * 40}\n  return a;\n}}\n" for n in range(60)]
    workflow.commit({"large.js": "".join(lines), "a.js": BAD})
    workflow.commit({"large.js": "".join(lines).replace("f30", "g30"), "a.js": WORSE})
    argv = ("plan", "--first-run", "last-commit")
    (task,) = workflow.cli(*argv, "--json", environ=NO_KEY).tasks
    assert (task["requests"], task["excerpts"]) == (2, 1)
    assert "2 requests (1 excerpt), " in workflow.cli(*argv, environ=NO_KEY).log
    # A new file is shown whole, and so is each with `context: file`.
    (whole,) = plan(workflow, "--json", key=False).tasks
    assert whole["excerpts"] == 0
    workflow.commit({".github/batch-action.yml": "context: file\n"})
    base = ("--base", "HEAD~2")
    (task_of_files,) = workflow.cli("plan", *base, "--json", environ=NO_KEY).tasks
    assert (task_of_files["requests"], task_of_files["excerpts"]) == (2, 0)
    assert task_of_files["tokens"]["input"] > 1.5 * task["tokens"]["input"]
    # The request that is shown is the excerpt that was counted.
    shown = workflow.cli(*argv, "--head", "HEAD~1", "--show-request", "large.js", environ=NO_KEY)
    assert '<file path=\\"large.js\\"' in shown.stdout
    assert 'complete=\\"no\\"' in shown.stdout


def test_skipped_files_are_folded_by_reason(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, "yarn.lock": "x\n"} | {f"{n}.md": "# x\n" for n in range(9)})
    result = plan(workflow)
    rows = [line.split() for line in result.stderr.splitlines()]
    assert ["prose", "9", "0.md,", "1.md,", "2.md,", "…"] in rows
    assert ["lock-file", "1", "yarn.lock"] in rows
    skipped = plan(workflow, "--json").tasks[0]["skipped"]
    assert len([f for f in skipped if f["reason"] == "prose"]) == 9


def test_the_tasks_of_a_plan_share_the_cap(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    one = plan(workflow, "--json").tasks[0]["cost"]["due_usd"]
    flags = ["--max-cost-usd", str(one * 1.5), "--task", "code-review", "--task", "security-scan"]
    result = plan(workflow, "--json", *flags)
    first, second = result.tasks
    assert (first["requests"], second["requests"]) == (2, 0)
    assert (result.exit, second["problem"]) == (0, None)
    shown = " ".join(plan(workflow, *flags).stderr.split())
    assert "code-review: About" in shown
    most = re.escape(format_dollars(first["cost"]["due_usd"]))
    assert re.search(rf"All tasks: about \S+, at most {most} \(cap [^()]*\), [^()]*$", shown)


@pytest.mark.parametrize(
    ("name", "committed", "edited", "is_named"),
    [
        ("AGENTS.md", "Be kind.\n", "Be strict.\n", True),
        ("REVIEW.md", None, "Be strict.\n", True),
        ("AGENTS.md", "Be kind.\n", "Be kind.\r\n", False),
        (".gitattributes", None, "*.js linguist-generated\n", True),
        (".github/batch-action-baseline.json", None, '{"version": 1}', True),
        (".github/batch-action.yml", "model: claude-opus-5-5\n", "model: x\n", True),
        ("a.js", GOOD, BAD, False),
    ],
)
def test_what_is_not_committed_is_said(
    workflow: WorkflowHarness, name: str, committed: str | None, edited: str, is_named: bool
) -> None:
    workflow.commit({"b.js": BAD, **({name: committed} if committed else {})})
    path = workflow.repo.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(edited.encode())
    result = plan(workflow)
    assert result.exit == 0, result.log
    assert (f"{name} in the working tree is not committed" in result.stderr) is is_named
    path.unlink()
    path.symlink_to("b.js")
    assert f"{name} in the working tree is not committed: a" not in plan(workflow).stderr


def test_without_anthropic_the_plan_is_made_all_the_same(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="anthropic", status=401, times=99)
    assert plan(workflow).exit == 0
    assert plan(workflow, "--exact").exit == 4


@pytest.mark.parametrize("cache", ["off", "warm"])
def test_a_shown_request_is_byte_for_byte_what_is_sent(
    workflow: WorkflowHarness, cache: str
) -> None:
    files = {"a.js": BAD, "b.py": HOSTILE, "long.py": "x = 1  # a comment\n" * 9_000}
    workflow.commit({"AGENTS.md": "Be kind. " * 900, **files})
    argv = ["--prompt-cache", cache, "--paths", "*.js", "--paths", "*.py"]
    shown: list[str] = []
    for path in files:
        result = plan(workflow, *argv, "--show-request", f"./{path}")
        assert result.exit == 0, result.log
        shown += result.stdout.splitlines()
    assert plan(workflow, *argv, "--show-request", "b.py", key=False).stdout in "\n".join(
        [*shown, ""]
    )
    assert workflow.cli("submit", *ALL, *argv).exit == 0
    sent = [
        json.dumps(request, ensure_ascii=False, separators=(",", ":"))
        for batch in workflow.batches
        for request in batch.requests
    ]
    assert sent
    assert set(sent) <= set(shown)
    assert cache == "warm" or len(sent) == len(shown) > len(files)


@pytest.mark.parametrize(
    ("path", "flags", "reason"),
    [
        ("package-lock.json", [], "it is skipped: "),
        ("nothing.py", [], "does not exist"),
        ("a.js", ["--max-cost-usd", "0.000001"], "over the cost limit"),
        ("../a.js", [], "does not exist"),
    ],
)
def test_why_nothing_of_a_file_would_be_sent(
    workflow: WorkflowHarness, path: str, flags: list[str], reason: str
) -> None:
    workflow.commit({"a.js": BAD, "package-lock.json": "{}\n"})
    result = plan(workflow, *flags, "--show-request", path)
    assert (result.exit, result.stdout) == (2, "")
    assert reason in result.stderr
