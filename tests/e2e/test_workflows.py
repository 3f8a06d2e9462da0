"""The example workflows under act with the built image, through submit and collect.

Three always, all with ALL=1. The traffic of each is compared with GitHub's description and with the
SDK's types (see `conftest.sandbox`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from batch_action.sandbox.github.records import Artifact
from tests.container.machine import PROJECT
from tests.e2e.act import Act, ActResult, permissions_of
from tests.harness.foreign_artifacts import write_blob
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, WORSE, WorkflowHarness

EXAMPLES = PROJECT / "workflows-examples"
FIRST_RUN = "first-run: last-commit\n"
CONFIG = ".github/batch-action.yml"
MONEY = 'def total(prices):\n    """Add up the prices."""\n    return sum(prices)\n'
MONOREPO = {
    CONFIG: (PROJECT / "docs" / "monorepo.config.yml").read_text("utf-8") + FIRST_RUN,
    "services/payments/pay.js": BAD,
    "apps/web/app.js": WORSE,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run of an example."""

    event: str = "schedule"
    job: str | None = None
    batch: bool = False
    """Whether the input `batch-id` names the batch."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    exit: int = 0


@dataclass(frozen=True, kw_only=True)
class Example:
    """A repository, the runs of an example in it, and what they leave behind."""

    files: Mapping[str, str]
    before: Mapping[str, str] = field(default_factory=dict)
    """The commit before that of the files."""
    steps: tuple[Step, ...] = (Step(), Step())
    check: Callable[[WorkflowHarness, list[ActResult]], None]
    environ: Mapping[str, str] = field(default_factory=dict)


def run_step(act: Act, workflow: WorkflowHarness, example: str, step: Step) -> ActResult:
    """Run an example once, with the permissions that it asks for."""
    text = (EXAMPLES / f"{example}.yml").read_text("utf-8")
    inputs = {**step.inputs, **({"batch-id": workflow.batches[-1].id} if step.batch else {})}
    options = {
        "event": step.event,
        "workflow_path": f".github/workflows/{example}.yml",
        "permissions": permissions_of(text, step.job),
        **step.options,
    }
    result = act.run(workflow, text, workflow.open(options), job=step.job, inputs=inputs)
    assert result.exit == step.exit, result.log
    return result


def check_issue(*paths: str) -> Callable[[WorkflowHarness, list[ActResult]], None]:
    def check(workflow: WorkflowHarness, _results: list[ActResult]) -> None:
        for path in paths:
            assert path in workflow.issue.body

    return check


def check_issues_of_rules(workflow: WorkflowHarness, _results: list[ActResult]) -> None:
    bodies = " ".join(issue.body or "" for issue in workflow.issues)
    assert "pay.js" in bodies
    assert "app.js" in bodies


def check_draft(*paths: str) -> Callable[[WorkflowHarness, list[ActResult]], None]:
    def check(workflow: WorkflowHarness, results: list[ActResult]) -> None:
        drafts = [issue for issue in workflow.github_repository.issues.values() if issue.pull]
        assert len(drafts) == 1, results[-1].log
        pull = drafts[0].pull
        assert pull is not None
        assert pull.draft
        changed = workflow.repo.git("diff", "--name-only", "main", pull.head_sha).split()
        assert changed == list(paths)

    return check


def check_alerts(workflow: WorkflowHarness, _results: list[ActResult]) -> None:
    assert workflow.github_repository.alerts


def check_verdicts(_workflow: WorkflowHarness, results: list[ActResult]) -> None:
    log = results[-1].log
    assert "::set-output:: status=collected" in log
    # One file, and its verdict did not make the run fail.
    assert re.search(r"::set-output:: (valid|uncertain)-count=1\b", log), log


def check_kept_file(workflow: WorkflowHarness, results: list[ActResult]) -> None:
    check_issue("app.js")(workflow, results)
    assert workflow.artifacts == []
    assert len(workflow.batches) == 1, "the second run has the ledger of the first"


def check_keyless(workflow: WorkflowHarness, results: list[ActResult]) -> None:
    check_issue("app.js")(workflow, results)
    assert workflow.batches == [], "nothing was sent with a key"


CODE = {"app.js": BAD, "web.js": WORSE}
ALWAYS = {
    "nightly": Example(files=CODE, check=check_issue(*CODE)),
    "test-generation": Example(
        files={
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
            "shop/__init__.py": "",
            "shop/money.py": MONEY,
        },
        check=check_draft("tests/test_money.py"),
    ),
}
OTHERS = {
    "code-review": Example(files=CODE, check=check_issue(*CODE)),
    "documentation": Example(
        files={"shop/money.py": MONEY.replace('    """Add up the prices."""\n', "")},
        check=check_draft("shop/money.py"),
    ),
    "license-check": Example(
        files={
            "LICENSE": "MIT License\n",
            "app.js": "// Copied from https://stackoverflow.com/a/1\n" + BAD,
        },
        check=check_issue("app.js"),
    ),
    "monorepo": Example(files=MONOREPO, check=check_issues_of_rules),
    "refactor-validation": Example(
        before={"shop/money.py": MONEY.replace("sum(prices)", "sum(list(prices))")},
        files={"shop/money.py": MONEY},
        steps=(
            Step(
                event="workflow_dispatch",
                inputs={"base": "main~1", "description": "Another loop"},
            ),
        ),
        check=check_verdicts,
    ),
    "security-scan": Example(files=CODE, steps=(Step(), Step(exit=1)), check=check_alerts),
    "submit-and-collect": Example(
        files=CODE,
        steps=(Step(job="submit"), Step(event="workflow_dispatch", job="collect", batch=True)),
        check=check_issue(*CODE),
    ),
    "keyless": Example(files=CODE, check=check_keyless),
    "enterprise-server": Example(
        files=CODE,
        check=check_kept_file,
        environ={"GITHUB_SERVER_URL": "https://github.example.org"},
    ),
}
CHOSEN = {**ALWAYS, **OTHERS} if os.environ.get("ALL") else ALWAYS


def test_every_example_has_its_runs():
    names = {path.stem for path in EXAMPLES.glob("*.yml")}
    assert names == {"pull-request", *ALWAYS, *OTHERS}


@pytest.mark.parametrize("name", CHOSEN)
def test_an_example_submits_and_collects(act, workflow, name):
    example = CHOSEN[name]
    workflow.github_repository.actions_can_open_pull_requests = True
    workflow.github_repository.code_scanning = True
    act.environ |= example.environ
    if example.before:
        workflow.commit(example.before)
    workflow.commit({CONFIG: FIRST_RUN, **example.files})
    results = [run_step(act, workflow, name, step) for step in example.steps]
    example.check(workflow, results)


def test_a_pull_request_is_submitted_by_its_push_and_reviewed_by_the_schedule(act, workflow):
    workflow.commit({CONFIG: FIRST_RUN})
    pull = PullRequestHarness.open(workflow, {"app.js": BAD})
    event = {"payload": {"number": pull.number}, "head_sha": pull.head, "branch": pull.branch}
    run_step(act, workflow, "pull-request", Step(event="pull_request", job="submit", options=event))
    assert len(workflow.batches) == 1
    assert pull.pull.reviews == []
    run_step(act, workflow, "pull-request", Step(job="collect"))
    (review,) = pull.pull.reviews
    assert review.commit_id == pull.head
    assert {comment.path for comment in pull.inline} == {"app.js"}


def test_the_ledger_is_kept_by_the_artifact_server_of_act(act, workflow):
    """act has no REST API: what its server stores is handed to the sandbox as it is."""
    act.artifact_server = act.folder / "artifacts"
    workflow.commit({CONFIG: FIRST_RUN, **CODE})
    for _ in range(2):
        run_step(act, workflow, "nightly", Step())
        ledgers = sorted(act.artifact_server.rglob("*.zip"), key=lambda path: path.stat().st_mtime)
        assert ledgers
        for stored in ledgers:
            hand_over(workflow, stored.stem, stored.read_bytes())
            stored.unlink()
    assert len(workflow.batches) == 1, "the second run believed the ledger of the first"
    check_issue(*CODE)(workflow, [])


def hand_over(workflow: WorkflowHarness, name: str, data: bytes) -> None:
    """Give the newest run an artifact."""
    instance = workflow.sandbox.github.instance
    run = instance.runs[-1]
    artifact = Artifact(
        id=instance.new_id(),
        name=name,
        run_id=run.id,
        run_backend=run.run_backend,
        job_backend=run.job_backend,
        blob=f"act/{run.id}/{name}",
        mime_type="application/zip",
        created_at=instance.now(),
        expires_at=instance.now() + timedelta(days=90),
        size=len(data),
        finalized=True,
    )
    workflow.github_repository.artifacts.append(artifact)
    write_blob(workflow, artifact, data)
