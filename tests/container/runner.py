"""A virtual runner: runs the image as GitHub's runner runs a container action.

Folders, environment, rewritten paths and signals are those of ContainerActionHandler in
actions/runner; only the docker socket is missing.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.container.machine import PROJECT, Engine

USER = 1001 if os.geteuid() == 0 else os.geteuid()
"""The owner of the runner's folders: never root, but root runs in the container."""

FILE_COMMANDS = {
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_ENV": "set_env",
    "GITHUB_PATH": "add_path",
    "GITHUB_STATE": "save_state",
    "GITHUB_STEP_SUMMARY": "step_summary",
}


@dataclass(frozen=True)
class StepResult:
    """The result of a step."""

    exit_code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log.splitlines() if line.startswith("::error")]


class Step:
    """A running container; `end` waits for its end."""

    def __init__(self, process: subprocess.Popen[str], files: Mapping[str, Path]) -> None:
        self._process = process
        self._files = files
        self._since = time.monotonic()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Signal the engine, which passes the signal on to PID 1, as the runner does."""
        self._process.send_signal(number)
        self._since = time.monotonic()

    def end(self, timeout: float = 120) -> StepResult:
        try:
            log, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            log, _ = self._process.communicate()
            raise AssertionError(f"still running after {timeout} s:\n{log}") from None
        return StepResult(
            exit_code=self._process.returncode,
            log=log,
            outputs=_parse(self._files["GITHUB_OUTPUT"].read_text()),
            summary=self._files["GITHUB_STEP_SUMMARY"].read_text(),
            seconds=time.monotonic() - self._since,
        )


class Runner:
    """The machine of a job, with its checkout."""

    def __init__(self, engine: Engine, image: str, root: Path) -> None:
        self.engine = engine
        self.image = image
        self.workspace = root / "work" / "demo" / "demo"
        self.temp = root / "work" / "_temp"
        self._mounts = {
            self.temp / "_github_home": "/github/home",
            self.temp / "_github_workflow": "/github/workflow",
            self.temp / "_runner_file_commands": "/github/file_commands",
            self.temp: "/github/runner_temp",
            self.workspace: "/github/workspace",
        }
        for folder in (*self._mounts, self.workspace):
            folder.mkdir(parents=True, exist_ok=True)
        give_to_user(root)

    def step(
        self,
        environ: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        *,
        entrypoint: str | None = None,
        arguments: tuple[str, ...] = (),
    ) -> Step:
        """Start the action; `environ` and `inputs` contain the paths of the host."""
        files = self._file_commands()
        variables = {
            **(environ or {}),
            **{f"INPUT_{name.replace(' ', '_').upper()}": v for name, v in (inputs or {}).items()},
            "HOME": "/github/home",
            **{name: str(path) for name, path in files.items()},
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTIONS": "true",
            "CI": "true",
        }
        translated = {name: self._translate(value) for name, value in variables.items()}
        words = ["run", "--name", f"action_{uuid.uuid4().hex[:12]}", "--label", "batch-action-test"]
        words += ["--workdir", "/github/workspace", "--rm", "--network", "host"]
        for name in sorted(translated):
            words += ["-e", name]  # the engine takes the value from its own environment
        if entrypoint:
            words += ["--entrypoint", entrypoint]
        for host, inside in self._mounts.items():
            words += ["-v", f"{host}:{inside}"]
        # The engine itself uses HOME, so this one is passed by value.
        words[words.index("HOME")] = f"HOME={translated.pop('HOME')}"
        give_to_user(self.temp)
        return Step(self.engine.start(*words, self.image, *arguments, environ=translated), files)

    def run(self, *args: object, timeout: float = 120, **options: object) -> StepResult:
        """Run a step to its end."""
        return self.step(*args, **options).end(timeout)  # type: ignore[arg-type]

    def foreign_files(self) -> list[Path]:
        """List the files in the workspace that the user does not own."""
        paths = [self.workspace, *self.workspace.rglob("*")]
        return [path for path in paths if path.lstat().st_uid != USER]

    def _file_commands(self) -> dict[str, Path]:
        """Create the empty command files of one step."""
        folder = self.temp / "_runner_file_commands"
        token = uuid.uuid4()
        files = {name: folder / f"{stem}_{token}" for name, stem in FILE_COMMANDS.items()}
        for path in files.values():
            path.touch()
        return files

    def _translate(self, value: str) -> str:
        """Rewrite a value that starts with a mounted folder, as GitHub's runner does."""
        for host, inside in self._mounts.items():
            if value == str(host) or value.startswith(f"{host}/"):
                return inside + value.removeprefix(str(host))
        return value


def declared_inputs(token: str) -> dict[str, str]:
    """Return every input of action.yml with its default: the runner sets all of them."""
    action = yaml.safe_load((PROJECT / "action.yml").read_text())
    defaults = {
        name: str(declared.get("default", "")) for name, declared in action["inputs"].items()
    }
    return {
        name: re.sub(r"\$\{\{\s*github\.token\s*\}\}", token, default)
        for name, default in defaults.items()
    }


def give_to_user(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if path.lstat().st_uid != USER:
            os.chown(path, USER, USER, follow_symlinks=False)


def wait_until(happened: Callable[[], bool], step: Step | None = None, timeout: float = 60) -> None:
    """Wait until `happened` is true; fail when the container ends before."""
    deadline = time.monotonic() + timeout
    while not happened():
        if step is not None and not step.running:
            raise AssertionError(f"ended too early:\n{step.end().log}")
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout{'' if step is None else ', the container is running'}")
        time.sleep(0.05)


def _parse(text: str) -> dict[str, str]:
    """Parse a file of outputs as strictly as the runner does."""
    outputs = {}
    if text and not text.endswith("\n"):
        raise AssertionError("EOF marker missing new line")
    lines = iter(text.split("\n"))
    for line in lines:
        plain, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (plain < 0 or heredoc < plain):
            name, _, delimiter = line.partition("<<")
            value = []
            for part in lines:
                if part == delimiter:
                    break
                value.append(part)
            else:
                raise AssertionError(f"Invalid value. Matching delimiter not found '{delimiter}'")
            outputs[name] = "\n".join(value)
        elif plain > 0:
            outputs[line[:plain]] = line[plain + 1 :]
        elif line:
            raise AssertionError(f"Invalid format '{line}'")
    return outputs
