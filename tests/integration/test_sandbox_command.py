"""`batch-action sandbox`: what it prints is enough to run the commands in another shell."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.git_repositories import Repo

BAD = "import os\n\n\ndef run(x):\n    return eval(x)\n"
GOOD = "def run(x):\n    return x + 1\n"

COMMAND = [sys.executable, "-m", "batch_action"]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repository = Repo.init(tmp_path / "own", "--initial-branch=trunk")
    repository.commit({"app.py": GOOD})
    repository.commit({"app.py": BAD})
    return repository


@contextmanager
def serve_sandbox(repo: Repo) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--repo", str(repo.path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        exports: dict[str, str] = {}
        while "NO_PROXY" not in exports and (line := process.stdout.readline()):
            match = re.fullmatch(r"export (\w+)='?([^'\n]*)'?\n", line)
            assert match, line
            exports[match[1]] = match[2]
        yield process, exports
    finally:
        process.kill()
        process.communicate()


def run(repo: Repo, exports: dict[str, str], *argv: str) -> str:
    done = subprocess.run(
        [*COMMAND, *argv, "--repo", str(repo.path)],
        env={"PATH": os.environ["PATH"], **exports},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_printed_environment_is_enough_to_submit_and_collect(repo: Repo) -> None:
    with serve_sandbox(repo) as (process, exports):
        assert "Sent 1 request" in run(repo, exports, "run", "--first-run", "last-commit")
        assert "issue: created" in run(repo, exports, "run")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert repo.git("status", "--porcelain") == ""


def test_sigterm_stops_it(repo: Repo) -> None:
    with serve_sandbox(repo) as (process, _):
        process.terminate()
        assert process.wait(20) == 0


def test_a_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "sandbox", "--repo", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no git repository" in done.stderr
