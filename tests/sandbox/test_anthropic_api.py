"""The emulated Anthropic API, through the SDK and bare HTTP."""

import base64
import json
from datetime import timedelta

import anthropic
import httpx2
import pytest
from anthropic.types import Message, ModelInfo
from anthropic.types.messages import (
    DeletedMessageBatch,
    MessageBatch,
    MessageBatchIndividualResponse,
)

from batch_action.sandbox.server import Sandbox

MODEL = "claude-sonnet-5-5"
LONG = "The rules of the house. " * 200
DAY = 24 * 3600


@pytest.fixture(scope="module")
def running():
    with Sandbox(seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    yield running
    running.faults.clear()
    running.anthropic.hold = False
    running.anthropic.answer_with(None)
    running.anthropic.max_bytes = 256_000_000
    running.anthropic.results_origin = None
    running.anthropic.store.batch_seconds = 0


@pytest.fixture(scope="module")
def web():
    """One pool of connections for all clients: making one takes longer than most tests."""
    with httpx2.Client() as web:
        yield web


@pytest.fixture
def connect(sandbox, web):
    def connect(key):
        return anthropic.Anthropic(
            api_key=key, base_url=sandbox.anthropic_url, max_retries=0, http_client=web
        )

    return connect


@pytest.fixture
def client(connect, request):
    """A client with a workspace of its own."""
    return connect(f"sk-ant-test--ws-{request.node.name}")


@pytest.fixture
def batches(client):
    return client.messages.batches


@pytest.fixture
def http(sandbox, request):
    """The bare wire, in the same workspace."""
    headers = {
        "authorization": f"Bearer sk-ant-test--ws-{request.node.name}",
        "anthropic-version": "2026-10-21",
    }
    # No proxy and no TLS: this client never leaves the machine.
    with httpx2.Client(
        base_url=sandbox.anthropic_url, headers=headers, verify=False, trust_env=False
    ) as http:
        yield http


def item(custom_id="r1", **params):
    usual = {
        "model": MODEL,
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return {"custom_id": custom_id, "params": {**usual, **params}}


def schema(**properties):
    return {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
        }
    }


def results(batches, batch_id):
    return {line.custom_id: line.result for line in batches.results(batch_id)}


def run(batches, *items):
    batch = batches.create(requests=list(items))
    assert batches.retrieve(batch.id).processing_status == "ended"
    return results(batches, batch.id)


def complaint(batches, **params):
    [result] = run(batches, item(**params)).values()
    assert result.type == "errored"
    assert result.error.error.type == "invalid_request_error"
    return result.error.error.message


# Life of a batch


def test_a_batch_is_created_ends_and_gives_results(batches, sandbox):
    batch = batches.create(requests=[item("a"), item("b", temperature=1)])
    assert batch.id.startswith("msgbatch_")
    assert batch.processing_status == "in_progress"
    assert batch.results_url is None
    assert batch.expires_at - batch.created_at == timedelta(hours=24)
    assert batch.request_counts.to_dict() == {
        "processing": 2,
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    ended = batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.results_url.startswith(sandbox.anthropic_url)
    assert ended.request_counts.to_dict() == {
        "processing": 0,
        "succeeded": 1,
        "errored": 1,
        "canceled": 0,
        "expired": 0,
    }
    lines = results(batches, batch.id)
    assert {name: result.type for name, result in lines.items()} == {
        "a": "succeeded",
        "b": "errored",
    }
    # Thinking comes first: whoever takes the first block is wrong.
    assert [block.type for block in lines["a"].message.content] == ["thinking", "text"]
    assert lines["a"].message.usage.service_tier == "batch"


def test_batch_seconds_are_counted_by_the_clock(batches, sandbox):
    sandbox.anthropic.store.batch_seconds = 600
    batch = batches.create(requests=[item()])
    assert batches.retrieve(batch.id).processing_status == "in_progress"
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        batches.results(batch.id)
    sandbox.clock.advance(601)
    ended = batches.retrieve(batch.id)
    assert ended.ended_at - ended.created_at == timedelta(seconds=600)


def test_a_held_batch_expires_after_a_day(batches, sandbox):
    sandbox.anthropic.hold = True
    batch = batches.create(requests=[item("a"), item("b")])
    sandbox.clock.advance(DAY - 60)
    assert batches.retrieve(batch.id).processing_status == "in_progress"
    sandbox.clock.advance(61)
    ended = batches.retrieve(batch.id)
    assert ended.request_counts.expired == 2
    assert ended.ended_at == ended.expires_at
    assert {result.type for result in results(batches, batch.id).values()} == {"expired"}


def test_a_held_batch_ends_when_it_is_released_or_finished(batches, sandbox):
    sandbox.anthropic.hold = True
    first, second = (batches.create(requests=[item()]) for _ in range(2))
    sandbox.anthropic.finish(first.id)
    assert batches.retrieve(first.id).request_counts.succeeded == 1
    assert batches.retrieve(second.id).processing_status == "in_progress"
    sandbox.anthropic.hold = False
    assert batches.retrieve(second.id).processing_status == "ended"


def test_cancel(batches, sandbox):
    sandbox.anthropic.store.batch_seconds = 1000
    batch = batches.create(requests=[item(f"r{n}") for n in range(10)])
    sandbox.clock.advance(301)
    canceling = batches.cancel(batch.id)
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    ended = batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 3)
    assert ended.request_counts.canceled == 7
    assert len(results(batches, batch.id)) == 10
    with pytest.raises(anthropic.BadRequestError):
        batches.cancel(batch.id)


def test_delete_only_what_has_ended(batches, sandbox):
    sandbox.anthropic.hold = True
    batch = batches.create(requests=[item("kept on the bill".replace(" ", "-"))])
    with pytest.raises(anthropic.BadRequestError):
        batches.delete(batch.id)
    sandbox.anthropic.finish(batch.id)
    gone = batches.delete(batch.id)
    DeletedMessageBatch.model_validate(gone.model_dump())
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(batch.id)
    assert [b.custom_id for b in sandbox.anthropic.billed() if b.batch_id == batch.id] == [
        "kept-on-the-bill"
    ]


def test_results_are_gone_29_days_after_the_creation(batches, sandbox):
    batch = batches.create(requests=[item()])
    batches.retrieve(batch.id)
    sandbox.clock.advance(29 * DAY - 60)
    assert len(results(batches, batch.id)) == 1
    sandbox.clock.advance(61)
    archived = batches.retrieve(batch.id)
    assert archived.archived_at - archived.created_at == timedelta(days=29)
    with pytest.raises(anthropic.NotFoundError):
        results(batches, batch.id)


def test_lists_are_newest_first_and_paged(batches):
    batch_ids = [batches.create(requests=[item()]).id for _ in range(5)]
    newest = batch_ids[::-1]
    first = batches.list(limit=2)
    assert [b.id for b in first.data] == newest[:2]
    assert (first.has_more, first.first_id, first.last_id) == (True, newest[0], newest[1])
    assert [b.id for b in batches.list(limit=2)] == newest
    assert [b.id for b in batches.list(limit=2, before_id=newest[3]).data] == newest[1:3]
    assert [b.id for b in batches.list(after_id=newest[3]).data] == newest[4:]
    assert batches.list(after_id=newest[4]).data == []
    assert batches.list().has_more is False
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "msgbatch_none"}):
        with pytest.raises(anthropic.BadRequestError):
            batches.list(**wrong)


