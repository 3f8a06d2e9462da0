"""The request file: the bytes that the SDK would send, written once and read back."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.errors import AnthropicError
from batch_action.models.ledger import RequestKey
from batch_action.requests import request_file
from batch_action.requests.request_file import CACHE_BREAKPOINT, RequestFile

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"system":[', '\\"system\\":[]', '{"requests":[', "é日本語\u2028\0", "x" * 300_000]
)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
REQUESTS = st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), min_size=1, max_size=5)
"""Model, message, and whether it is for another model than the configured one."""
CHANGED_HEADERS = {"host", "connection", "x-stainless-raw-response", "x-stainless-read-timeout"}


def params_of(model: str, text: str, system: str | None, *, cached: bool) -> dict[str, Any]:
    block = {"type": "text", "text": system}
    return {
        "model": model,
        "max_tokens": 7,
        "system": [] if system is None else [block | (CACHE_BREAKPOINT if cached else {})],
        "messages": [{"role": "user", "content": text}],
        "output_config": {"format": {"type": "json_schema", "schema": {"title": model[:1]}}},
    }


def refuse(sent: list[httpx2.Request]) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        sent.append(request)
        return httpx2.Response(403, json={"type": "error", "error": {"message": "no"}})

    return httpx2.MockTransport(answer)


@settings(max_examples=15, deadline=None)
@given(REQUESTS, TEXTS, st.booleans(), st.lists(NAMES, min_size=5, max_size=5, unique=True))
def test_a_batch_is_sent_as_the_sdk_sends_it(
    contents: list[tuple[str, str, bool]], system: str, cached: bool, names: list[str]
) -> None:
    written, requests, items = RequestFile(system), [], []
    for name, (model, text, is_other) in zip(names, contents, strict=False):
        key = RequestKey(id=name, path="a.py", blob="a" * 40, model=model if is_other else None)
        requests.append(written.add(key, params_of(model, text, None, cached=False), 1))
        marked = cached and not is_other
        items.append({"custom_id": name, "params": params_of(model, text, system, cached=marked)})
        assert written.params(requests[-1]) == params_of(model, text, system, cached=False)
        assert requests[-1].size_bytes == len(written.encode(requests[-1])) + 1
    ours: list[httpx2.Request] = []
    theirs: list[httpx2.Request] = []
    body = written.body(requests, cached=cached)
    with AnthropicClient(api_key="k", base_url="http://127.0.0.1:9") as api:
        api._http._transport = refuse(ours)
        with pytest.raises(AnthropicError, match="403"):
            api.create(body, body.size)
    with anthropic.Anthropic(
        api_key="k",
        base_url="http://127.0.0.1:9",
        max_retries=0,
        timeout=600,
        http_client=httpx2.Client(transport=refuse(theirs)),
    ) as sdk:
        batches: Any = sdk.messages.batches
        with pytest.raises(anthropic.PermissionDeniedError):
            batches.create(requests=items)
    assert ours[0].content == theirs[0].content
    assert (ours[0].method, ours[0].url) == (theirs[0].method, theirs[0].url)
    headers = [
        {k: v for k, v in each.headers.items() if k not in CHANGED_HEADERS}
        for each in (ours[0], theirs[0])
    ]
    assert headers[0] == headers[1]
    assert headers[0]["content-length"] == str(len(ours[0].content)) == str(body.size)


def test_a_body_comes_in_pieces_and_as_often_as_it_is_wanted() -> None:
    written = RequestFile("shared")
    requests = [
        written.add(
            RequestKey(id=f"a{n}", path="a.py", blob="a" * 40),
            params_of("m", "x" * 20_000, None, cached=False),
            1,
        )
        for n in range(100)
    ]
    body = written.body(requests)
    pieces = list(body)
    assert 5 < len(pieces) < 20
    assert max(map(len, pieces)) < request_file.CHUNK_BYTES + 25_000
    assert b"".join(pieces) == b"".join(body)
    assert len(json.loads(b"".join(pieces))["requests"]) == 100
