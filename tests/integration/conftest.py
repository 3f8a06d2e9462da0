"""Fixtures: a sandbox for all tests, one for a module, and a repository for each test."""

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from batch_action.sandbox.server import Sandbox
from tests.harness.workflow import WorkflowHarness


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests; each test has a repository and a workspace of its own."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """A sandbox for one module, whose tests count its calls or change its limits."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def small_ca_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one certificate: loading all of them takes 40 ms per client."""
    bundle = Path(certifi.where()).read_text("utf-8")
    start = bundle.index("-----BEGIN")
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    path.write_text(bundle[start : bundle.index("-----END", start)] + "-----END CERTIFICATE-----\n")
    return path


@pytest.fixture
def workflow(
    shared_sandbox: Sandbox,
    tmp_path: Path,
    small_ca_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> WorkflowHarness:
    """A private repository with one commit, and an Anthropic workspace of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
    return WorkflowHarness.create(shared_sandbox, tmp_path)
