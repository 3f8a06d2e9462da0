"""`make record` with keys: it asks first, and keeps nobody's name. The services are the sandbox."""

import io
from pathlib import Path

import pytest

from batch_action.sandbox.server import Sandbox
from tests.contract.cassettes import FOLDER
from tests.contract.record import NEEDED, main
from tests.contract.scenes import LIVE, SCENES, Stage
from tests.contract.stages import LIVE_ANTHROPIC, LIVE_GITHUB, record_live, replay

KEYS = dict.fromkeys(NEEDED, "acme/scratch")


def kept() -> dict[str, float]:
    return {path.name: path.stat().st_mtime for path in FOLDER.iterdir()}


@pytest.mark.parametrize("missing", NEEDED)
def test_half_of_the_keys_is_refused(missing: str, capsys):
    before = kept()
    assert main({name: "x" for name in NEEDED if name != missing}) == 2
    assert f"Set {missing} too" in capsys.readouterr().err
    assert kept() == before


@pytest.mark.parametrize("answer", ["", "\n", "n\n"])
def test_it_asks_first(answer: str, monkeypatch, capsys):
    before = kept()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(KEYS) == 1
    said = capsys.readouterr().out
    assert "open two issues" in said
    assert "acme/scratch" in said
    assert kept() == before


@pytest.mark.parametrize("name", [name for name, scene in SCENES.items() if scene in LIVE])
def test_a_live_recording_can_be_replayed(name: str, tmp_path: Path, one_certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    path = tmp_path / f"live-{name}.yaml"
    with Sandbox() as box:
        box.github.add_repository("acme/scratch")
        stage = Stage(
            anthropic_url=box.anthropic_url,
            github_url=f"{box.github_url}/api/v3",
            repository="acme/scratch",
            folder=tmp_path,
            anthropic_key="sk-ant-real",
            github_token=box.github.token_for("acme"),
        )
        homes = {
            box.anthropic_url: LIVE_ANTHROPIC,
            stage.github_url: LIVE_GITHUB,
            f"{box.github_url}/api/graphql": f"{LIVE_GITHUB}/graphql",
        }
        record_live(SCENES[name], path, stage, homes)
    text = path.read_text("utf-8")
    assert "acme" not in text
    assert stage.anthropic_key not in text
    assert stage.github_token not in text
    replay(SCENES[name], path, tmp_path)
