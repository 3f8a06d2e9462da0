"""The command line: error messages, JSON on standard output, bugs and interrupts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batch_action import __version__
from tests.harness.git_repositories import Repo
from tests.harness.processes import TIMEOUT_SECONDS, wait_until
from tests.harness.workflow import BAD, HOUR, WORSE, WorkflowHarness, unexpected_commands

CONFIG = ".github/batch-action.yml"
YAML_BOMB = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 9)}]\n"
    for before, name in zip(["", *"abcdefg"], "abcdefgh", strict=True)
)
YAML_BOMB += "model: *h\n"
"""A few hundred bytes of YAML that expand to millions of words."""


def error_of(workflow: WorkflowHarness, argv: list[str], **environ: str | None) -> str:
    """Run a command that exits with 2 and no traceback; return its standard error."""
    result = workflow.cli(*argv, environ=environ)
    assert result.exit == 2, result.log
    assert "Traceback" not in result.log
    assert result.stdout == ""
    assert result.stderr.strip()
    return result.stderr


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["plan", "--no-such-flag"], "--no-such-flag"),
        (["no-such-command"], "no-such-command"),
        (["plan", "--task", "poetry"], "`task` 'poetry' does not exist"),
        (["plan", "--max-cost-usd", "much"], "`max-cost-usd` 'much'"),
        (["plan", "--max-cost-usd", "-1"], "`max-cost-usd` '-1'"),
        (["plan", "--max-cost-usd", "nan"], "`max-cost-usd` 'nan'"),
        (["plan", "--max-attempts", "2.5"], "`max-attempts` '2.5'"),
        (["plan", "--select", "some"], "`select` 'some'"),
        (["plan", "--effort", "heroic"], "`effort` 'heroic'"),
        (["plan", "--base", "nowhere"], "`base`"),
        (["plan", "--base", "--output=x"], "`base`"),
        (["plan", "--head", "nowhere"], "nowhere"),
        (["plan", "--first-run", "soon"], "`first-run`"),
        (["plan", "--state-key", "a/b"], "`state-key` 'a/b'"),
        (["plan", "--repo", "/no/such/folder"], "/no/such/folder"),
        (["collect", "--batch-id", "../x"], "`batch-id` '../x'"),
        (["collect", "--report", "pigeon"], "`report`"),
        (["collect", "--fail-on-severity", "dire"], "`fail-on-severity` 'dire'"),
        (["cancel", "--batch-id", "msgbatch_1"], "msgbatch_1"),
        (["submit", "--anthropic-base-url", "ftp://x"], "`anthropic-base-url`"),
        (["submit", "--anthropic-base-url", "http://example.com"], "must be https"),
    ],
)
def test_every_bad_input_is_named(workflow: WorkflowHarness, argv: list[str], message: str) -> None:
    assert message in error_of(workflow, argv)


def test_all_bad_inputs_are_reported_at_once(workflow: WorkflowHarness) -> None:
    error = error_of(workflow, ["plan", "--select", "some", "--max-attempts", "0"])
    assert "`select`" in error
    assert "`max-attempts`" in error


def test_a_missing_key(workflow: WorkflowHarness) -> None:
    for command in ("submit", "run"):
        error = error_of(workflow, [command], ANTHROPIC_API_KEY=None)
        assert "`anthropic-api-key` is not set" in error
        assert "ANTHROPIC_API_KEY" in error


def test_a_wrong_key(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    wrong = {"ANTHROPIC_API_KEY": "sk-ant-invalid"}
    result = workflow.cli("submit", "--first-run", "last-commit", environ=wrong)
    assert result.exit == 4
    assert "Check ANTHROPIC_API_KEY" in result.stderr
    assert "sk-ant-invalid" not in result.log


@pytest.mark.parametrize("value", ["sk-ant-first\nsk-ant-second", "sk-ant-\x00", "sk-ant-cl\u00e9"])
def test_a_key_that_no_header_can_contain_is_not_quoted(
    workflow: WorkflowHarness, value: str
) -> None:
    error = error_of(workflow, ["submit"], ANTHROPIC_API_KEY=value)
    assert "`anthropic-api-key` contains a line break" in error
    assert "sk-ant" not in error
    environ = {"GITHUB_TOKEN": value, "GITHUB_REPOSITORY": "octo/x"}
    error = error_of(workflow, ["plan"], **environ)
    assert "`github-token`" in error
    assert "sk-ant" not in error


def test_no_repository(workflow: WorkflowHarness, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "git repository" in error_of(workflow, ["plan", "--repo", str(empty)])
    assert "`--repo`" in error_of(workflow, ["submit", "--repo", str(empty)])
    Repo.init(tmp_path / "fresh")
    assert "no commit yet" in error_of(workflow, ["plan", "--repo", str(tmp_path / "fresh")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [\n", "is not valid YAML"),
        ("- model\n", "must consist of `name: value` lines"),
        ("just words\n", "must consist of `name: value` lines"),
        ("modle: x\n", "did you mean `model`?"),
        ("max_cost_usd: 3\n", "did you mean `max-cost-usd`?"),
        ("anthropic-api-key: sk-ant-secret\n", "`anthropic-api-key` cannot be set in"),
        ("github-token: ghp_secret\n", "`github-token` cannot be set in"),
        ("max-findings: many\n", "`max-findings` 'many'"),
        ("when: 2026-13-45\n", "is not valid YAML"),
        ("prices: {claude-x: {input: -1}}\n", "`prices`"),
        ("prices: {claude-x: 7}\n", "`prices`"),
        ("paths: {a: b}\n", "`paths`"),
        (YAML_BOMB, "`model`"),
        ("1: 2\n", "`1`"),
        ("\x00", "is not valid YAML"),
    ],
    ids=range(15),
)
def test_a_bad_config_file(workflow: WorkflowHarness, text: str, message: str) -> None:
    workflow.commit({CONFIG: text})
    error = error_of(workflow, ["plan"])
    assert message in error
    assert CONFIG in error or "`" in error
    assert "secret" not in error.replace("secrets", "")
    assert len(error) < 3000


def test_the_config_file_is_read_from_the_commit(workflow: WorkflowHarness) -> None:
    workflow.commit({CONFIG: "paths: ['*.js']\n", "a.js": BAD, "b.ts": BAD})
    (workflow.repo.path / CONFIG).write_text("nonsense: 1\n")
    data = workflow.cli("plan", "--json", "--first-run", "all").tasks[0]
    assert [file["path"] for file in data["files"]] == ["a.js"]


def test_version_and_help(workflow: WorkflowHarness) -> None:
    assert __version__ in workflow.cli("--version").stdout
    for command in (
        "plan",
        "submit",
        "collect",
        "run",
        "status",
        "cancel",
        "init",
        "demo",
        "sandbox",
    ):
        shown = workflow.cli(command, "--help")
        assert shown.exit == 0
        assert "Usage: batch-action" in shown.stdout


# Data on standard output.

ODD_FILES = {
    b"latin-\xe9.js": BAD,
    "new\nline.js": BAD,
    'quo"te.js': BAD,
    "with space.js": BAD,
    "tab\t.js": BAD,
    "::error::.js": BAD,
    "-dash.js": BAD,
    "\u00e9\u4e2d\U0001f600.js": BAD,
    "deep/er/and/deeper/file.ts": BAD,
    "image.png": b"\x89PNG\0",
    "binary.dat": b"\0\1\2\3",
    "lfs.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n",
    "huge.js": "const a = 1;\n" * 100_000,
    "minified.min.js": "a=1;" * 5_000,
    "package-lock.json": "{}\n",
    "gen.js": "// Code generated by x. DO NOT EDIT.\nlet a = 1;\n",
    "empty.js": "",
    "utf16.js": "let a = eval(b);\n".encode("utf-16"),
    "crlf.js": "let a = eval(b);\r\n",
    "secret.js": "const key = 'AKIAIOSFODNN7EXAMPLE';\n",
}


def commit_odd_files(workflow: WorkflowHarness) -> tuple[str, str]:
    repo = workflow.repo
    repo.commit({"gone.js": BAD, "old.js": BAD * 3, "mode.js": WORSE, "kind.js": WORSE})
    base = repo.commit()
    repo.git("mv", "old.js", "renamed.js")
    repo.write({"gone.js": None, "kind.js": None, **ODD_FILES})
    (repo.path / "kind.js").symlink_to("mode.js")
    (repo.path / "link.js").symlink_to("/etc/passwd")
    (repo.path / "mode.js").chmod(0o755)
    sub = Repo.init(workflow.folder / "sub")
    sub.commit({"x": "y"})
    repo.git("submodule", "--quiet", "add", str(sub.path), "module")
    return base, repo.commit()


def test_plan_lists_every_file_that_git_reports_as_changed(workflow: WorkflowHarness) -> None:
    base, head = commit_odd_files(workflow)
    names = (
        workflow.repo.git("diff", "--name-only", "-M", "-z", base, head).rstrip("\0").split("\0")
    )
    given = ["plan", "--base", base, "--head", head, "--json"]
    result = workflow.cli(*given, environ={"ANTHROPIC_API_KEY": None})
    assert result.exit == 0, result.log
    result.stdout.encode("ascii")
    data = result.tasks[0]
    assert {"files", "skipped", "backlog", "requests", "batches", "tokens", "cost"} <= set(data)
    paths = [f["path"] for f in data["files"]] + [s["path"] for s in data["skipped"]]
    assert sorted(paths) == sorted(names)
    assert all(f["status"] for f in data["files"])
    assert all(s["reason"] for s in data["skipped"])
    assert set(data["tokens"]) >= {"input", "output_max", "method"}
    assert set(data["cost"]) >= {"interactive_usd", "batch_usd", "batch_cached_usd", "priced"}
    reasons = {s["path"]: s["reason"] for s in data["skipped"]}
    assert reasons["kind.js"] == reasons["link.js"] == "symlink"
    assert reasons["module"] == "submodule"
    assert reasons["latin-\udce9.js"] == "unreadable-name"
    assert reasons["renamed.js"] == "same-content"
    shown = workflow.cli(*given[:-1], environ={"ANTHROPIC_API_KEY": None})
    assert shown.exit == 0
    assert unexpected_commands(shown.log) == []


def test_odd_files_are_submitted_and_collected(workflow: WorkflowHarness) -> None:
    _, _ = commit_odd_files(workflow)
    assert workflow.run("submit").exit == 0
    result = workflow.run("collect")
    assert result.exit == 0, result.log
    assert "AKIAIOSFODNN7EXAMPLE" not in workflow.public_text + result.log + result.summary
    prompts = json.dumps([b.requests for b in workflow.batches])
    assert "AKIAIOSFODNN7EXAMPLE" not in prompts
    assert "root:" not in prompts
    assert workflow.run("run").outputs["status"] == "nothing-to-do"


def test_standard_output_is_json_only_in_a_workflow_too(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    state = str(workflow.folder / "state")
    inside = {"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": None, "BATCH_ACTION_STATE_DIR": state}
    for argv in (["plan", "--json", "--first-run", "all"], ["status", "--json"]):
        result = workflow.cli(*argv, environ=inside)
        assert result.exit == 0, result.log
        json.loads(result.stdout)
        assert "add-mask" in result.stderr


def test_status_shows_the_state(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    workflow.cli("submit", "--first-run", "last-commit")
    workflow.advance(2 * HOUR)
    data = workflow.cli("status", "--json").tasks[0]
    assert data["last_head"] == workflow.repo.head()
    assert [p["batch"] for p in data["pending"]] == [workflow.batches[0].id]
    assert data["pending"][0]["age_hours"] == pytest.approx(2, abs=0.01)
    assert data["backlog"] == []
    assert data["committed_usd"] > 0
    assert workflow.batches[0].id in workflow.cli("status").stderr


def test_submit_and_collect_on_the_command_line(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    assert workflow.cli("submit", "--first-run", "last-commit").exit == 0
    result = workflow.cli("collect", "--report", "summary")
    assert result.exit == 0, result.log
    assert workflow.cli("submit").exit == 0
    assert len(workflow.batches) == 1


def test_collect_without_github_names_what_is_missing(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.cli("submit", "--first-run", "last-commit")
    error = error_of(workflow, ["collect"])
    assert "`github-token`" in error
    assert "GITHUB_REPOSITORY" in error


def test_a_runner_file_that_cannot_be_written_is_an_error(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    result = workflow.start(
        "plan", {}, environ={"GITHUB_OUTPUT": str(workflow.folder / "no" / "where")}
    )
    assert result.exit == 2
    assert any("cannot be written" in line for line in result.annotations("error"))


def test_a_bug_is_reported_with_versions(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.clock_skew = "no number"  # makes the clock raise TypeError
    result = workflow.cli("plan", "--first-run", "last-commit")
    assert result.exit == 70
    assert "Please report" in result.log
    assert f"batch-action {__version__}, command plan, Python" in result.log
    assert "A bug in batch-action ended this run; see the log above." in result.log


# Interrupts: a process in a slow call.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_while_a_batch_is_created(workflow: WorkflowHarness, number: int) -> None:
    workflow.commit({"a.js": BAD})
    run = workflow.open({})
    environ = workflow.step(run, "submit")
    create = {"service": "anthropic", "method": "POST", "path": r"/v1/messages/batches$"}
    workflow.sandbox.faults.add("late", **create, seconds=2 * TIMEOUT_SECONDS)
    with subprocess.Popen(
        [sys.executable, "-m", "batch_action", "action"],
        env=environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_until(lambda: workflow.batches)  # The service has created it, and does not answer yet.
        process.send_signal(number)
        log = process.communicate(timeout=TIMEOUT_SECONDS)[0]
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert "Interrupted" in Path(environ["GITHUB_STEP_SUMMARY"]).read_text()
    assert [a.run_id for a in workflow.artifacts] == [run.id]
    workflow.sandbox.github.finish_run(run, "cancelled")
    workflow.advance(HOUR)
    again = workflow.run("run")
    assert again.exit == 0, again.log
    workflow.run("run")
    assert len(workflow.billed_ids) == len(workflow.batches) == 1
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 2
