"""What the commands print: one JSON object, nothing but warnings, or each HTTP call."""

import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from batch_action.cli import commands
from batch_action.cli.group import SENTENCES
from batch_action.cli.options import InputCommand
from tests.documents.texts import ROOT, fences
from tests.harness.webhook_receiver import PATH, webhook_receiver
from tests.harness.workflow import BAD, Result, WorkflowHarness

SCHEMA = json.loads((ROOT / "docs/output.schema.json").read_text("utf-8"))
REPORTING = [n for n in SENTENCES if isinstance(getattr(commands, n), InputCommand)]


def data_of(result: Result) -> dict[str, Any]:
    """Return the only JSON object on standard output, which has the published shape."""
    data: dict[str, Any] = json.loads(result.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    assert data["exit_code"] == result.exit
    return data


def on_github(workflow: WorkflowHarness) -> dict[str, str]:
    """Return the variables of a person who works on the repository at a command line."""
    run = workflow.open({})
    step = workflow.step(run, "run")
    names = ("GITHUB_REPOSITORY", "GITHUB_REPOSITORY_ID", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    return {"GITHUB_TOKEN": run.token, **{name: step[name] for name in names}}


def test_each_command_that_reports_prints_one_object(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    environ = on_github(workflow)
    folder = str(workflow.repo.path)

    def run(*argv: str, code: int = 0) -> dict[str, Any]:
        result = workflow.cli(*argv, "--json", environ=environ)
        assert result.exit == code, result.log
        data = data_of(result)
        assert data["command"] == argv[0]
        return data

    assert run("plan", "--first-run", "last-commit")["tasks"][0]["requests"] == 1
    submitted = run("submit", "--first-run", "last-commit")["tasks"][0]["outputs"]
    assert submitted["batch-ids"] == [workflow.batches[0].id]
    assert submitted["requests-count"] == 1
    assert run("status")["tasks"][0]["pending"][0]["batch"] == workflow.batches[0].id
    collected = run("collect", "--fail-on-severity", "low", code=1)
    assert collected["tasks"][0]["outputs"]["findings-count"] == 2
    assert "fail-on-severity" in collected["errors"][0]
    counted = run("stats")["tasks"][0]
    assert (counted["found"], counted["open"], counted["usd_per_fixed"]) == (2, 2, None)
    assert [month["found"] for month in counted["months"]] == [2]
    assert run("baseline")["tasks"][0]["accepted"] == 2
    assert run("run")["tasks"][0]["outputs"]["status"] == "nothing-to-do"
    assert run("cancel")["tasks"][0]["batches"] == []
    assert len(run("init", "--repo", folder, "--force")["files"]) == 2
    assert "errors" in run("propose", "--task", "test-generation", code=2)
    assert {check["state"] for check in run("doctor")["checks"]} >= {"ok"}
    both = run("status", "--task", "code-review", "--task", "security-scan")
    assert [task["task"] for task in both["tasks"]] == ["code-review", "security-scan"]
    (saved, _), total = (task["savings"]["total"] for task in both["tasks"]), both["savings"]
    assert total["month"] == total["total"] == saved
    assert saved["saved_usd"] == pytest.approx(saved["interactive_usd"] / 2, abs=1e-6)
    assert (saved["batches"], saved["unknown_batches"], saved["cache_share"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (["plam", "--json"], 2, "plan"),
        (["plan", "--json", "--modle", "x"], 2, "--model"),
        (["plan", "--json", "--select", "some"], 2, "`select`"),
        (["plan", "--json", "--show-request", "a.js"], 2, "--show-request"),
        (["cancel", "--json", "--batch-id", "msgbatch_1"], 2, "msgbatch_1"),
        (["submit", "--json", "--max-cost-usd", "0"], 3, "max-cost-usd"),
        (["init", "--json", "--repo", "/no/such"], 2, "/no/such"),
    ],
)
def test_an_error_is_in_the_object_and_on_standard_error(
    workflow: WorkflowHarness, argv: list[str], code: int, word: str
) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.cli(*argv, environ={"BATCH_ACTION_FIRST_RUN": "last-commit"})
    data = data_of(result)
    assert result.exit == code
    assert any(word in error for error in data["errors"]), data["errors"]
    assert word in result.stderr


def test_a_refused_key_and_a_bug_are_objects_too(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    wrong = {"ANTHROPIC_API_KEY": "sk-ant-invalid"}
    refused = workflow.cli("submit", "--json", "--first-run", "last-commit", environ=wrong)
    assert data_of(refused)["exit_code"] == 4
    assert "sk-ant-invalid" not in refused.log
    workflow.clock_skew = "no number"  # type: ignore[assignment] # the clock raises TypeError
    bug = workflow.cli("plan", "--json", "--first-run", "last-commit")
    assert (data_of(bug)["exit_code"], "Please report" in bug.stderr) == (70, True)


def test_a_secret_is_in_no_object(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.cli("plan", "--json", "--state-key", workflow.key, "--first-run", "24h")
    assert workflow.key not in result.log


@pytest.mark.parametrize("name", REPORTING)
def test_quiet_prints_warnings_and_errors_only(workflow: WorkflowHarness, name: str) -> None:
    workflow.commit({"a.js": BAD})
    # `init` writes to the working directory unless told otherwise: not to this repository.
    init = ["--force", "--repo", str(workflow.repo.path)]
    propose, evaluate = ["--task", "test-generation"], ["nowhere.yml", "--max-cost-usd", "1"]
    own = {"init": init, "propose": propose, "evaluate": evaluate}.get(name, [])
    result = workflow.cli(name, "--quiet", *own, environ=on_github(workflow))
    lines = result.stderr.splitlines()
    assert [line for line in lines if not line.startswith(("warning: ", "error: "))] == []
    assert result.stdout == ""


def test_a_quiet_doctor_says_what_fails(workflow: WorkflowHarness, tmp_path: Path) -> None:
    for argv in (["--model", "claude-none-9"], ["--repo", str(tmp_path)]):
        result = workflow.cli("doctor", "--quiet", *argv, environ=on_github(workflow))
        assert result.exit == 2
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert errors, result.stderr
        others = set(result.stderr.splitlines()) - set(errors)
        assert all(line.startswith("warning: ") for line in others)


def test_verbose_prints_each_call_without_its_secrets(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add("status", service="github", method="GET", status=502, times=1)
    argv = ("--verbose", "--first-run", "last-commit", "--report", "issue")
    with webhook_receiver() as slack:
        environ = {**on_github(workflow), "BATCH_ACTION_SLACK_WEBHOOK_URL": slack.url}
        logs = [workflow.cli("run", *argv, environ=environ).stderr for _ in range(2)]
        assert slack.requests
    calls = re.findall(r"^([A-Z]+) (\S+) (\w+), (\d+\.\d\d) s$", "\n".join(logs), re.MULTILINE)
    anthropic, github = workflow.sandbox.anthropic_url, environ["GITHUB_API_URL"]
    named = {(method, url.rstrip("/"), status) for method, url, status, _ in calls}
    assert ("POST", f"{anthropic}/v1/messages/batches", "200") in named
    repository = f"{github}/repos/{workflow.github_repository.full_name}"
    assert ("POST", f"{repository}/issues", "201") in named
    assert any(status == "502" for _, _, status in named)
    assert ("POST", "***", "200") in named  # the whole address is a secret
    text = "\n".join(logs)
    assert "?" not in "".join(url for _, url, _ in named)
    for secret in (workflow.key, environ["GITHUB_TOKEN"], PATH):
        assert secret not in text
    assert not re.search(r"^[A-Z]+ http", workflow.cli("status").stderr, re.MULTILINE)


def test_a_log_has_no_progress_bars(workflow: WorkflowHarness) -> None:
    workflow.commit({f"f{n}.js": BAD + f"// {n}\n" for n in range(60)})
    environ = on_github(workflow)
    for command in ("plan", "submit", "collect"):
        log = workflow.cli(command, environ=environ).log
        assert "\r" not in log
        assert "\x1b" not in log
        assert len(log.splitlines()) < 120


# The help.


@pytest.mark.parametrize("name", REPORTING)
def test_the_help_fits_on_one_screen(name: str) -> None:
    command: InputCommand = getattr(commands, name)
    context = click.Context(command, info_name=name, terminal_width=80)
    lines = command.get_help(context).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  Example: batch-action ") for line in lines)


def test_the_list_of_commands_shows_whole_sentences(workflow: WorkflowHarness) -> None:
    shown = " ".join(workflow.cli("--help").stdout.split())
    assert all(sentence in shown for sentence in SENTENCES.values())
    assert "..." not in shown.partition("Options:")[2]


def test_the_short_help_names_choices_and_defaults(workflow: WorkflowHarness) -> None:
    shown = " ".join(workflow.cli("run", "--help").stdout.split())
    for text in (
        "low, medium, high, xhigh, max, none [medium]",
        "[code-review]",
        "[claude-sonnet-5-5]",
        "issue-per-finding",
        "[issue, summary]",
        "critical, high, medium, low [low]",
        "--help-all",
    ):
        assert text in shown
    assert "--prompt-cache" not in shown
    assert "--prompt-cache" in workflow.cli("run", "--help-all").stdout


@pytest.mark.parametrize("name", REPORTING)
def test_the_long_help_names_every_flag(workflow: WorkflowHarness, name: str) -> None:
    command: InputCommand = getattr(commands, name)
    shown = workflow.cli(name, "--help-all").stdout
    options = command.get_params(click.Context(command))
    for option in (each for each in options if isinstance(each, click.Option)):
        assert option.opts[-1] in shown


@pytest.mark.parametrize("name", REPORTING)
def test_the_example_is_a_valid_command_line(name: str) -> None:
    command: InputCommand = getattr(commands, name)
    words = command.example.split()
    assert words[:2] == ["batch-action", name]
    with command.make_context(name, ["--repo", ".", *words[2:]]):
        pass


def test_the_documented_object_has_the_published_shape() -> None:
    (example,) = fences((ROOT / "docs/COMMANDS.md").read_text("utf-8"), "json")
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(example))
