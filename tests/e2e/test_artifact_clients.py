"""GitHub's own artifact clients and ours, both ways, on the sandbox's service and on act's."""

from __future__ import annotations

import io
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_action.clients.artifacts import ArtifactService
from batch_action.sandbox.github.records import Artifact
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.github.tokens import unsigned_jwt
from tests.e2e.act import ACT, HERE, free_port
from tests.harness.workflow import BAD, WorkflowHarness

CLIENTS = {"6.x": "@actions/artifact", "2.3.x": "artifact-2"}
GITHUB = "https://github.com"
WAITING = """\
on: push
jobs:
  wait:
    runs-on: here
    steps:
      - run: touch started; while [ ! -e stop ]; do sleep 0.1; done
"""


@dataclass(frozen=True)
class Client:
    """One of GitHub's clients, in node."""

    module: Path
    url: str
    token: str
    folder: Path

    def run(self, verb: str, name: str, files: Path) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "ACTIONS_RESULTS_URL": self.url,
            "ACTIONS_RUNTIME_TOKEN": self.token,
            "GITHUB_SERVER_URL": GITHUB,
            "GITHUB_WORKSPACE": str(self.folder),
        }
        module = self.module / "lib" / "artifact.js"
        command = ["node", str(HERE / "artifacts.mjs"), str(module), verb, name, str(files)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def client(modules: Path, version: str, url: str, token: str, folder: Path) -> Client:
    return Client(modules / CLIENTS[version], url, token, folder)


def zip_with(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ledger.json", text)
    return buffer.getvalue()


def submit(workflow: WorkflowHarness) -> tuple[Run, Artifact]:
    """Submit a file; return the run, which has not ended, and its newest ledger."""
    workflow.commit({"app.js": BAD})
    run = workflow.open({})
    result = workflow.invoke(["action"], workflow.step(run, "submit"), run)
    assert result.exit == 0, result.log
    return run, max(workflow.artifacts, key=lambda artifact: artifact.id)


@pytest.mark.parametrize("version", CLIENTS)
def test_github_s_client_reads_the_ledger_that_we_upload(modules, workflow, tmp_path, version):
    run, stored = submit(workflow)
    url = f"{workflow.sandbox.github_url}/path"
    reader = client(modules, version, url, run.runtime_token, tmp_path)
    reader.run("download", stored.name, tmp_path / "read")
    blob = workflow.sandbox.github.blobs.get(stored.blob)
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        for name in archive.namelist():
            assert (tmp_path / "read" / name).read_bytes() == archive.read(name)


@pytest.mark.parametrize("version", CLIENTS)
def test_we_believe_a_ledger_that_github_s_client_uploaded(modules, workflow, tmp_path, version):
    run, ours = submit(workflow)
    unpacked = tmp_path / "unpacked"
    blob = workflow.sandbox.github.blobs.get(ours.blob)
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        archive.extractall(unpacked)
    workflow.github_repository.artifacts.clear()
    url = f"{workflow.sandbox.github_url}/path"
    client(modules, version, url, run.runtime_token, tmp_path).run("upload", ours.name, unpacked)
    workflow.sandbox.github.finish_run(run)
    (theirs,) = workflow.artifacts
    assert theirs.id != ours.id
    result = workflow.run("collect")
    assert (result.exit, result.outputs["status"]) == (0, "collected"), result.log
    assert result.annotations("warning") == []


@pytest.fixture
def act_server(tmp_path) -> Iterator[str]:
    """act's artifact server, while a job on this machine waits."""
    work, stored = tmp_path / "work", tmp_path / "stored"
    for folder in (work, tmp_path / "settings" / "act"):
        folder.mkdir(parents=True)
    (tmp_path / "settings" / "act" / "actrc").touch()
    (work / "wait.yml").write_text(WAITING.replace("touch ", f"cd {work}; touch "))
    port = free_port()
    words = [str(ACT), "push", "-C", str(work), "-W", str(work / "wait.yml")]
    words += ["-P=here=-self-hosted", "--no-cache-server", f"--artifact-server-path={stored}"]
    words += ["--artifact-server-addr=127.0.0.1", f"--artifact-server-port={port}"]
    words += ["--env=GITHUB_REPOSITORY=octo/demo", "--env=GITHUB_REF=refs/heads/main"]
    process = subprocess.Popen(
        words,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "settings"), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while not (work / "started").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        (work / "stop").touch()
        process.communicate()


TOKEN = unsigned_jwt({"scp": "Actions.Results:1:1"})
DATA = zip_with("a ledger" * 3000)


@pytest.mark.parametrize("version", CLIENTS)
def test_github_s_client_reads_from_act_what_we_upload(modules, act_server, tmp_path, version):
    with ArtifactService(act_server, TOKEN, GITHUB) as service:
        service.upload("state-a", DATA, 30)
    client(modules, version, act_server, TOKEN, tmp_path).run("download", "state-a", tmp_path / "r")
    assert (tmp_path / "r" / "ledger.json").read_text() == "a ledger" * 3000


def test_we_read_from_act_what_github_s_client_uploads(modules, act_server, tmp_path):
    """2.3.x with the storage client of its time.

    act 0.2.89 refuses the field `mime_type` of 6.x, and the signatures of newer storage clients,
    which cut the `=`.
    """
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ledger.json").write_text("a ledger")
    writer = client(modules, "2.3.x", act_server, TOKEN, tmp_path)
    writer.run("upload", "state-a", tmp_path / "files")
    with ArtifactService(act_server, TOKEN, GITHUB) as service:
        (listed,) = service.list_artifacts("state-a")
        stored = service._download(listed)
        assert service.delete("state-a")
        assert service.list_artifacts("state-a") == ()
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        assert archive.read("ledger.json") == b"a ledger"
