"""Proxies, sign-in pages and broken gateways that answer in GitHub's place, at every call of a run.

A new reply is one row of `REPLIES`, a new call one row of `CALLS`.
"""

import re
from collections.abc import Iterator

import pytest

from tests.harness.hostile_server import REPLIES, HostileServer
from tests.harness.workflow import BAD, Result, WorkflowHarness

# (method, path) of each call of a collect that opens its issue, or edits it
CALLS = {
    "artifacts": ("GET", r"/actions/artifacts\?"),
    "run": ("GET", r"/actions/runs/\d+$"),
    "download": ("GET", r"/zip$"),
    "issues": ("GET", r"/issues\?"),
    "label": ("GET", r"/labels/"),
    "new label": ("POST", r"/labels$"),
    "new issue": ("POST", r"/issues$"),
    "issue": ("GET", r"/issues/\d+$"),
    "edit": ("PATCH", r"/issues/\d+$"),
    "viewer": ("POST", r"/graphql$"),
    "comments": ("GET", r"/comments\?"),
    "new comment": ("POST", r"/comments$"),
    "create": ("POST", r"/CreateArtifact$"),
    "finalize": ("POST", r"/FinalizeArtifact$"),
    "list": ("POST", r"/ListArtifacts$"),
    "delete": ("POST", r"/DeleteArtifact$"),
}
# Each call of a collect that opens its draft pull request, or adds to it
DRAFT_CALLS = {
    "pulls": ("GET", r"/pulls\?"),
    "branch": ("GET", r"/git/ref/heads/"),
    "head": ("GET", r"/git/commits/"),
    "tree": ("POST", r"/git/trees$"),
    "commit": ("POST", r"/git/commits$"),
    "new branch": ("POST", r"/git/refs$"),
    "moved branch": ("PATCH", r"/git/refs/"),
    "blobs": ("POST", r"/graphql$"),
    "contents": ("GET", r"/contents/"),
    "new pull": ("POST", r"/pulls$"),
    "edit": ("PATCH", r"/pulls/\d+$"),
    "pull": ("GET", r"/pulls/\d+$"),
}
DRAFT_REPLIES = ("empty object", "empty list", "sign-in page", "page not found")
# `test_foreign_answers.py` has all replies to each call of the client.
SOME_REPLIES = (
    "empty object",
    "empty list",
    "foreign object",
    "sign-in page",
    "cut body",
    "garbage as gzip",
    "redirect",
    "blocked by a firewall",
    "page not found",
)


@pytest.fixture
def server(workflow: WorkflowHarness) -> Iterator[HostileServer]:
    with HostileServer(workflow.sandbox.github_url) as running:
        yield running


def problems_of(result: Result, name: str) -> Iterator[str]:
    """Yield what is wrong with a run that met a foreign reply."""
    text = result.log + result.summary
    if result.exit not in (0, 5):
        yield f"{name}: exit {result.exit}: {text[-300:]}"
    if "Traceback" in text or "bug of batch-action" in text or "bug in batch-action" in text:
        yield f"{name}: called a bug: {text[-600:]}"
    sentences = result.annotations("error") + result.annotations("warning")
    # A write that somebody else has answered shows when it is read back.
    words = ("GitHub", "rtifact", "read back")
    if result.exit and not any(word in s for word in words for s in sentences):
        yield f"{name}: no sentence in {sentences}"
    if "<html" in text.lower():
        yield f"{name}: the page is quoted"


@pytest.mark.parametrize("call", CALLS)
def test_a_foreign_answer_to_a_call_of_a_run(
    workflow: WorkflowHarness, server: HostileServer, call: str
) -> None:
    environ = {
        "GITHUB_API_URL": f"{server.url}/api/v3",
        "ACTIONS_RESULTS_URL": server.url,
    }
    method, path = CALLS[call]
    problems: list[str] = []
    for number, name in enumerate(SOME_REPLIES):
        workflow.commit({f"a{number}.js": BAD})
        workflow.run("submit")
        server.clear()
        server.replace(REPLIES[name], method, path)
        problems += problems_of(workflow.start("collect", {}, environ=environ), name)
    assert problems == []
    workflow.run("run")
    workflow.run("collect")
    # Nothing was lost, nothing was paid twice, and there is one issue.
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == len(SOME_REPLIES)
    assert all(f"a{number}.js" in workflow.issue.body for number in range(len(SOME_REPLIES)))


@pytest.mark.parametrize("call", DRAFT_CALLS)
def test_a_foreign_answer_while_a_draft_is_opened(
    workflow: WorkflowHarness, server: HostileServer, call: str
) -> None:
    workflow.github_repository.actions_can_open_pull_requests = True
    workflow.inputs |= {"task": "documentation", "report": "draft-pr"}
    permissions = {"contents": "write", "pull-requests": "write", "actions": "read"}
    options = {"permissions": {**permissions, "issues": "write"}}
    environ = {"GITHUB_API_URL": f"{server.url}/api/v3", "ACTIONS_RESULTS_URL": server.url}
    method, path = DRAFT_CALLS[call]
    problems: list[str] = []
    for number, name in enumerate(DRAFT_REPLIES):
        source = f"def total_{number}(prices):\n    return sum(prices)\n"
        workflow.commit({f"m{number}.py": source})
        workflow.start("submit", options)
        server.clear()
        server.replace(REPLIES[name], method, path)
        problems += problems_of(workflow.start("collect", options, environ=environ), name)
    assert problems == []
    assert any(verb == method and re.search(path, asked) for verb, asked in server.calls)
    server.clear()
    workflow.start("run", options)
    workflow.start("collect", options)
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == len(DRAFT_REPLIES)
    [pull] = workflow.issues
    assert pull.pull is not None
    tree = workflow.repo.git("ls-tree", "-r", "batch-action/documentation").split()
    assert [f"m{n}.py" for n in range(len(DRAFT_REPLIES)) if f"m{n}.py" not in pull.body] == []
    assert "m0.py" in tree
