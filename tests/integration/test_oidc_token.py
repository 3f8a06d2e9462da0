"""GitHub's OIDC token for Anthropic's workload identity federation."""

import io
from pathlib import Path

import pytest

from batch_action.cli.connections import AUDIENCE, fetch_identity_token
from batch_action.clients.actions_runner import Runner
from batch_action.errors import AnthropicError
from tests.harness.hostile_server import REPLIES, HostileServer, Reply
from tests.harness.workflow import BAD, WorkflowHarness

TOKEN = Reply(body=b'{"count": 5, "value": "eyJhbGciOiJub25lIn0.e30."}')


def fetch(server: HostileServer, folder: Path) -> tuple[str, str]:
    log = io.StringIO()
    environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/token?api-version=2.0&job=7",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
    }
    return fetch_identity_token(environ, Runner(folder, actions=True, stream=log)), log.getvalue()


def test_the_address_keeps_its_own_query_and_the_token_is_masked(tmp_path: Path) -> None:
    with HostileServer("http://127.0.0.1:9") as server:
        server.replace(TOKEN, "GET", "/token")
        token, log = fetch(server, tmp_path)
        [(_, path)] = server.calls
    assert f"::add-mask::{token}\n" in log
    assert path.startswith("/token?api-version=2.0&job=7&audience=")
    assert AUDIENCE.removeprefix("https://") in path


@pytest.mark.parametrize("reply", REPLIES)
def test_a_foreign_answer_is_named(tmp_path: Path, reply: str) -> None:
    with HostileServer("http://127.0.0.1:9") as server:
        server.replace(REPLIES[reply], "GET", "/token")
        with pytest.raises(AnthropicError, match="OIDC token could not be fetched") as caught:
            fetch(server, tmp_path)
    assert "<html" not in str(caught.value)
    assert "request-token" not in str(caught.value)


def test_a_run_without_a_token_pays_nothing_and_says_why(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    environ: dict[str, str | None] = {
        "INPUT_ANTHROPIC-API-KEY": None,
        "INPUT_ANTHROPIC-FEDERATION-RULE-ID": "fdrl_1",
        "INPUT_ANTHROPIC-ORGANIZATION-ID": "0f0f0f0f-0000-4000-8000-000000000000",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
    }
    for name in list(REPLIES)[::4]:
        with HostileServer("http://127.0.0.1:9") as server:
            server.replace(REPLIES[name], "GET", "")
            environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{server.url}/token?x=1"
            result = workflow.start("submit", {}, environ=environ)
        assert result.exit == 4, result.log
        [reason] = result.annotations("error")
        assert "OIDC token could not be fetched" in reason
        assert "<html" not in result.log + result.summary
    assert workflow.batches == []
