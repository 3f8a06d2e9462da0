"""A repository with bugs, the jobs that review it, and a hostile workspace."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.container.runner import Runner, Step, StepResult, declared_inputs, give_to_user

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
    """The nightly job; each step has a run of its own."""

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
        given = {"mode": mode, "anthropic-api-key": key} | {
            name.replace("_", "-"): value for name, value in inputs.items()
        }
        return self.runner.step(environ, declared_inputs(run.token) | given), run

    def run_mode(self, mode: str, *, key: str = KEY, **inputs: str) -> StepResult:
        """Run one mode to its end, and finish its run."""
        step, run = self.start(mode, key=key, **inputs)
        result = step.end()
        self.sandbox.github.finish_run(run, "failure" if result.exit_code else "success")
        return result


def check_out(origin: Path, runner: Runner) -> None:
    """Check out as actions/checkout with `fetch-depth: 0`: the user owns the files."""
    git("clone", "--quiet", str(origin), ".", at=runner.workspace)
    give_to_user(runner.workspace)


def create_repository(git_dir: Path) -> Path:
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
    """Run the host's git without its user settings, in a folder of any owner."""
    settings = ("safe.directory=*", "user.name=Octo", "user.email=octo@example.org")
    command = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    process = subprocess.run(
        command, cwd=at, env=environ, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


class HostileWorkspace:
    """Files and git settings in a workspace that run code when a tool is careless."""

    def __init__(self, runner: Runner) -> None:
        self._inside = "/github/runner_temp/executed"
        self._outside = runner.temp / "executed"
        self._outside.mkdir()
        self._set_python(runner.workspace)
        self._set_git(runner.workspace)
        give_to_user(runner.workspace)

    @property
    def executed(self) -> set[str]:
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
