"""`make record` with keys asks first, and records no private name. The services are the sandbox."""

import io
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.contract.cassettes import FOLDER
from tests.contract.record import NEEDED, main
from tests.contract.recording import LIVE_ANTHROPIC, LIVE_GITHUB, record_live, replay
from tests.contract.scenarios import LIVE, SCENARIOS, Services

KEYS = dict.fromkeys(NEEDED, "acme/scratch")


def modification_times() -> dict[str, float]:
    return {path.name: path.stat().st_mtime for path in FOLDER.iterdir()}


@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_key_is_refused(missing: str, capsys):
    before = modification_times()
    assert main({name: "x" for name in NEEDED if name != missing}) == 2
    assert f"Set {missing} too" in capsys.readouterr().err
    assert modification_times() == before


@pytest.mark.parametrize("answer", ["", "\n", "n\n"])
def test_it_asks_first(answer: str, monkeypatch, capsys):
    before = modification_times()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(KEYS) == 1
    output = capsys.readouterr().out
    assert "open two issues" in output
    assert "acme/scratch" in output
    assert modification_times() == before


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario in LIVE])
def test_a_live_recording_can_be_replayed(name: str, tmp_path: Path, small_ca_bundle, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
    path = tmp_path / f"live-{name}.yaml"
    with Sandbox() as box:
        box.github.add_repository("acme/scratch")
        services = Services(
            anthropic_url=box.anthropic_url,
            github_url=f"{box.github_url}/api/v3",
            repository="acme/scratch",
            folder=tmp_path,
            anthropic_key="sk-ant-real",
            github_token=box.github.token_for("acme"),
        )
        origins = {
            box.anthropic_url: LIVE_ANTHROPIC,
            services.github_url: LIVE_GITHUB,
            f"{box.github_url}/api/graphql": f"{LIVE_GITHUB}/graphql",
        }
        record_live(SCENARIOS[name], path, services, origins)
    text = path.read_text("utf-8")
    assert "acme" not in text
    assert services.anthropic_key not in text
    assert services.github_token not in text
    replay(SCENARIOS[name], path, tmp_path)
