"""A repository with bugs, the jobs that look after it, and a workspace that means harm."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.container.runner import Ended, Runner, Step, declared_inputs, give_to_user

NAME = "octo/demo"
KEY = "sk-ant-api03-of-the-container-tests"
PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write"}

FILES = {
    "app/orders.py": '''\
"""Orders of the shop."""

import subprocess


def add(item, basket=[]):
    basket.append(item)
    return basket


def total(prices):
    try:
        return eval("+".join(prices))
    except:
        return 0


def print_receipt(name):
    subprocess.call("lpr " + name, shell=True)
''',
    "web/cart.js": """\
export function show(cart) {
  document.getElementById("cart").innerHTML = eval(cart.template);
  if (cart.count == null) return;
}
""",
    "README.md": "# A shop\n",
}


@dataclass
class Job:
    """The nightly job: each step belongs to a run of its own."""

    runner: Runner
    sandbox: Any
    origin: Path
    repository: Any = field(init=False)

    def __post_init__(self) -> None:
        self.repository = self.sandbox.github.add_repository(NAME, git_dir=self.origin)

    @property
    def issues(self) -> list[Any]:
        return list(self.repository.issues.values())

    def start(self, mode: str, *, key: str = KEY, **inputs: str) -> tuple[Step, Any]:
        run = self.sandbox.github.start_run(
            NAME,
            event="schedule",
            branch="main",
            head_sha=git("rev-parse", "main", at=self.origin),
            permissions=PERMISSIONS,
        )
        environ = self.sandbox.github.step_environment(run, self.runner.workspace, self.runner.temp)
        environ["ANTHROPIC_BASE_URL"] = self.sandbox.anthropic_url
        said = {"mode": mode, "anthropic-api-key": key} | {
            name.replace("_", "-"): value for name, value in inputs.items()
        }
        return self.runner.step(environ, declared_inputs(run.token) | said), run

    def act(self, mode: str, *, key: str = KEY, **inputs: str) -> Ended:
        """Run one mode to its end, then end its run: its token is worth nothing afterwards."""
        step, run = self.start(mode, key=key, **inputs)
        ended = step.end()
        self.sandbox.github.finish_run(run, "failure" if ended.exit_code else "success")
        return ended


def checkout(origin: Path, runner: Runner) -> None:
    """Do as actions/checkout with `fetch-depth: 0`: the files are the user's."""
    git("clone", "--quiet", str(origin), ".", at=runner.workspace)
    give_to_user(runner.workspace)


def make_repository(git_dir: Path) -> Path:
    work = git_dir.with_suffix(".work")
    work.mkdir()
    git("init", "--quiet", "--initial-branch=main", at=work)
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
        git("add", name, at=work)
        git("commit", "--quiet", "-m", f"Add {name}", at=work)
    git("clone", "--quiet", "--bare", str(work), str(git_dir), at=work)
    return git_dir


def git(*words: str, at: Path) -> str:
    """Run the host's git, whoever owns the folder and whatever the host's user has configured."""
    settings = ("safe.directory=*", "user.name=Octo", "user.email=octo@example.org")
    command = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(command, cwd=at, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Traps:
    """Everything in a workspace that runs by itself when somebody is careless."""

    def __init__(self, runner: Runner) -> None:
        self._inside = "/github/runner_temp/sprung"
        self._outside = runner.temp / "sprung"
        self._outside.mkdir()
        self._set_python(runner.workspace)
        self._set_git(runner.workspace)
        give_to_user(runner.workspace)

    @property
    def sprung(self) -> set[str]:
        return {path.name for path in self._outside.iterdir()}

    def _set_python(self, workspace: Path) -> None:
        names = ("anthropic", "github", "git", "json", "yaml", "sitecustomize", "usercustomize")
        for name in names:
            (workspace / f"{name}.py").write_text(self._python(name))
        shadow = workspace / "batch_action"
        shadow.mkdir()
        for name in ("__init__", "__main__"):
            (shadow / f"{name}.py").write_text(self._python("batch_action"))

    def _set_git(self, workspace: Path) -> None:
        hooks = workspace / "hooks"
        hooks.mkdir()
        for name in ("post-index-change", "post-checkout", "pre-commit", "reference-transaction"):
            (hooks / name).write_text(f"#!/bin/sh\n{self._shell('hook')}\n")
            (hooks / name).chmod(0o755)
        (workspace / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
        settings = {
            "core.hooksPath": "/github/workspace/hooks",
            "core.fsmonitor": self._shell("fsmonitor"),
            "core.pager": self._shell("pager"),
            "core.sshCommand": self._shell("ssh"),
            "core.askPass": self._shell("askpass"),
            "credential.helper": f"!{self._shell('credential')}",
            "diff.external": self._shell("external-diff"),
            "diff.evil.command": self._shell("diff-command"),
            "diff.evil.textconv": self._shell("textconv"),
            "filter.evil.clean": f"{self._shell('clean')}; cat",
            "filter.evil.smudge": f"{self._shell('smudge')}; cat",
        }
        for key, value in settings.items():
            git("config", "--local", key, value, at=workspace)

    def _python(self, name: str) -> str:
        return f"open({f'{self._inside}/python-{name}'!r}, 'w').close()\n"

    def _shell(self, name: str) -> str:
        return f"touch {self._inside}/git-{name}"
