"""Proxies, sign-in pages and broken gateways that answer in Anthropic's place, at every call.

A new reply is one row of `REPLIES`; a new call is one row of `CALLS`, and one of `COMMANDS` when a
command makes it.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from batch_action.clients.anthropic.client import AnthropicClient, workload_identity_credentials
from batch_action.errors import AmbiguousCreateError, AnthropicError, TransientError
from batch_action.models.requests import OutcomeKind
from tests.harness.batches import WrittenRequests
from tests.harness.hostile_server import REPLIES, HostileServer, Reply
from tests.harness.workflow import BAD, HOUR, Result, WorkflowHarness

BATCHES = "/v1/messages/batches"
BATCH = "msgbatch_1"
FOREIGN = list(REPLIES)
PARAMS = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": []}
REQUESTS = WrittenRequests({"a": PARAMS})


def messages(api: AnthropicClient) -> object:
    [found] = api.create_messages(REQUESTS.reads, lambda: True)
    if isinstance(found, AnthropicError):
        raise found
    assert found is not None
    assert found.kind is OutcomeKind.UNANSWERED, found
    raise TransientError(found.detail)


def long_ago(api: AnthropicClient) -> object:
    return api.created_between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


CALLS: dict[str, tuple[str, Callable[[AnthropicClient], object]]] = {
    "model": ("GET", lambda api: api.model("claude-sonnet-5-5")[0]),
    "count": ("POST", lambda api: list(api.count_tokens(REQUESTS.reads))),
    "create": ("POST", REQUESTS.create),
    "retrieve": ("GET", lambda api: api.retrieve(BATCH)),
    "cancel": ("POST", lambda api: api.cancel(BATCH)),
    "delete": ("DELETE", lambda api: api.delete(BATCH)),
    "list": ("GET", long_ago),
    "watch": ("GET", lambda api: api.created_since(datetime.now(UTC) - timedelta(1))),
    "message": ("POST", messages),
}
UNKNOWN = {("model", "page not found")}
"""Any 404 at this call means: there is no such model, or a gateway has no such endpoint."""


@pytest.fixture
def server(workflow: WorkflowHarness) -> Iterator[HostileServer]:
    with HostileServer(workflow.sandbox.anthropic_url) as running:
        yield running


@pytest.mark.parametrize("call", list(CALLS))
def test_no_foreign_answer_is_taken_for_anthropics(server: HostileServer, call: str) -> None:
    method, ask = CALLS[call]
    wrong = []
    with AnthropicClient(api_key="sk-ant-x", base_url=server.url, sleep=lambda _: None) as api:
        api._client.max_retries = 0
        for name, reply in REPLIES.items():
            server.clear()
            server.replace(reply, method, "")
            try:
                found = ask(api)
            except AnthropicError as error:
                expected = AmbiguousCreateError if call == "create" else TransientError
                if not isinstance(error, expected) or "<html" in str(error):
                    wrong.append((name, error))
            else:
                if found is not None or (call, name) not in UNKNOWN:
                    wrong.append((name, found))
    assert wrong == []


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_token_exchange_is_no_refusal(server: HostileServer, name: str) -> None:
    credentials = workload_identity_credentials(
        identity=lambda: "token",
        rule="fdrl_1",
        organization="0f0f0f0f-0000-4000-8000-000000000000",
        service_account=None,
        workspace=None,
    )
    server.replace(REPLIES[name], "POST", "/oauth/token")
    with AnthropicClient(api_key=None, credentials=credentials, base_url=server.url) as api:
        api._client.max_retries = 0
        with pytest.raises(TransientError) as caught:
            api.retrieve(BATCH)
    assert "federation rule" not in str(caught.value)


class Command(NamedTuple):
    """The command that makes a call, and the exit code for a foreign answer."""

    method: str
    path: str
    mode: str
    exit: int


COMMANDS = {
    "model": Command("GET", "/v1/models/", "submit", 4),
    "count": Command("POST", "/count_tokens$", "submit", 0),
    "create": Command("POST", f"{BATCHES}$", "submit", 4),
    "retrieve": Command("GET", rf"{BATCHES}/msgbatch_\w+$", "collect", 4),
    "results": Command("GET", "/results$", "collect", 4),
    "message": Command("POST", "/v1/messages$", "submit", 4),
    "cancel": Command("POST", "/cancel$", "cancel", 4),
    "delete": Command("DELETE", rf"{BATCHES}/msgbatch_\w+$", "collect", 0),
}


def run(workflow: WorkflowHarness, server: HostileServer, mode: str) -> Result:
    environ = {"ANTHROPIC_BASE_URL": server.url}
    if mode != "cancel":
        return workflow.start(mode, {}, environ=environ)
    opened = workflow.open({})
    step = workflow.step(opened, "run", environ=environ)
    step |= {"GITHUB_TOKEN": opened.token, "ANTHROPIC_API_KEY": workflow.key}
    typed = {name: value for name, value in step.items() if not name.startswith("INPUT_")}
    return workflow.invoke(["cancel"], typed, opened)


def problems_of(result: Result, expected: int) -> Iterator[str]:
    """Yield what is wrong with a run that met a foreign answer."""
    text = result.log + result.summary
    if result.exit != expected:
        yield f"exit {result.exit}: {text}"
    if "Traceback" in text or "<html" in text.lower():
        yield text
    sentences = result.annotations("error") + result.annotations("warning")
    if not any(re.search(r"Anthropic|\bbatch\b", sentence) for sentence in sentences):
        yield f"no sentence names what happened: {sentences}"


@pytest.mark.parametrize("call", ["model", "count", "retrieve", "results"])
def test_a_command_names_the_foreign_answer_and_goes_on_in_the_next_run(
    workflow: WorkflowHarness, server: HostileServer, call: str
) -> None:
    method, path, mode, expected = COMMANDS[call]
    workflow.commit({"a.js": BAD})
    if mode == "collect":
        workflow.run("submit")
    names = [name for name in FOREIGN if (call, name) not in UNKNOWN]
    # Each answer that a client tells apart once; the client's own test has all.
    for number, name in enumerate(names[:: 1 if call == "results" else 4]):
        if mode == "submit":
            workflow.commit({"a.js": f"{BAD}// {number}\n"})
        server.clear()
        server.replace(REPLIES[name], method, path)
        assert list(problems_of(run(workflow, server, mode), expected)) == [], name
    workflow.run("submit")
    assert workflow.run("collect").outputs["findings-count"] == "2"
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids))


def messages_sent(workflow: WorkflowHarness) -> int:
    return sum(call.path == "/v1/messages" for call in workflow.sandbox.faults.calls)


def test_a_small_workload_that_somebody_else_answered_is_sent_again(
    workflow: WorkflowHarness, server: HostileServer
) -> None:
    method, path, mode, expected = COMMANDS["message"]
    workflow.inputs |= {"small_workload": "interactive"}
    workflow.commit({"a.js": BAD})
    before = messages_sent(workflow)
    for name in FOREIGN[::4]:
        server.clear()
        server.replace(REPLIES[name], method, path)
        assert list(problems_of(run(workflow, server, mode), expected)) == [], name
    assert messages_sent(workflow) == before
    server.clear()
    assert run(workflow, server, mode).outputs["findings-count"] == "2"
    assert run(workflow, server, mode).outputs["status"] == "nothing-to-do"
    assert messages_sent(workflow) == before + 1
    assert workflow.batches == []


def test_a_cancellation_that_somebody_else_answered_withdraws_nothing(
    workflow: WorkflowHarness, server: HostileServer
) -> None:
    method, path, mode, expected = COMMANDS["cancel"]
    workflow.sandbox.anthropic.hold = True
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    for name in [*FOREIGN[::4], "page not found"]:
        server.clear()
        server.replace(REPLIES[name], method, path)
        assert list(problems_of(run(workflow, server, mode), expected)) == [], name
    server.clear()
    workflow.finish()
    assert workflow.run("collect").outputs["findings-count"] == "2"
    workflow.sandbox.anthropic.hold = False


@pytest.mark.parametrize("name", ["empty object", "sign-in page", "page not found", "no content"])
def test_a_deletion_that_somebody_else_answered_is_reported(
    workflow: WorkflowHarness, server: HostileServer, name: str
) -> None:
    method, path, mode, expected = COMMANDS["delete"]
    workflow.environ["BATCH_ACTION_DELETE_BATCHES"] = "true"
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    server.replace(REPLIES[name], method, path)
    result = run(workflow, server, mode)
    assert list(problems_of(result, expected)) == []
    assert "was not deleted at Anthropic" in result.summary
    assert result.outputs["findings-count"] == "2"
    assert len(workflow.batches) == 1


@pytest.mark.parametrize("after", [False, True], ids=["in its place", "after it"])
@pytest.mark.parametrize(
    "name", ["empty object", "sign-in page", "cut body", "redirect", "blocked by a firewall"]
)
def test_a_foreign_answer_to_a_create_is_paid_once(
    workflow: WorkflowHarness, server: HostileServer, name: str, after: bool
) -> None:
    method, path, mode, expected = COMMANDS["create"]
    workflow.commit({"a.js": BAD})
    server.replace(REPLIES[name], method, path, after=after)
    assert list(problems_of(run(workflow, server, mode), expected)) == []
    assert len(workflow.batches) == int(after)
    # Nothing is decided without the list of batches.
    server.clear()
    server.replace(REPLIES[name], "GET", rf"{BATCHES}\?")
    assert list(problems_of(run(workflow, server, "collect"), 4)) == []
    workflow.advance(HOUR)
    for _ in range(3):
        workflow.run("run")
    assert (len(workflow.batches), len(workflow.billed_ids)) == (1, 1)
    assert "a.js" in workflow.issue.body


@pytest.mark.parametrize("name", ["empty object", "cut JSON", "sign-in page", "page not found"])
def test_a_candidate_that_cannot_be_read_waits_and_the_rest_goes_on(
    workflow: WorkflowHarness, server: HostileServer, name: str
) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("submit")
    workflow.commit({"b.js": BAD})
    workflow.sandbox.faults.add("drop-after", method="POST", path=f"{BATCHES}$")
    assert workflow.run("submit").exit == 4
    server.replace(REPLIES[name], "GET", f"{workflow.batches[1].id}/results$")
    result = run(workflow, server, "run")
    assert result.exit == 0, result.log
    assert "decided later" in result.summary
    assert "a.js" in workflow.issue.body
    workflow.commit({"c.js": BAD})
    assert workflow.run("run").outputs["findings-count"] == "4"
    assert [workflow.requested_paths(n) for n in (0, 1, 2)] == [["a.js"], ["b.js"], ["c.js"]]


def test_fewer_results_of_another_batch_reject_no_candidate(
    workflow: WorkflowHarness, server: HostileServer
) -> None:
    workflow.commit({"a.js": BAD, "b.js": BAD})
    workflow.sandbox.faults.add("drop-after", method="POST", path=f"{BATCHES}$")
    assert workflow.run("submit").exit == 4
    line = b'{"custom_id": "another", "result": {"type": "expired"}}\n'
    server.replace(Reply(body=line), "GET", "/results$")
    assert "1 of its 2 results came" in run(workflow, server, "run").summary
    server.clear()
    workflow.advance(HOUR)
    assert workflow.run("run").outputs["findings-count"] == "4"
    assert (len(workflow.batches), len(workflow.billed_ids)) == (1, 2)
