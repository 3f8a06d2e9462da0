"""Run workflows with act: jobs in containers, against the sandbox as Anthropic and GitHub."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from batch_action.sandbox.github.runner_environment import container_environment
from batch_action.sandbox.github.runs import Run
from tests.container.machine import PROJECT, Engine, serve
from tests.harness.workflow import WorkflowHarness

HERE = Path(__file__).parent
ACT = Path(sys.executable).with_name("act")
JOB_IMAGE = "localhost/batch-action-job:test"
MODULES = "/opt/node_modules"
STANDINS = ("upload-artifact", "download-artifact", "setup-python", "cache")
USES = re.compile(r"uses: (?P<name>actions/(?P<action>[\w-]+))(?:/\w+)?@(?P<ref>\w+)")
OWN = ("GITHUB_ACTION", "GITHUB_JOB", "GITHUB_WORKSPACE", "ACTIONS_CACHE_URL")
"""Variables, or beginnings of them, that act sets by itself."""
ARTIFACT_SERVICE = ("ACTIONS_RUNTIME_URL", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL")


FEDERATION = {
    "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1",
    "ANTHROPIC_ORGANIZATION_ID": "00000000-0000-0000-0000-000000000000",
    "ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_1",
}


def install(source: Path = HERE) -> Path:
    """Install what the lock file of a folder lists; return the modules."""
    cache = PROJECT / ".cache" / source.name
    cache.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_bytes()
    modules, done = cache / "node_modules", cache / "node_modules" / ".installed"
    if not done.exists() or done.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, cache)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=cache, check=True)
        done.write_bytes(lock)
    return modules


@dataclass(frozen=True)
class ActResult:
    """The end of a workflow."""

    exit: int
    log: str


@dataclass(kw_only=True)
class Act:
    """act with its engine, images and actions."""

    engine: Engine
    modules: Path
    folder: Path
    """Of this test."""
    image: str
    environ: dict[str, str] = field(default_factory=dict)
    """Further variables of the jobs."""
    artifact_server: Path | None = None
    """Where act's own artifact server keeps what it is sent; else the sandbox's is used."""

    def run(
        self,
        workflow: WorkflowHarness,
        text: str,
        run: Run,
        *,
        job: str | None = None,
        inputs: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> ActResult:
        """Run the workflow of a run on a fresh clone, and finish the run."""
        workspace = self.folder / f"clone-{run.id}-{job}"
        _clone(workflow.repo.path, workspace, run.merge_sha or run.head_sha)
        file = workspace / ".git" / "workflow.yml"
        file.write_text(text, encoding="utf-8")
        event = workspace / ".git" / "event.json"
        event.write_text(json.dumps({**run.payload, "inputs": dict(inputs or {})}))
        words = [str(ACT), run.event, "-C", str(workspace), "-W", str(file), "-e", str(event)]
        words += ["-j", job] if job else []
        secrets = {
            "GITHUB_TOKEN": run.token,
            "ANTHROPIC_API_KEY": workflow.key,
            **(secrets or {}),
        }
        words += [f"--secret={name}" for name in secrets]
        variables = self._variables(workflow, run)
        words += [f"--env={name}={value}" for name, value in variables.items()]
        words += [f"--input={name}={value}" for name, value in (inputs or {}).items()]
        words += [f"--var={name}={value}" for name, value in FEDERATION.items()]
        words += self._machine(text)
        with serve(self.engine) as address:
            done = subprocess.run(
                words,
                env={
                    **os.environ,
                    **secrets,
                    "DOCKER_HOST": address,
                    "XDG_CONFIG_HOME": str(self._settings()),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        conclusion = "failure" if done.returncode else "success"
        workflow.sandbox.github.finish_run(run, conclusion)
        return ActResult(done.returncode, done.stdout)

    def _variables(self, workflow: WorkflowHarness, run: Run) -> dict[str, str]:
        given = container_environment(workflow.sandbox.github.instance, run)
        own = OWN + (ARTIFACT_SERVICE if self.artifact_server else ())
        return {
            **{name: value for name, value in given.items() if not name.startswith(own)},
            "SHA_REF": run.merge_sha or run.head_sha,
            "ANTHROPIC_BASE_URL": workflow.sandbox.anthropic_url,
            "E2E_ARTIFACT_CLIENT": f"{MODULES}/@actions/artifact/lib/artifact.js",
            "E2E_CACHE_CLIENT": f"{MODULES}/@actions/cache/lib/cache.js",
            **self.environ,
        }

    def _machine(self, text: str) -> list[str]:
        options = [f"--volume={self.modules}:{MODULES}:ro"]
        options += [word for word in self.engine.build_options if word.startswith("--volume=")]
        words = [f"-P=ubuntu-latest={JOB_IMAGE}", f"-P=self-hosted={JOB_IMAGE}"]
        words += ["--pull=false", "--action-offline-mode", "--rm", "--network=host"]
        words += ["--container-daemon-socket=-", f"--container-options={' '.join(options)}"]
        words += [f"--cache-server-path={self.folder / 'caches'}", "--cache-server-addr=127.0.0.1"]
        if self.artifact_server:
            words += [f"--artifact-server-path={self.artifact_server}"]
            words += ["--artifact-server-addr=127.0.0.1", f"--artifact-server-port={free_port()}"]
        words += [f"--local-repository=batch-action/batch-action@v1={self._action()}"]
        for found in USES.finditer(text):
            if found["action"] in STANDINS:
                place = HERE / "actions" / found["action"]
                words += [f"--local-repository={found['name']}@{found['ref']}={place}"]
        return words

    def _action(self) -> Path:
        """Return a folder with action.yml and the built image, as a release has them."""
        folder = self.folder / "action"
        folder.mkdir(exist_ok=True)
        text = (PROJECT / "action.yml").read_text("utf-8")
        assert "image: Dockerfile" in text
        text = text.replace("image: Dockerfile", f"image: docker://{self.image}")
        (folder / "action.yml").write_text(text, encoding="utf-8")
        return folder

    def _settings(self) -> Path:
        """Return settings for act: without a file it asks for them."""
        file = self.folder / "settings" / "act" / "actrc"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file.parents[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def permissions_of(text: str, job: str | None) -> dict[str, str]:
    """Return the permissions of a job; of all jobs together if none is given."""
    jobs: dict[str, Any] = yaml.safe_load(text)["jobs"]
    together: dict[str, str] = {}
    for name, described in jobs.items():
        if job in (None, name):
            for scope, level in described["permissions"].items():
                together[scope] = max(together.get(scope, ""), level)  # "write" > "read"
    return together


def _clone(origin: Path, workspace: Path, commit: str) -> None:
    git = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false"]
    subprocess.run([*git, "clone", "--quiet", str(origin), str(workspace)], check=True)
    refs = "+refs/*:refs/remotes/origin/all/*"
    subprocess.run([*git, "fetch", "--quiet", "origin", refs], cwd=workspace, check=True)
    subprocess.run([*git, "checkout", "--quiet", "--detach", commit], cwd=workspace, check=True)
