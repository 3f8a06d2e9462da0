"""Workflow and repository dispatches: refusals, run lists and run names."""

from datetime import timedelta
from pathlib import Path

import pytest
from github import GithubException

from tests.harness.git_repositories import Repo

COLLECT = """
name: Collecting
run-name: collect ${{ inputs.batch-id || github.event.client_payload.batch-id }}
on:
  workflow_dispatch:
    inputs:
      batch-id: {required: false}
      needed: {required: true, default: x}
  repository_dispatch:
    types: [batch-ended]
jobs: {}
"""
PLAIN = "name: Plain\non: [push, workflow_dispatch, repository_dispatch]\njobs: {}\n"
DEAF = "on: push\njobs: {}\n"
STRICT = "on: {workflow_dispatch: {inputs: {who: {required: true}}}}\njobs: {}\n"


@pytest.fixture
def repo(hub, client, tmp_path: Path):
    git = Repo.init(tmp_path / "work")
    folder = ".github/workflows"
    files = {"collect.yml": COLLECT, "plain.yaml": PLAIN, "deaf.yml": DEAF, "strict.yml": STRICT}
    git.commit({f"{folder}/{name}": text for name, text in files.items()})
    git.git("branch", "side")
    git.commit({f"{folder}/{name}": "[" for name in ("broken.yml", "notes.txt")})
    hub.add_repository("octo/works", git_dir=git.path)
    return client(hub.token_for("octo"), "octo/works")


def runs(repo, **filters):
    return [(run.display_title, run.event, run.status) for run in repo.get_workflow_runs(**filters)]


def test_a_dispatched_run_has_its_run_name(repo) -> None:
    collect = repo.get_workflow("collect.yml")
    assert collect.create_dispatch("main", {"batch-id": "msgbatch_1"})
    assert repo.get_workflow("plain.yaml").create_dispatch("side")
    assert runs(repo) == [
        ("Plain", "workflow_dispatch", "queued"),
        ("collect msgbatch_1", "workflow_dispatch", "queued"),
    ]
    assert [run.head_branch for run in repo.get_workflow_runs()] == ["side", "main"]
    assert [run.display_title for run in collect.get_runs()] == ["collect msgbatch_1"]


def test_a_dispatch_returns_the_run_on_request(repo) -> None:
    path = f"{repo.url}/actions/workflows/collect.yml/dispatches"
    body = {"ref": "main", "inputs": {}, "return_run_details": True}
    _, details = repo.requester.requestJsonAndCheck("POST", path, input=body)
    run = repo.get_workflow_run(details["workflow_run_id"])
    assert (run.display_title, run.html_url, run.url) == (
        "collect",
        details["html_url"],
        details["run_url"],
    )


@pytest.mark.parametrize(
    ("name", "ref", "inputs", "status", "message"),
    [
        ("collect.yml", "main", {"batch": "1"}, 422, 'Unexpected inputs provided: ["batch"]'),
        ("collect.yml", "gone", {}, 422, "No ref found for: gone"),
        ("strict.yml", "main", {}, 422, "Required input 'who' not provided"),
        ("deaf.yml", "main", {}, 422, "Workflow does not have 'workflow_dispatch' trigger"),
        ("missing.yml", "main", {}, 404, "Not Found"),
        ("broken.yml", "main", {}, 404, "Not Found"),
        ("collect.yml", "main", {str(n): "" for n in range(26)}, 422, "you may only define up to"),
    ],
    ids=str,
)
def test_what_github_refuses(repo, name, ref, inputs, status, message) -> None:
    path = f"{repo.url}/actions/workflows/{name}/dispatches"
    with pytest.raises(GithubException) as error:
        repo.requester.requestJsonAndCheck("POST", path, input={"ref": ref, "inputs": inputs})
    assert error.value.status == status
    assert error.value.data["message"].startswith(message)
    assert runs(repo) == []


def test_a_repository_dispatch_starts_the_workflows_it_triggers(hub, repo) -> None:
    assert repo.create_repository_dispatch("batch-ended", {"batch-id": "msgbatch_1"})
    assert repo.create_repository_dispatch("deploy", {})
    assert [title for title, _, _ in runs(repo, event="repository_dispatch")] == [
        "deploy",
        "batch-ended",
        "collect msgbatch_1",
    ]
    assert [dispatch["event_type"] for dispatch in hub.repository("octo/works").dispatches] == [
        "batch-ended",
        "deploy",
    ]


def test_runs_are_filtered_by_creation_time(hub, repo, clock) -> None:
    hub.start_run("octo/works", event="schedule")
    clock.advance(3600)
    hub.start_run("octo/works", event="push")
    moment = clock.now() - timedelta(minutes=1)
    stamp = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    for asked, events in {
        f">={stamp}": ["push"],
        f"<={stamp}": ["schedule"],
        f"{stamp}..*": ["push"],
        f"2020-01-01T00:00:00Z..{stamp}": ["schedule"],
    }.items():
        assert [run.event for run in repo.get_workflow_runs(created=asked)] == events
    hub.list_lag = 60
    assert [run.event for run in repo.get_workflow_runs()] == ["schedule"]


def test_runs_have_pages(hub, repo, http) -> None:
    repo.get_workflow("collect.yml").create_dispatch("main", {"batch-id": "<b>"})
    (run,) = repo.get_workflow_runs()
    listed = http.get(f"{hub.instance.origin}/octo/works/actions").text
    single = http.get(run.html_url).text
    assert "1 workflow run<" in listed
    for html in (listed, single):
        assert "collect &lt;b&gt;" in html
        assert "collect.yml by workflow_dispatch, queued" in html
    assert "<code>batch-id: &lt;b&gt;</code>" in single
    assert http.get(f"{hub.instance.origin}/octo/works/actions/runs/1").status_code == 404