def test_results_are_shuffled_but_stable(batches, http):
    names = [f"r{n:02}" for n in range(20)]
    batch = batches.create(requests=[item(name) for name in names])
    ended = batches.retrieve(batch.id)
    first, second = (http.get(ended.results_url) for _ in range(2))
    assert first.headers["content-type"] == "application/x-jsonl"
    lines, again = (answer.text.splitlines() for answer in (first, second))
    assert [json.loads(line)["custom_id"] for line in lines] != names
    assert lines != again
    assert sorted(lines) == sorted(again)


def test_the_sandbox_may_name_another_host_for_results(batches, sandbox):
    sandbox.anthropic.results_origin = "https://evil.example"
    batch = batches.create(requests=[item()])
    url = batches.retrieve(batch.id).results_url
    assert url == f"https://evil.example/v1/messages/batches/{batch.id}/results"


# Who is asking


def test_workspaces_do_not_see_each_other(connect, batches):
    batch = batches.create(requests=[item()])
    other = connect("sk-ant-x--ws-another").messages.batches
    with pytest.raises(anthropic.NotFoundError) as caught:
        other.retrieve(batch.id)
    assert caught.value.type == "not_found_error"
    assert batch.id not in [b.id for b in other.list()]


def test_invalid_keys_are_refused(connect):
    with pytest.raises(anthropic.AuthenticationError) as caught:
        connect("sk-ant-invalid-1").messages.batches.list()
    assert caught.value.type == "authentication_error"


