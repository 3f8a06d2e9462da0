"""Our requests and the sandbox's responses, compared with GitHub's OpenAPI description.

GITHUB_DESCRIPTION may name a file with the complete one (npm `@octokit/openapi`,
`generated/api.github.com.json`): then all exchanges are compared with that too.
"""

import json
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core.exceptions import OpenAPIError

from tests.contract.cassettes import FOLDER, GITHUB, exchanges
from tests.contract.description import API_URL, Exchange, complete, ours

ORIGINS = {f"{GITHUB}/api/v3": API_URL, f"{GITHUB}/api/graphql": f"{API_URL}/graphql"}
COMPLETE = os.environ.get("GITHUB_DESCRIPTION", "")


def all_exchanges() -> Iterator[Exchange]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for request, response in exchanges(path):
            uri = request.uri
            for sandbox, home in ORIGINS.items():
                uri = uri.replace(sandbox, home, 1)
            address = urlsplit(uri)
            if not uri.startswith(API_URL):
                continue
            body = response["body"]["string"]
            yield Exchange(
                method=request.method,
                path=address.path,
                query=tuple(parse_qsl(address.query)),
                request_body=json.loads(request.body) if request.body else None,
                status=response["status"]["code"],
                headers=tuple((n, ", ".join(v)) for n, v in response["headers"].items()),
                response_body=json.loads(body) if body else None,
            )


EXCHANGES = list(all_exchanges())


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_each_exchange_matches_the_description(exchange: Exchange):
    ours().check(exchange)
    assert ours().unknown_parts(exchange) == []


def test_every_described_operation_is_recorded():
    """So the clients send no request that is not described."""
    described = {
        (method.upper(), path)
        for path, item in ours().described["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert {(one.method, ours().pattern_of(one)) for one in EXCHANGES} == described


def test_every_operation_names_its_source():
    for item in ours().described["paths"].values():
        for method, operation in item.items():
            if method != "parameters":
                url = operation["externalDocs"]["url"]
                assert re.fullmatch(r"https://docs\.github\.com/(rest|graphql)/[\w/-]+#[\w-]+", url)


def recorded(method: str, ending: str, status: int) -> Exchange:
    return next(
        one
        for one in EXCHANGES
        if (one.method, one.status) == (method, status)
        and one.path.endswith(ending)
        and one.response_body
    )


def spoilt(data: Any, *way: Any, value: Any) -> Any:
    """A copy with one field changed, or removed where the value is `...`."""
    copy = deepcopy(data)
    place = copy
    for step in way[:-1]:
        place = place[step]
    if value is ...:
        del place[way[-1]]
    else:
        place[way[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("method", "ending", "status", "way", "value"),
    [
        ("GET", "/octo/demo", 200, ("id",), "1000001"),
        ("GET", "/octo/demo", 200, ("default_branch",), ...),
        ("POST", "/issues", 201, ("number",), ...),
        ("POST", "/issues", 201, ("state",), "OPEN"),
        ("POST", "/issues", 201, ("labels", 0), {"title": "no name"}),
        ("POST", "/issues", 201, ("created_at",), "yesterday"),
        ("POST", "/issues", 403, ("message",), ...),
        ("GET", "/artifacts", 200, ("artifacts", 0, "size_in_bytes"), "22"),
        ("GET", "/artifacts", 200, ("artifacts", 0, "digest"), "md5:0"),
    ],
)
def test_a_wrong_response_fails(method: str, ending: str, status: int, way, value):
    good = recorded(method, ending, status)
    ours().check(good)
    with pytest.raises(OpenAPIError):
        ours().check(replace(good, response_body=spoilt(good.response_body, *way, value=value)))


@pytest.mark.parametrize(
    ("method", "ending", "status", "way", "value"),
    [
        ("POST", "/issues", 201, ("title",), ...),
        ("POST", "/issues", 201, ("labels",), "one,two"),
        ("POST", "/issues", 201, ("label",), ["misspelt"]),
        ("POST", "/issues", 201, ("body",), "x" * 65_537),
        ("POST", "/labels", 201, ("color",), "#1d76db"),
        ("POST", "/labels", 201, ("description",), "x" * 101),
        ("PATCH", "/issues/1", 200, ("state_reason",), "done"),
        ("POST", "/comments", 201, ("body",), None),
    ],
)
def test_a_wrong_request_fails(method: str, ending: str, status: int, way, value):
    good = recorded(method, ending, status)
    with pytest.raises(OpenAPIError):
        ours().check(replace(good, request_body=spoilt(good.request_body, *way, value=value)))


if COMPLETE:
    COMPARED = [exchange for exchange in EXCHANGES if complete(COMPLETE).has(exchange)]

    @pytest.mark.parametrize("exchange", COMPARED, ids=str)
    def test_each_exchange_matches_the_complete_description(exchange: Exchange):
        complete(COMPLETE).check(exchange)
