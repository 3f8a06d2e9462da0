"""Proxies, sign-in pages and broken gateways that answer in Anthropic's place, at every call.

A new reply is one row of `REPLIES`, a new call one row of `CALLS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.harness.hostile_server import REPLIES, HostileServer
from tests.harness.workflow import BAD, HOUR, Result, WorkflowHarness

BATCHES = "/v1/messages/batches"
FOREIGN = "Anthropic"
"""What every sentence names."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to Anthropic, and the command that makes it."""

    method: str
    path: str
    mode: str
    exits: frozenset[int] = frozenset({4})
    """The exit codes that are right for all replies."""
    pending: bool = True
    """A batch is in flight before."""
    tolerated: tuple[str, ...] = ()
    """Replies that the command goes on without."""
    inputs: tuple[tuple[str, str], ...] = ()


CALLS = {
    "model": Call(
        method="GET",
        path="/v1/models/",
        mode="submit",
        pending=False,
        # A gateway without the Models API.
        tolerated=("page not found",),
    ),
    "count": Call(
        method="POST", path="/count_tokens$", mode="submit", exits=frozenset({0}), pending=False
    ),
    "create": Call(method="POST", path=f"{BATCHES}$", mode="submit", pending=False),
    "message": Call(
        method="POST",
        path="/v1/messages$",
        mode="submit",
        pending=False,
        inputs=(("small_workload", "interactive"),),
    ),
    "retrieve": Call(
        method="GET",
        path=rf"{BATCHES}/msgbatch_\w+$",
        mode="collect",
        # A batch may be unknown for a moment after its create.
        tolerated=("page not found",),
    ),
    "results": Call(method="GET", path="/results$", mode="collect"),
    "list": Call(method="GET", path=rf"{BATCHES}\?", mode="collect"),
}


@pytest.fixture
def server(workflow: WorkflowHarness) -> Iterator[HostileServer]:
    with HostileServer(workflow.sandbox.anthropic_url) as running:
        yield running


def run(workflow: WorkflowHarness, server: HostileServer, call: Call) -> Result:
    environ = {"ANTHROPIC_BASE_URL": server.url} | {
        f"BATCH_ACTION_{name.upper()}": value for name, value in call.inputs
    }
    return workflow.start(call.mode, {}, environ=environ)


def problems_of(result: Result, call: Call, name: str) -> Iterator[str]:
    """Yield what is wrong with a run that met a foreign reply."""
    text = result.log + result.summary
    exits = {0} if name in call.tolerated else call.exits
    if result.exit not in exits:
        yield f"{name}: exit {result.exit}"
    if "Traceback" in text or "bug" in result.summary:
        yield f"{name}: a traceback"
    sentences = result.annotations("error") + result.annotations("warning")
    if not any("Anthropic" in sentence for sentence in sentences):
        yield f"{name}: no sentence in {sentences}"
    if "<html" in text.lower():
        yield f"{name}: the page is quoted"


@pytest.mark.parametrize("call", ["model", "count", "retrieve", "results"])
def test_a_foreign_answer_to_a_read(
    workflow: WorkflowHarness, server: HostileServer, call: str
) -> None:
    spec, problems = CALLS[call], []
    workflow.commit({"a.js": BAD})
    if spec.pending:
        workflow.run("submit")
    for number, (name, reply) in enumerate(REPLIES.items()):
        if not spec.pending:
            workflow.commit({"a.js": f"{BAD}// {number}\n"})
        server.clear()
        server.replace(reply, spec.method, spec.path)
        problems += problems_of(run(workflow, server, spec), spec, name)
    assert problems == []
    workflow.run("submit")
    assert workflow.run("collect").outputs["findings-count"] == "2"
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids))


@pytest.mark.parametrize("after", [False, True], ids=["in its place", "after it"])
@pytest.mark.parametrize("name", list(REPLIES))
def test_a_foreign_answer_to_a_create(
    workflow: WorkflowHarness, server: HostileServer, name: str, after: bool
) -> None:
    spec = CALLS["create"]
    workflow.commit({"a.js": BAD})
    server.replace(REPLIES[name], spec.method, spec.path, after=after)
    assert list(problems_of(run(workflow, server, spec), spec, name)) == []
    assert len(workflow.batches) == int(after)
    server.clear()
    # The list of batches does not help either, and nothing is decided without it.
    server.replace(REPLIES[name], "GET", CALLS["list"].path)
    listed = run(workflow, server, CALLS["list"])
    assert listed.exit == 4, listed.log
    workflow.advance(HOUR)
    workflow.run("run")
    workflow.run("run")
    workflow.run("run")
    assert len(workflow.batches) == 1
    assert len(workflow.billed_ids) == 1
    assert "a.js" in workflow.issue.body