def test_requests_need_a_key_and_a_version(http):
    del http.headers["authorization"]
    answer = http.get("/v1/models")
    assert answer.status_code == 401
    assert answer.headers["request-id"] == answer.json()["request_id"]
    http.headers["x-api-key"] = "k"
    assert http.get("/v1/models").status_code == 200
    http.headers["anthropic-version"] = "1999-01-01"
    assert http.get("/v1/models").status_code == 400
    del http.headers["anthropic-version"]
    assert http.get("/v1/models").status_code == 400
    assert http.get("/v1/nothing").json()["error"]["type"] == "not_found_error"


def jwt(jti, **claims):
    parts = [{"alg": "RS256", "typ": "JWT"}, {"jti": jti, **claims}]
    texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*texts, "c2ln"])


@pytest.fixture
def federated(sandbox, web):
    def federated(provider, **more):
        credentials = anthropic.WorkloadIdentityCredentials(
            identity_token_provider=provider,
            federation_rule_id="fdrl_1",
            organization_id="00000000-0000-0000-0000-000000000000",
            http_client=web,
            **more,
        )
        return anthropic.Anthropic(
            credentials=credentials,
            base_url=sandbox.anthropic_url,
            max_retries=1,
            http_client=web,
        )

    return federated


def test_an_identity_token_is_exchanged_and_renewed(sandbox, connect, federated):
    numbers = iter(range(10))
    client = federated(lambda: jwt(f"first-{next(numbers)}"), workspace_id="federated")
    batch = client.messages.batches.create(requests=[item()])
    seen = connect("sk-ant-x--ws-federated").messages.batches.retrieve(batch.id)
    assert seen.id == batch.id
    sandbox.clock.advance(601)
    assert client.messages.batches.retrieve(batch.id).id == batch.id
    assert next(numbers) == 2


def test_an_identity_token_works_once(federated):
    federated(lambda: jwt("second")).models.list()
    second = federated(lambda: jwt("second"))
    with pytest.raises(anthropic.WorkloadIdentityError) as caught:
        second.models.list()
    assert caught.value.status_code == 401
    assert "jti" not in str(caught.value)


@pytest.mark.parametrize("text", ["nothing", "not.a.jwt", "e30.e30.x"])
def test_only_identity_tokens_are_exchanged(federated, text):
    client = federated(lambda: text)
    with pytest.raises(anthropic.WorkloadIdentityError):
        client.models.list()


def test_an_unknown_token_is_refused(connect):
    with pytest.raises(anthropic.AuthenticationError):
        connect("sk-ant-oat01-made-up").models.list()


