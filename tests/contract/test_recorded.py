"""Our clients send exactly the recorded requests, and understand the recorded responses.

`sandbox-*.yaml` were recorded from the sandbox: they prove our wire format, not the services.
`live-*.yaml`, if somebody has recorded them with keys (`make record`), are replayed as well.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcr.errors import CannotOverwriteExistingCassetteException

from batch_action.errors import BatchActionError
from tests.contract.cassettes import BLOBS, FOLDER, HIDDEN, exchanges
from tests.contract.recording import commit_history, record_sandbox, replay
from tests.contract.scenarios import LIVE, SCENARIOS, Scenario

CASSETTES = sorted(FOLDER.glob("*.yaml"))
SECRETS = re.compile(r"sk-ant|gh[pousr]_|github_pat_|Bearer|(?i:cookie)|sig=(?!scrubbed)")
LOCAL_ADDRESSES = re.compile(r"127\.0\.0\.1|localhost|:\d{4,5}/")
MAX_BYTES = 300_000


def scenario_of(path: Path) -> Scenario:
    return SCENARIOS[path.stem.partition("-")[2]]


def each_cassette(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


@pytest.fixture(scope="module")
def git_dir() -> Iterator[Path]:
    with commit_history() as path:
        yield path


@pytest.fixture(autouse=True)
def _fast_tls(small_ca_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(small_ca_bundle))


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a replay connected to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@each_cassette(CASSETTES)
@pytest.mark.usefixtures("_no_network")
def test_a_scenario_sends_the_recorded_requests(path: Path, tmp_path: Path):
    replay(scenario_of(path), path, tmp_path)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_sandbox_still_responds_the_same(name: str, tmp_path: Path, git_dir: Path):
    """If not: `make record`, and review the changes."""
    fresh = tmp_path / f"sandbox-{name}.yaml"
    record_sandbox(SCENARIOS[name], fresh, tmp_path, git_dir)
    recorded = FOLDER / fresh.name
    assert fresh.read_text("utf-8").splitlines() == recorded.read_text("utf-8").splitlines()


def test_there_is_one_cassette_for_each_scenario():
    assert {p.stem for p in CASSETTES if p.stem.startswith("sandbox-")} == {
        f"sandbox-{name}" for name in SCENARIOS
    }
    live = {f"live-{name}" for name, scenario in SCENARIOS.items() if scenario in LIVE}
    assert {p.stem for p in CASSETTES if not p.stem.startswith("sandbox-")} <= live


@each_cassette(CASSETTES)
def test_cassettes_have_no_secret_and_no_local_address(path: Path):
    text = path.read_text("utf-8")
    assert SECRETS.search(text) is None
    assert LOCAL_ADDRESSES.search(text) is None


def test_the_cassettes_are_small():
    assert sum(path.stat().st_size for path in CASSETTES) < MAX_BYTES


@each_cassette(CASSETTES)
def test_credentials_are_not_sent_to_the_blob_store(path: Path):
    for request, _ in exchanges(path):
        blob = request.uri.startswith(BLOBS) or "blob.core.windows.net" in request.host
        assert request.headers.get("authorization") == (None if blob else HIDDEN), request.uri
        assert "x-api-key" not in request.headers


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("rate-limits", "text: List the bugs.", "text: List the flaws."),
        ("rate-limits", "method: POST", "method: PUT"),
        ("rate-limits", "/v1/messages/batches", "/v1/messages/batch"),
        ("rate-limits", "anthropic-version: '2", "anthropic-version: '3"),
        ("issue", "state=all", "state=open"),
        ("missing-permission", "title: 'No'", "title: 'Yes'"),
        ("ledger-artifact", "version: 4", "version: 7"),
        ("ledger-artifact", "https://blobs.example", "https://elsewhere.example"),
        (
            "ledger-artifact",
            "x-ms-blob-content-type: application/zip",
            "x-ms-blob-content-type: text/html",
        ),
        ("repository", "x-github-api-version: '2022", "x-github-api-version: '2021"),
    ],
)
@pytest.mark.usefixtures("_no_network")
def test_any_other_request_fails(name: str, old: str, new: str, tmp_path: Path):
    text = (FOLDER / f"sandbox-{name}.yaml").read_text("utf-8")
    assert old in text
    changed = tmp_path / f"sandbox-{name}.yaml"
    changed.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(
        (AssertionError, BatchActionError, CannotOverwriteExistingCassetteException)
    ):
        replay(SCENARIOS[name], changed, tmp_path)


def test_an_unused_response_fails(tmp_path: Path):
    text = (FOLDER / "sandbox-count-tokens.yaml").read_text("utf-8")
    changed = tmp_path / "sandbox-count-tokens.yaml"
    changed.write_text(text + text.partition("interactions:\n")[2], "utf-8")
    with pytest.raises(AssertionError, match="not every recorded exchange"):
        replay(SCENARIOS["count-tokens"], changed, tmp_path)
