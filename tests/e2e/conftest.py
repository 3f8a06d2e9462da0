"""The images, GitHub's clients, and a sandbox whose traffic is checked at the end of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.machine import Engine, prepare
from tests.e2e.act import HERE, JOB_IMAGE, Act, install
from tests.e2e.recorder import RecordingSandbox, problems_of
from tests.harness.workflow import WorkflowHarness

IMAGE = "localhost/batch-action:test"
DESCRIPTION = Path("@octokit/openapi/generated/api.github.com.json")


@pytest.fixture(scope="session")
def modules() -> Path:
    return install()


@pytest.fixture(scope="session")
def engine() -> Engine:
    engine = prepare()
    engine.build(IMAGE)
    engine.build(JOB_IMAGE, HERE)
    return engine


@pytest.fixture
def sandbox(modules) -> Iterator[RecordingSandbox]:
    with RecordingSandbox() as running:
        yield running
    problems = problems_of(running.traffic, modules / DESCRIPTION)
    assert not problems, "\n".join(problems)


@pytest.fixture
def workflow(sandbox, tmp_path) -> WorkflowHarness:
    return WorkflowHarness.create(sandbox, tmp_path)


@pytest.fixture
def act(engine, modules, tmp_path) -> Act:
    return Act(engine=engine, modules=modules, folder=tmp_path, image=IMAGE)
