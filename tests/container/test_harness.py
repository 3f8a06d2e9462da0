"""The image and the virtual runner, without running the action."""

from __future__ import annotations

import json
import signal

import pytest

from tests.container.jobs import HostileWorkspace, check_out
from tests.container.runner import USER, wait_until

PYTHON = "/opt/venv/bin/python"

SHOW = """
import json, os, subprocess
open("left.txt", "w").close()
with open(os.environ["GITHUB_OUTPUT"], "a") as file:
    file.write("plain=1\\nlong<<EOF\\na\\nb=c\\nEOF\\n")
git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
print(json.dumps({"cwd": os.getcwd(), "uid": os.getuid(), "environ": dict(os.environ),
    "owner": os.stat(".").st_uid, "pid": os.getpid(), "git": [git.returncode, git.stderr],
    "mounts": {p: os.path.isdir(p) for p in (os.environ["HOME"], "/github/workflow")}}))
"""

WAIT = """
import os, signal, sys, time
def stop(number, frame):
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
open("/github/runner_temp/ready", "w").close()
time.sleep(60)
"""


def test_a_step_has_the_environment_of_the_runner(runner, origin):
    check_out(origin, runner)
    environ = {
        "GITHUB_EVENT_PATH": str(runner.temp / "_github_workflow" / "event.json"),
        "NOT_ONLY_THE_START": f"a:{runner.workspace}",
        "RUNNER_WORKSPACE": str(runner.workspace.parent),
    }
    inputs = {"anthropic-api-key": "sk-1", "two words": "x", "empty": ""}
    ended = runner.run(environ, inputs, entrypoint=PYTHON, arguments=("-c", SHOW))
    assert ended.exit_code == 0, ended.log
    seen = json.loads(ended.log)
    environ = seen["environ"]
    assert seen["cwd"] == environ["GITHUB_WORKSPACE"] == "/github/workspace"
    assert seen["uid"] == 0
    assert seen["pid"] == 1
    assert seen["mounts"] == {"/github/home": True, "/github/workflow": True}
    assert seen["owner"] == USER
    assert seen["git"] == [0, ""], "the image must tell git to trust a foreign owner"
    assert environ["INPUT_ANTHROPIC-API-KEY"] == "sk-1"
    assert environ["INPUT_TWO_WORDS"] == "x"
    assert environ["INPUT_EMPTY"] == ""
    assert environ["GITHUB_EVENT_PATH"] == "/github/workflow/event.json"
    assert environ["GITHUB_OUTPUT"].startswith("/github/file_commands/set_output_")
    assert environ["NOT_ONLY_THE_START"] == f"a:{runner.workspace}"
    assert environ["RUNNER_WORKSPACE"] == str(runner.workspace.parent)
    assert ended.outputs == {"plain": "1", "long": "a\nb=c"}
    assert [path.name for path in runner.foreign_files()] == ["left.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_pid_1(runner, number):
    step = runner.step(entrypoint=PYTHON, arguments=("-c", WAIT))
    wait_until((runner.temp / "ready").exists, step)
    step.signal(number)
    ended = step.end()
    assert ended.exit_code == 130, ended.log
    assert ended.seconds < 5


def test_a_careless_command_executes_a_hostile_workspace(runner, origin):
    check_out(origin, runner)
    hostile = HostileWorkspace(runner)
    commands = f"git status; git diff HEAD~1; {PYTHON} -c 'import anthropic, batch_action'"
    runner.run({"PYTHONPATH": "."}, entrypoint="/bin/sh", arguments=("-c", commands))
    assert hostile.executed >= {
        "git-fsmonitor",
        "git-diff-command",
        "python-sitecustomize",
        "python-anthropic",
        "python-batch_action",
    }
