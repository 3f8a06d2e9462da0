"""Fixtures: the image, a virtual runner, the sandbox, and a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.jobs import Job, check_out, create_repository
from tests.container.machine import Engine, prepare
from tests.container.runner import Runner

IMAGE = "localhost/batch-action:test"


@pytest.fixture(scope="session")
def engine() -> Engine:
    return prepare()


@pytest.fixture(scope="session")
def image(engine) -> str:
    engine.build(IMAGE)
    return IMAGE


@pytest.fixture
def runner(engine, image, tmp_path) -> Runner:
    """A runner without a checkout."""
    return Runner(engine, image, tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Any]:
    # Imported here, because the tests of the harness do not need the package.
    from batch_action.sandbox.server import Sandbox  # noqa: PLC0415

    with Sandbox() as running:
        yield running


@pytest.fixture
def origin(tmp_path) -> Path:
    """The bare repository on GitHub."""
    return create_repository(tmp_path / "origin.git")


@pytest.fixture
def job(runner, sandbox, origin) -> Job:
    """A job of octo/demo with a checkout."""
    check_out(origin, runner)
    return Job(runner=runner, sandbox=sandbox, origin=origin)