# The envelope: refused at once


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        ([], "requests: List should have at least 1 item after validation, not 0"),
        (
            [item("src/app.py")],
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        ([item("x" * 65)], "requests.0.custom_id: String should have at most 64 characters"),
        ([item(""), item("b")], "requests.0.custom_id: String should match pattern"),
        ([item("a"), item("a")], "requests.1.custom_id: custom_id must be unique"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        ([{"params": {}}], "requests.0.custom_id: Field required"),
        ([{**item("a"), "betas": []}], "requests.0.betas: Extra inputs are not permitted"),
    ],
)
def test_requests_are_checked_when_the_batch_is_created(connect, requests, text):
    with pytest.raises(anthropic.BadRequestError) as caught:
        connect("sk-ant-envelope").messages.batches.create(requests=requests)
    assert caught.value.type == "invalid_request_error"
    assert text in str(caught.value)


def test_too_many_requests_are_refused(http):
    body = {"requests": [{"custom_id": "a", "params": {}}] * 100_001}
    answer = http.post("/v1/messages/batches", json=body)
    assert answer.status_code == 400
    assert "at most 100000 items" in answer.json()["error"]["message"]


def test_too_many_bytes_are_refused(batches, sandbox):
    sandbox.anthropic.max_bytes = 1000
    with pytest.raises(anthropic.ContentTooLargeError) as caught:
        batches.create(requests=[item(system="x" * 1000)])
    assert caught.value.type == "request_too_large"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"requests": "\\ud800"}', b'{"a": 1}'])
def test_bad_bodies_are_refused(http, body):
    answer = http.post("/v1/messages/batches", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


# The parameters: refused when the batch has ended


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"temperature": 0}, "temperature: Extra inputs are not permitted"),
        ({"tool_choice": "any"}, "params: Input should be valid"),
        ({"messages": "Hello"}, "messages"),
        ({"top_p": 1}, "top_p"),
        ({"top_k": 1}, "top_k"),
        ({"betas": ["x"]}, "betas: Extra inputs are not permitted"),
        ({"model": "claude-none"}, "model: claude-none"),
        ({"model": "claude-3-5-haiku-20241022"}, "model: claude-3-5"),
        ({"max_tokens": 128_001}, "128001 > 128000"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"stream": True}, "stream"),
        ({"speed": "fast"}, "speed"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-empty"),
        ({"messages": [{"role": "user", "content": []}]}, "non-empty"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        (
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "content": "{"},
                ]
            },
            "prefill",
        ),
        ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
        ({"thinking": {"type": "disabled"}}, "thinking"),
        ({"output_config": {"effort": "huge"}}, "effort"),
        ({"model": "claude-haiku-4-5", "output_config": {"effort": "low"}}, "effort"),
        ({"output_config": {"format": {"type": "text"}}}, "json_schema"),
        (
            {
                "system": [
                    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                    for _ in range(5)
                ]
            },
            "maximum of 4 blocks",
        ),
        (
            {
                "model": "claude-haiku-4-5",
                "messages": [{"role": "user", "content": "x" * 700_000}],
            },
            "prompt is too long",
        ),
    ],
)
def test_params_are_checked_when_the_batch_ends(connect, params, text):
    assert text in complaint(connect("sk-ant-params").messages.batches, **params)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "object", "properties": {}}, "additionalProperties"),
        ({"type": "integer", "minimum": 1}, "'minimum' is not supported"),
        ({"type": "string", "maxLength": 3}, "'maxLength' is not supported"),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 3}, "maxItems"),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, "minItems"),
        ({"type": "string", "pattern": "a(?=b)"}, "pattern"),
        ({"type": "string", "format": "color"}, "format"),
        ({"$ref": "https://example.com/x"}, "external"),
        ({"$ref": "#"}, "Circular"),
        ({"type": "array", "items": True}, "must be objects"),
        ({"type": "text"}, "not a known type"),
        ({"anyOf": [{"type": "object"}]}, "additionalProperties"),
    ],
)
def test_nested_schemas_are_checked(connect, part, text):
    batches = connect("sk-ant-schemas").messages.batches
    deep = {"type": "array", "items": {"anyOf": [part, {"type": "null"}]}}
    assert text in complaint(batches, output_config=schema(deep=deep))


def test_too_many_optional_properties_are_refused(batches):
    large_schema = schema(**{f"p{n}": {"type": "string"} for n in range(25)})
    large_schema["format"]["schema"]["required"] = []
    assert "optional" in complaint(batches, output_config=large_schema)


