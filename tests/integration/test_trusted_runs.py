"""A run whose ledger no later run would find and trust sends nothing, and says why."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from batch_action.ledger.trust import TRUSTED_EVENTS
from tests.harness.foreign_artifacts import upload_foreign
from tests.harness.git_repositories import Repo
from tests.harness.workflow import BAD, WORSE, WorkflowHarness
from tests.integration.test_ledger_store import newest_ledger

# https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows
# fmt: off
EVENTS = [
    "branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment",
    "deployment_status", "discussion", "discussion_comment", "fork", "gollum", "image_version",
    "issue_comment", "issues", "label", "merge_group", "milestone", "page_build", "public",
    "pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_target",
    "push", "registry_package", "release", "repository_dispatch", "schedule", "status", "watch",
    "workflow_call", "workflow_dispatch", "workflow_run",
]
# fmt: on
TAG = {"ref_type": "tag", "branch": "v1"}
TAG_NAMED_LIKE_THE_BRANCH = {"ref_type": "tag", "branch": "main"}
ELSEWHERE = {"workflow_path": ".github/workflows/other.yml"}


def runtime_token(claims: dict[str, str]) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.x"


@pytest.mark.parametrize("mode", ["submit", "run"])
@pytest.mark.parametrize("event", [event for event in EVENTS if event not in TRUSTED_EVENTS])
def test_events_that_no_later_run_trusts(workflow: WorkflowHarness, event: str, mode: str) -> None:
    workflow.commit({"a.js": BAD})
    for _ in range(2):
        result = workflow.start(mode, {"event": event})
        assert result.exit == 0, result.log
        notice = "".join(result.annotations("notice"))
        assert event in notice or "this is a pull request" in notice
        assert result.outputs.get("status", "nothing-to-do") == "nothing-to-do"
    assert (workflow.batches, workflow.artifacts) == ([], [])


@pytest.mark.parametrize("event", sorted(TRUSTED_EVENTS))
def test_events_that_later_runs_trust(workflow: WorkflowHarness, event: str) -> None:
    workflow.commit({"a.js": BAD})
    assert workflow.start("submit", {"event": event}).outputs["requests-count"] == "1"
    assert workflow.run("run").outputs["findings-count"] == "2"
    assert len(workflow.batches) == 1


@pytest.mark.parametrize(
    ("run", "inputs", "words"),
    [
        ({"event": "push", **TAG}, {}, "tag"),
        ({"event": "workflow_dispatch", **TAG}, {}, "tag"),
        ({"event": "push", **TAG_NAMED_LIKE_THE_BRANCH}, {}, "tag"),
        (ELSEWHERE, {"state_workflows": "nightly.yml"}, "state-workflows"),
    ],
)
def test_refs_and_workflows_that_no_later_run_trusts(
    workflow: WorkflowHarness, run: dict[str, Any], inputs: dict[str, str], words: str
) -> None:
    workflow.commit({"a.js": BAD})
    environ = {f"BATCH_ACTION_{name.upper()}": value for name, value in inputs.items()}
    for mode in ("submit", "run"):
        result = workflow.start(mode, run, environ=environ)
        assert result.exit == 0, result.log
        assert words in "".join(result.annotations("notice"))
    plan = workflow.start("plan", run, environ=environ)
    assert words in "".join(plan.annotations("warning"))
    assert workflow.batches == []


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GITHUB_SERVER_URL": "https://ghes.example.com"}, "GitHub Enterprise Server"),
        ({"ACTIONS_RESULTS_URL": None}, "ACTIONS_RESULTS_URL is not set"),
        ({"ACTIONS_RUNTIME_TOKEN": None}, "ACTIONS_RUNTIME_TOKEN is not set"),
        ({"ACTIONS_RUNTIME_TOKEN": runtime_token({"scp": "Actions.GenericRead:1"})}, "permission"),
        ({"ACTIONS_RUNTIME_TOKEN": "no-jwt"}, "permission"),
    ],
)
def test_in_actions_without_a_place_for_the_ledger_nothing_is_sent(
    workflow: WorkflowHarness, environ: dict[str, str | None], words: str
) -> None:
    workflow.commit({"a.js": BAD})
    for mode in ("submit", "run"):
        result = workflow.start(mode, {}, environ=environ)
        assert result.exit == 2, result.log
        error = "".join(result.annotations("error"))
        assert words in error
        assert "BATCH_ACTION_STATE_DIR" in error
    assert workflow.batches == []
    kept = environ | {"BATCH_ACTION_STATE_DIR": str(workflow.folder / "kept")}
    for _ in range(2):
        assert workflow.start("submit", {}, environ=kept).exit == 0
    assert len(workflow.batches) == 1


def clone(workflow: WorkflowHarness, depth: int | None, branch: str = "main") -> Path | None:
    """Clone the newest commits of a branch, as actions/checkout does; None: all of them."""
    if depth is None:
        return None
    repo = Repo.init(workflow.folder / f"clone-{workflow.repo.head()[:9]}")
    ref = f"+refs/heads/{branch}:refs/remotes/origin/{branch}"
    repo.git("fetch", "-q", "--depth", str(depth), f"file://{workflow.repo.path}", ref)
    repo.git("checkout", "-q", "-B", branch, f"refs/remotes/origin/{branch}")
    return repo.path


@pytest.mark.parametrize("depth", [None, 1])
@pytest.mark.parametrize("event", ["push", "workflow_dispatch"])
def test_a_tag_named_like_the_branch_is_not_the_branch(
    workflow: WorkflowHarness, event: str, depth: int | None
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    stolen = newest_ledger(workflow)
    workflow.github_repository.artifacts.clear()
    workflow.repo.git("checkout", "-q", "-b", "evil")
    evil = workflow.commit({"evil.js": WORSE})
    workflow.repo.git("checkout", "-q", "main")
    run = {"event": event, **TAG_NAMED_LIKE_THE_BRANCH, "head_sha": evil}
    item = upload_foreign(workflow, stolen, run)
    result = workflow.start("collect", {}, workspace=clone(workflow, depth))
    assert result.exit == 0, result.log
    assert f"artifact {item.id} of run {item.run_id} is refused" in result.log
    assert "state-secret" in result.log
    assert workflow.issues == []


@pytest.mark.parametrize("depth", [None, 1])
@pytest.mark.parametrize("change", ["a newer commit", "a force push"])
def test_the_ledger_of_an_earlier_tip_is_trusted(
    workflow: WorkflowHarness, change: str, depth: int | None
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    if change == "a force push":
        workflow.repo.git("commit", "-q", "--amend", "--message", "rewritten")
    else:
        workflow.commit({"README.md": "text\n"})
    workflow.sandbox.faults.calls.clear()
    result = workflow.start("collect", {}, workspace=clone(workflow, depth))
    assert result.exit == 0, result.log
    assert "refused" not in result.log
    assert (result.outputs["findings-count"], len(workflow.batches)) == ("2", 1)
    asked = [call.path for call in workflow.sandbox.faults.calls if "/activity" in call.path]
    assert len(asked) <= 1


def test_a_renamed_default_branch_keeps_its_ledger(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.repo.git("branch", "--move", "main", "trunk")
    workflow.github_repository.default_branch = "trunk"
    workflow.github_repository.renamed_branches["main"] = "trunk"
    workflow.commit({"b.js": WORSE})
    result = workflow.start("run", {})
    assert result.exit == 0, result.log
    assert "refused" not in result.log
    assert result.outputs["findings-count"] == "2"
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2


def test_a_branch_of_the_former_name_is_another_branch(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.repo.git("branch", "trunk")
    workflow.github_repository.default_branch = "trunk"
    result = workflow.start("collect", {"branch": "trunk"})
    assert "state-branch: main" in result.log
    assert workflow.issues == []
