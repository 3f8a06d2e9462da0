from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from batch_action.sandbox.server import Sandbox
from tests.harness.workflow import WorkflowHarness


@pytest.fixture(scope="session")
def whole_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all nights: each has its own repository and workspace in it."""
    with Sandbox() as box:
        yield box


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loading all authorities costs every client 40 ms, and nothing here speaks TLS."""
    bundle = Path(certifi.where()).read_text("utf-8")
    start = bundle.index("-----BEGIN")
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    path.write_text(bundle[start : bundle.index("-----END", start)] + "-----END CERTIFICATE-----\n")
    return path


@pytest.fixture
def workflow(
    whole_sandbox: Sandbox,
    tmp_path: Path,
    one_certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> WorkflowHarness:
    """A private repository with one commit; its own workspace at Anthropic."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    return WorkflowHarness.create(whole_sandbox, tmp_path)
