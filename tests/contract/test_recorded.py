"""Our edges say exactly what was recorded, and understand what was answered.

`sandbox-*.yaml` were recorded from the sandbox: they prove our wire format, not the services.
`live-*.yaml`, where somebody has recorded them with keys (`make record`), are replayed as well.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcr.errors import CannotOverwriteExistingCassetteException

from batch_action.errors import BatchActionError
from tests.contract.cassettes import BLOBS, FOLDER, HIDDEN, exchanges
from tests.contract.scenes import LIVE, SCENES, Scene
from tests.contract.stages import history, record_sandbox, replay

CASSETTES = sorted(FOLDER.glob("*.yaml"))
SECRETS = re.compile(r"sk-ant|gh[pousr]_|github_pat_|Bearer|(?i:cookie)|sig=(?!scrubbed)")
MACHINES = re.compile(r"127\.0\.0\.1|localhost|:\d{4,5}/")
NOTICED = (AssertionError, BatchActionError, CannotOverwriteExistingCassetteException)
MOST_BYTES = 300_000


def scene_of(path: Path) -> Scene:
    return SCENES[path.stem.partition("-")[2]]


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


@pytest.fixture(scope="module")
def git_dir() -> Iterator[Path]:
    with history() as path:
        yield path


@pytest.fixture(autouse=True)
def _quick(one_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a replay went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@named(CASSETTES)
@pytest.mark.usefixtures("_no_network")
def test_a_scene_is_the_same_again(path: Path, tmp_path: Path):
    replay(scene_of(path), path, tmp_path)


@pytest.mark.parametrize("name", SCENES)
def test_the_sandbox_still_answers_so(name: str, tmp_path: Path, git_dir: Path):
    """Otherwise: `make record`, and look at what changed."""
    fresh = tmp_path / f"sandbox-{name}.yaml"
    record_sandbox(SCENES[name], fresh, tmp_path, git_dir)
    kept = FOLDER / fresh.name
    assert fresh.read_text("utf-8").splitlines() == kept.read_text("utf-8").splitlines()


def test_there_is_one_cassette_for_each_scene_and_no_other():
    assert {p.stem for p in CASSETTES if p.stem.startswith("sandbox-")} == {
        f"sandbox-{name}" for name in SCENES
    }
    live = {f"live-{name}" for name, scene in SCENES.items() if scene in LIVE}
    assert {p.stem for p in CASSETTES if not p.stem.startswith("sandbox-")} <= live


@named(CASSETTES)
def test_no_secret_and_no_machine_is_kept(path: Path):
    text = path.read_text("utf-8")
    assert SECRETS.search(text) is None
    assert MACHINES.search(text) is None


def test_the_cassettes_are_small():
    assert sum(path.stat().st_size for path in CASSETTES) < MOST_BYTES


@named(CASSETTES)
def test_credentials_go_everywhere_but_to_the_blob_store(path: Path):
    for request, _ in exchanges(path):
        blob = request.uri.startswith(BLOBS) or "blob.core.windows.net" in request.host
        assert request.headers.get("authorization") == (None if blob else HIDDEN), request.uri
        assert "x-api-key" not in request.headers


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("limited", "text: List the bugs.", "text: List the flaws."),
        ("limited", "method: POST", "method: PUT"),
        ("limited", "/v1/messages/batches", "/v1/messages/batch"),
        ("limited", "anthropic-version: '2", "anthropic-version: '3"),
        ("issue", "state=all", "state=open"),
        ("forbidden", "title: 'No'", "title: 'Yes'"),
        ("ledger", "version: 4", "version: 7"),
        ("ledger", "https://blobs.example", "https://elsewhere.example"),
        ("ledger", "x-ms-blob-type: Block", "x-ms-blob-type: Append"),
        ("repository", "x-github-api-version: '2022", "x-github-api-version: '2021"),
    ],
)
@pytest.mark.usefixtures("_no_network")
def test_any_other_request_is_noticed(name: str, was: str, now: str, tmp_path: Path):
    text = (FOLDER / f"sandbox-{name}.yaml").read_text("utf-8")
    assert was in text
    changed = tmp_path / f"sandbox-{name}.yaml"
    changed.write_text(text.replace(was, now, 1), "utf-8")
    with pytest.raises(
        (AssertionError, BatchActionError, CannotOverwriteExistingCassetteException)
    ):
        replay(SCENES[name], changed, tmp_path)


def test_an_answer_nobody_asked_for_is_noticed(tmp_path: Path):
    text = (FOLDER / "sandbox-counting.yaml").read_text("utf-8")
    changed = tmp_path / "sandbox-counting.yaml"
    changed.write_text(text + text.partition("interactions:\n")[2], "utf-8")
    with pytest.raises(AssertionError, match="not all that was recorded"):
        replay(SCENES["counting"], changed, tmp_path)
