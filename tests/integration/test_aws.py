"""`anthropic-provider`: the same calls to Claude Platform on AWS; no other has batches."""

import json
from datetime import UTC, datetime

import httpx2
import pytest

from batch_action.clients.anthropic.addresses import AwsWorkspace
from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.config.server import parse_server_config
from batch_action.errors import ConfigError
from batch_action.models.requests import BatchState
from tests.harness.workflow import BAD, WorkflowHarness

KEY = "aws-key-of-the-test"
HOST = "aws-external-anthropic.eu-central-1.api.aws"
CONFIG = ".github/batch-action.yml"
PROVIDER = "anthropic-provider: aws\n"
WORKSPACE = "anthropic-aws-region: us-east-1\nanthropic-aws-workspace-id: wrkspc_1\n"
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": dict.fromkeys(("canceled", "errored", "expired", "processing"), 0)
    | {"succeeded": 1},
    "created_at": "2026-11-29T02:17:00Z",
    "expires_at": "2026-11-30T02:17:00Z",
    "ended_at": "2026-11-29T02:18:00Z",
    "results_url": f"https://{HOST}/v1/messages/batches/msgbatch_1/results",
}
RESULT = {
    "custom_id": "one",
    "result": {"type": "canceled"},
}
STATE = BatchState(
    id="msgbatch_1",
    status="ended",
    created_at=datetime(2026, 11, 29, tzinfo=UTC),
    expires_at=datetime(2026, 11, 30, tzinfo=UTC),
    ended_at=datetime(2026, 11, 29, tzinfo=UTC),
    archived_at=None,
    total=1,
    results_url=BATCH["results_url"],
)
ANSWERS = {
    "GET /v1/messages/batches/msgbatch_1/results": RESULT,
    "GET /v1/messages/batches/msgbatch_1": BATCH,
    "GET /v1/messages/batches": {"data": [BATCH], "has_more": False},
    "POST /v1/messages/batches/msgbatch_1/cancel": BATCH,
    "DELETE /v1/messages/batches/msgbatch_1": {"id": "msgbatch_1", "type": "message_batch_deleted"},
    "POST /v1/messages/count_tokens": {"input_tokens": 7},
    "GET /v1/models/claude-sonnet-5-5": {"id": "claude-sonnet-5-5", "type": "model"},
}


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.model("claude-sonnet-5-5"),
        lambda api: api.retrieve("msgbatch_1"),
        lambda api: api.created_since(datetime(2026, 11, 28, tzinfo=UTC)),
        lambda api: api.cancel("msgbatch_1"),
        lambda api: api.delete("msgbatch_1"),
        lambda api: api.outcomes(STATE, frozenset({"one"})),
    ],
    ids=["model", "retrieve", "list", "cancel", "delete", "results"],
)
def test_each_call_goes_to_the_workspace_in_its_region(call, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AWS_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("ANTHROPIC_AWS_WORKSPACE_ID", "wrkspc_of_the_environment")
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        body = ANSWERS[f"{request.method} {request.url.path}"]
        headers = {"date": "Sun, 29 Nov 2026 02:17:00 GMT", "content-type": "application/json"}
        return httpx2.Response(200, content=json.dumps(body).encode(), headers=headers)

    workspace = AwsWorkspace(region="eu-central-1", id="wrkspc_1")
    with AnthropicClient(api_key=KEY, aws=workspace) as api:
        api._http._transport = httpx2.MockTransport(answer)
        api._http._mounts = {}
        call(api)
    assert requests
    for request in requests:
        assert request.url.host == HOST
        assert request.headers["anthropic-workspace-id"] == "wrkspc_1"
        assert KEY in (request.headers.get("x-api-key") or request.headers["authorization"])


def test_a_batch_goes_its_whole_way(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD, CONFIG: PROVIDER + WORKSPACE})
    first = workflow.run()
    assert first.exit == 0, first.log
    assert "assumed to be that of Anthropic's own API" in str(first.annotations("warning"))
    assert workflow.run().outputs["findings-count"] != "0"
    assert "a.js" in workflow.issue.body


def test_an_own_price_is_not_assumed(workflow: WorkflowHarness) -> None:
    prices = (
        "prices:\n  claude-sonnet-5-5:\n"
        "    {input: 3, output: 15, write_5m: 3.75, write_1h: 6, read: 0.3}\n"
    )
    workflow.commit({"a.js": BAD, CONFIG: PROVIDER + WORKSPACE + prices})
    result = workflow.run("plan")
    assert result.exit == 0, result.log
    assert "assumed" not in result.log


@pytest.mark.parametrize(
    ("config", "environ", "message"),
    [
        ("anthropic-provider: bedrock\n", {}, "bedrock does not have Anthropic's Message Batches"),
        ("anthropic-provider: Vertex AI\n", {}, "Vertex AI does not have Anthropic's Message Bat"),
        ("", {"ANTHROPIC_PROVIDER": "foundry"}, "foundry does not have Anthropic's Message Batch"),
        ("anthropic-provider: openai\n", {}, "must be one of: anthropic, aws"),
        (PROVIDER, {}, "needs `anthropic-aws-region` and `anthropic-aws-workspace-id` too"),
        (PROVIDER, {"AWS_REGION": "us-east-1"}, "needs `anthropic-aws-workspace-id` too"),
        (PROVIDER, {"ANTHROPIC_AWS_WORKSPACE_ID": "w"}, "needs `anthropic-aws-region` too"),
        (WORKSPACE, {}, "have no effect without `anthropic-provider: aws`"),
        (
            PROVIDER + "anthropic-aws-workspace-id: w\nanthropic-aws-region: evil.example/\n",
            {},
            "must be the name of an AWS region, e.g. us-east-1",
        ),
        (
            PROVIDER + "anthropic-aws-workspace-id: w\n",
            {"AWS_REGION": "x@evil.example/"},
            "The region in AWS_REGION, 'x@evil.example/', is not the name of an AWS region",
        ),
        (
            PROVIDER + WORKSPACE,
            {
                "INPUT_ANTHROPIC-API-KEY": None,
                "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1",
                "ANTHROPIC_ORGANIZATION_ID": "org",
            },
            "needs an API key",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    workflow: WorkflowHarness, config: str, environ: dict[str, str | None], message: str
) -> None:
    workflow.commit({"a.js": BAD, CONFIG: config})
    result = workflow.start("run", {}, environ=environ)
    assert result.exit == 2, result.log
    assert message in result.log
    assert workflow.batches == []


def test_serve_takes_a_workspace_on_aws() -> None:
    repository = {"repository": "octo/demo", "anthropic-aws-region": "us-east-1"}
    whole = repository | {"anthropic-aws-workspace-id": "wrkspc_1"}
    (config,) = parse_server_config({"repositories": [whole]}, "serve.yml").repositories
    assert (config.anthropic_aws_region, config.anthropic_aws_workspace_id) == (
        "us-east-1",
        "wrkspc_1",
    )
    with pytest.raises(ConfigError, match="or neither"):
        parse_server_config({"repositories": [repository]}, "serve.yml")