def test_a_schema_of_the_sdk_is_accepted(batches):
    sdk_schema = anthropic.transform_schema(
        {
            "type": "object",
            "properties": {
                "line": {"type": "integer", "minimum": 1},
                "names": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            },
            "required": ["line", "names"],
        }
    )
    config = {"effort": "medium", "format": {"type": "json_schema", "schema": sdk_schema}}
    [result] = run(batches, item(output_config=config)).values()
    assert result.type == "succeeded"
    text = "".join(b.text for b in result.message.content if b.type == "text")
    assert set(json.loads(text)) == {"line", "names"}


# Outcomes on demand


def test_outcomes(batches, sandbox):
    kinds = [
        "expired",
        "canceled",
        "errored:overloaded_error",
        "refused",
        "max_tokens",
        "unreadable",
        "missing",
    ]
    for kind in kinds:
        sandbox.faults.add_outcome(kind, custom_id=f"^{kind.partition(':')[0]}$")
    config = schema(summary={"type": "string"})
    names = [kind.partition(":")[0] for kind in kinds]
    batch = batches.create(requests=[item(name, output_config=config) for name in [*names, "good"]])
    ended = batches.retrieve(batch.id)
    assert ended.request_counts.to_dict() == {
        "processing": 0,
        "succeeded": 5,
        "errored": 1,
        "canceled": 1,
        "expired": 1,
    }
    lines = results(batches, batch.id)
    assert "missing" not in lines
    assert lines["errored"].error.error.type == "overloaded_error"
    assert lines["refused"].message.content == []
    assert lines["refused"].message.stop_reason == "refusal"
    assert lines["refused"].message.stop_details.category == "cyber"
    assert lines["max_tokens"].message.stop_reason == "max_tokens"
    for name, readable in (("max_tokens", False), ("unreadable", False), ("good", True)):
        text = lines[name].message.content[-1].text
        assert _is_json(text) is readable
    paid = {bill.custom_id for bill in sandbox.anthropic.billed() if bill.batch_id == batch.id}
    assert paid == {"max_tokens", "unreadable", "missing", "good"}


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_every_second_request(batches, sandbox):
    sandbox.faults.add_outcome("expired", every=2)
    lines = run(batches, *[item(f"r{n}") for n in range(1, 5)])
    assert [name for name, result in sorted(lines.items()) if result.type == "expired"] == [
        "r2",
        "r4",
    ]


def test_too_few_tokens_cut_the_answer(batches):
    [result] = run(batches, item(max_tokens=20)).values()
    assert result.message.stop_reason == "max_tokens"
    assert result.message.usage.output_tokens == 20


# The bill and the cache


def cached(name):
    control = {"type": "ephemeral", "ttl": "1h"}
    return item(name, system=[{"type": "text", "text": LONG, "cache_control": control}])


def usage(lines, name):
    return lines[name].message.usage


def test_a_cold_batch_pays_for_writing_and_a_later_one_reads(batches, sandbox):
    first = run(batches, cached("a"), cached("b"))
    for name in "ab":
        assert usage(first, name).cache_creation_input_tokens > 1000
        assert usage(first, name).cache_creation.ephemeral_1h_input_tokens > 1000
        assert usage(first, name).cache_read_input_tokens == 0
    second = run(batches, cached("c"))
    written = usage(first, "a").cache_creation_input_tokens
    assert usage(second, "c").cache_read_input_tokens == written
    assert usage(second, "c").cache_creation_input_tokens == 0
    assert usage(second, "c").input_tokens == usage(first, "a").input_tokens < 100
    sandbox.clock.advance(3700)
    assert usage(run(batches, cached("d")), "d").cache_read_input_tokens == 0


def test_short_prefixes_are_silently_not_cached(batches):
    control = {"type": "ephemeral"}
    short = [{"type": "text", "text": "Be brief.", "cache_control": control}]
    [result] = run(batches, item(system=short)).values()
    assert result.message.usage.cache_creation_input_tokens == 0


