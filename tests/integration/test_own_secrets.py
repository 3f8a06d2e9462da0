"""Our own keys, tokens and passwords in no text that leaves the machine, whoever echoes them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_action.clients.actions_runner import Runner
from batch_action.clients.network import url_secrets, without_user
from tests.harness.git_repositories import Repo
from tests.harness.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.harness.workflow import BAD, Result, WorkflowHarness

STATE_SECRET = "correct-horse" + "-battery"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
PASSWORD = "hunter" + "22%21"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


def texts_of(workflow: WorkflowHarness, result: Result) -> str:
    """Return all that a run has written, but for the commands that make the runner mask."""
    lines = [line for line in result.log.splitlines() if not line.startswith("::add-mask::")]
    files = [p for p in workflow.repo.path.glob(".batch-action/*") if p.is_file()]
    written = [file.read_text("utf-8", "replace") for file in files]
    bodies = [issue.body for issue in workflow.issues]
    return "\n".join([*lines, result.summary, *result.outputs.values(), *written, *bodies])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_service_that_echoes_our_secrets(
    workflow: WorkflowHarness, receiver: WebhookReceiver, status: int
) -> None:
    secrets = (workflow.key, STATE_SECRET, WEBHOOK_SECRET)
    workflow.commit({"a.js": BAD})
    workflow.sandbox.faults.add(
        "status",
        service="anthropic",
        method="POST",
        path="/batches$",
        status=status,
        message=f"wrong: {' '.join(secrets)}",
        times=9,
    )
    result = workflow.run(
        "submit",
        state_secret=STATE_SECRET,
        report="issue, slack, webhook, files",
        slack_webhook_url=receiver.url,
        webhook_url=receiver.url,
        webhook_secret=WEBHOOK_SECRET,
    )
    assert result.exit == 4
    told = texts_of(workflow, result) + "".join(call.body.decode() for call in receiver.requests)
    assert [secret for secret in secrets if secret in told] == []


def test_a_model_that_echoes_our_secrets(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": f"// {STATE_SECRET}\n{BAD}"})
    workflow.run("submit", state_secret=STATE_SECRET)
    finding = {
        "rule": "leak",
        "category": "bug",
        "severity": "high",
        "confidence": "high",
        "start_line": 4,
        "end_line": 4,
        "evidence": "return eval(x);",
        "title": f"The secret is {STATE_SECRET}",
        "trigger": f"Whoever knows {STATE_SECRET}.",
        "explanation": f"It is {STATE_SECRET}.",
        "remediation": f"Remove {STATE_SECRET}.",
        "suggestion": None,
        "pre_existing": False,
        "security": False,
    }
    workflow.answer(lambda _request: {"findings": [finding]})
    result = workflow.run("collect", state_secret=STATE_SECRET, report="issue, files, annotations")
    assert result.outputs["findings-count"] == "1"
    told = texts_of(workflow, result)
    assert STATE_SECRET not in told
    assert "The secret is ***" in told


def test_a_password_in_a_url_is_never_shown(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    for name, url in {
        "GITHUB_API_URL": f"http://bot:{PASSWORD}@127.0.0.1:9/api/v3",
        "ANTHROPIC_BASE_URL": f"http://bot:{PASSWORD}@127.0.0.1:9",
        "HTTPS_PROXY": f"ftp://bot:{PASSWORD}@127.0.0.1:9",
    }.items():
        result = workflow.start("submit", {}, environ={name: url})
        assert result.exit != 0
        text = texts_of(workflow, result)
        assert PASSWORD not in text
        assert "hunter22!" not in text


def test_secrets_of_an_environment_and_urls_that_can_be_shown() -> None:
    environ = {"A": f"https://u:{PASSWORD}@h/x", "B": "https://tok3n@h", "C": "a@b", "D": "://[@x"}
    assert url_secrets(environ) == {PASSWORD, "hunter22!", "tok3n"}
    assert without_user(f"https://u:{PASSWORD}@h:1/x?key=1#y") == "https://h:1/x"
    assert without_user("https://h/x") == "https://h/x"


def test_short_values_and_parts_of_words_stay(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.mask("abc")
    runner.mask("first line of two\nsecond line")
    assert runner.hide("abc second line, first line of two") == "abc ***, ***"


def test_git_gets_no_secret(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "repo")
    repo.commit({"a.js": BAD})
    log, folder = tmp_path / "environment", tmp_path / "bin"
    folder.mkdir()
    git = folder / "git"
    # GitPython asks for the version when it is imported: there a proxy's URL is the only secret.
    record = f'[ "$1" = version ] || env >> {log}'
    git.write_text(f'#!/bin/sh\n{record}\nPATH=${{PATH#*:}} exec git "$@"\n')
    git.chmod(0o755)
    secrets = {
        "ANTHROPIC_API_KEY": "sk-ant-" + "secret-1",
        "INPUT_ANTHROPIC-API-KEY": "sk-ant-" + "secret-2",
        "INPUT_GITHUB-TOKEN": "secret-3",
        "ACTIONS_RUNTIME_TOKEN": "secret-4",
        "AWS_SECRET_ACCESS_KEY": "secret-5",
        "MY_TOKEN": "secret-6",
        "HTTPS_PROXY": "http://u:secret-7@127.0.0.1:9",
    }
    process = subprocess.run(
        [sys.executable, "-m", "batch_action", "plan"],
        cwd=repo.path,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd()), **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "GIT_DIR=" in log.read_text()
    assert "secret-" not in log.read_text()
