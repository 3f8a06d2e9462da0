"""The plan: it says what submit would, and shows byte for byte what would leave the machine."""

import json
from datetime import timedelta
from typing import Any, get_args

import pytest
from anthropic.types.model_param import ModelParam

from batch_action.requests import pricing
from tests.harness.workflow import BAD, Result, WorkflowHarness

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
    assert (result.exit, "`submit` would exit with 3: Not even one" in result.stderr) == (0, True)
    data: dict[str, Any] = plan(workflow, "--json", *flags).tasks[0]
    assert "Not even one file fits" in data["problem"]
    assert workflow.cli("submit", *ALL, *flags).exit == 3
    assert plan(workflow, "--json").tasks[0]["problem"] is None


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