def test_the_billed_requests_are_those_of_the_results(batches, sandbox):
    batch = batches.create(requests=[item("a"), item("b", temperature=1), item("c")])
    batches.retrieve(batch.id)
    paid = {b.custom_id: b for b in sandbox.anthropic.billed() if b.batch_id == batch.id}
    lines = results(batches, batch.id)
    assert set(paid) == {"a", "c"}
    for name, bill in paid.items():
        assert bill.model == MODEL
        assert bill.usage["input_tokens"] == usage(lines, name).input_tokens
        assert bill.usage["output_tokens"] == usage(lines, name).output_tokens > 0


# Other endpoints


def test_tokens_are_counted(client):
    def count(text):
        messages = [{"role": "user", "content": text}]
        return client.messages.count_tokens(model=MODEL, messages=messages).input_tokens

    assert 0 < count("x") < count("x" * 1000) == 7 + 304
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="claude-none", messages=[])


def test_models(client):
    models = {model.id: model for model in client.models.list(limit=2)}
    assert {MODEL, "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2"} <= set(models)
    assert client.models.retrieve(MODEL).capabilities.batch.supported
    old = client.models.retrieve("claude-sonnet-4-5")
    assert (old.id, old.lifecycle) == ("claude-sonnet-4-5-20250929", "deprecated")
    assert old.retires_at.date().isoformat() == "2026-11-30"
    assert client.models.retrieve("claude-3-5-haiku-20241022").lifecycle == "retired"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


def test_a_function_can_answer_in_place_of_the_reviewer(batches, sandbox):
    sandbox.anthropic.answer_with(
        lambda params: "by hand" if params["messages"][0]["content"] == "Hello" else None
    )
    other = item("b", messages=[{"role": "user", "content": "Bye"}])
    lines = run(batches, item("a"), other)
    texts = {name: result.message.content[-1].text for name, result in lines.items()}
    assert texts["a"] == "by hand"
    assert "Nothing found" in texts["b"]


def test_a_message_is_answered_at_once(client, sandbox):
    params = item()["params"]
    message = client.messages.create(**params)
    assert message.content[0].type == "thinking"
    assert message.usage.service_tier == "standard"
    assert [bill.batch_id for bill in sandbox.anthropic.billed()].count(None) == 1
    messages = [*params["messages"], {"role": "assistant", "content": "{"}]
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        client.messages.create(**{**params, "messages": messages})
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**{**params, "model": "claude-none"})


# The SDK's own types, strictly


def test_every_response_is_valid_for_the_sdk(http, sandbox):
    sandbox.faults.add_outcome("refused", custom_id="refused")
    sandbox.faults.add_outcome("expired", custom_id="expired")
    requests = [item("good"), item("bad", top_k=1), item("refused"), item("expired")]
    batch = http.post("/v1/messages/batches", json={"requests": requests}).json()
    strictly(MessageBatch, batch)
    ended = http.get(f"/v1/messages/batches/{batch['id']}").json()
    strictly(MessageBatch, ended)
    for line in http.get(ended["results_url"]).text.splitlines():
        strictly(MessageBatchIndividualResponse, json.loads(line))
    for model in http.get("/v1/models").json()["data"]:
        strictly(ModelInfo, model)
    strictly(Message, http.post("/v1/messages", json=item()["params"]).json())


def strictly(kind, sent):
    """Nothing is of another type than the SDK says, and nothing is unknown to it."""
    read = kind.model_validate(sent)
    assert not unknown(read), unknown(read)
    # A second validation of the dump raises what the SDK's lenient constructor would forgive.
    kind.model_validate(read.model_dump())


def unknown(value):
    if isinstance(value, list):
        return [name for part in value for name in unknown(part)]
    if not hasattr(value, "model_extra"):
        return []
    inner = [getattr(value, name) for name in type(value).model_fields]
    return [*(value.model_extra or {}), *[name for part in inner for name in unknown(part)]]
