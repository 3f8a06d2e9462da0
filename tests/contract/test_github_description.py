"""Our requests and the sandbox's responses, compared with GitHub's OpenAPI description.

`github.yaml` is the part that we use. GITHUB_DESCRIPTION may name a file with the complete one
(npm `@octokit/openapi`, `generated/api.github.com.json`): then all exchanges are compared with that
too.
"""

import json
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from tests.contract.cassettes import FOLDER, GITHUB, exchanges

HERE = Path(__file__).parent
API_URL = "https://api.github.com"
ORIGINS = {f"{GITHUB}/api/v3": API_URL, f"{GITHUB}/api/graphql": f"{API_URL}/graphql"}
OURS = HERE / "github.yaml"
COMPLETE = os.environ.get("GITHUB_DESCRIPTION", "")
INCOMPLETE_RESPONSES = {("/user", 200)}
"""Where the sandbox returns less than GitHub: we only read the login."""
PLACEHOLDER = re.compile(r"\\\{\w+\\\}")


@dataclass(frozen=True)
class Exchange:
    """One request and its response, with GitHub's own origin."""

    cassette: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    request_body: Any
    status: int
    headers: tuple[tuple[str, str], ...]
    response_body: Any

    def __str__(self) -> str:
        return f"{self.method}-{self.path.strip('/')}-{self.status}"

    def request(self) -> MockRequest:
        data = None if self.request_body is None else json.dumps(self.request_body).encode()
        return MockRequest(API_URL, self.method, self.path, args=dict(self.query), data=data)

    def response(self) -> MockResponse:
        data = b"" if self.response_body is None else json.dumps(self.response_body).encode()
        headers = dict(self.headers)
        media = headers.get("content-type", "application/json").partition(";")[0]
        return MockResponse(data, self.status, headers=headers, content_type=media)


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
                cassette=path.stem,
                method=request.method,
                path=address.path,
                query=tuple(parse_qsl(address.query)),
                request_body=json.loads(request.body) if request.body else None,
                status=response["status"]["code"],
                headers=tuple((n, ", ".join(v)) for n, v in response["headers"].items()),
                response_body=json.loads(body) if body else None,
            )


EXCHANGES = list(all_exchanges())


@cache
def ours() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(OURS.read_text("utf-8"))
    return described


@cache
def validator(whole: str = "") -> OpenAPI:
    described = whole_description(whole) if whole else ours()
    media = {"application/sarif+json": json.loads}
    config = Config(spec_validator_cls=None, extra_media_type_deserializers=media)
    return OpenAPI.from_dict(described, config=config)


@cache
def whole_description(name: str) -> dict[str, Any]:
    """GitHub's own description with only the operations we use: all of it takes minutes to load."""
    described: dict[str, Any] = json.loads(Path(name).read_text("utf-8"), object_hook=correct)
    kept = described["paths"].keys() & ours()["paths"].keys()
    return {**described, "paths": {path: described["paths"][path] for path in kept}}


def correct(part: dict[str, Any]) -> dict[str, Any]:
    """Correct errors of the description: `nullable` without null or type, read-only input.

    And `created`, which accepts a range, but is described as one moment.
    """
    part.pop("readOnly", None)
    if part.get("name") == "created" and part.get("in") == "query":
        part["schema"].pop("format", None)
    if part.get("nullable") is True and isinstance(part.get("enum"), list):
        part["enum"] = [*part["enum"], None]
    for choice in ("anyOf", "oneOf"):
        if part.get("nullable") is True and choice in part and "type" not in part:
            part[choice] = [*part[choice], {"type": "string", "nullable": True, "enum": [None]}]
    return part


def pattern_of(exchange: Exchange) -> str | None:
    """The path of the operation; of several matches the one with the fewest placeholders."""
    fitting = [
        path
        for path in ours()["paths"]
        if re.fullmatch(PLACEHOLDER.sub("[^/]+", re.escape(path)), exchange.path)
    ]
    return min(fitting, key=lambda path: path.count("{"), default=None)


def operation_of(exchange: Exchange) -> dict[str, Any]:
    found: dict[str, Any] = ours()["paths"][pattern_of(exchange)][exchange.method.lower()]
    return found


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return ours()["components"]["parameters"][name] if name else part


def check(exchange: Exchange, whole: str = "") -> None:
    request = exchange.request()
    validator(whole).validate_request(request)
    validator(whole).validate_response(request, exchange.response())


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_each_exchange_matches_the_description(exchange: Exchange):
    check(exchange)
    known = {resolved(one)["name"] for one in operation_of(exchange).get("parameters", [])}
    assert {name for name, _ in exchange.query} <= known
    assert str(exchange.status) in operation_of(exchange)["responses"]


def test_every_described_operation_is_recorded():
    """So the clients send no request that is not described."""
    described = {
        (method.upper(), path)
        for path, item in ours()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert {(one.method, pattern_of(one)) for one in EXCHANGES} == described


def test_every_operation_names_its_source():
    for item in ours()["paths"].values():
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
    check(good)
    with pytest.raises(OpenAPIError):
        check(replace(good, response_body=spoilt(good.response_body, *way, value=value)))


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
        check(replace(good, request_body=spoilt(good.request_body, *way, value=value)))


def in_the_whole(exchange: Exchange) -> bool:
    path = whole_description(COMPLETE)["paths"].get(pattern_of(exchange), {})
    statuses = path.get(exchange.method.lower(), {}).get("responses", {})
    leaner = (exchange.path, exchange.status) in INCOMPLETE_RESPONSES
    # An empty upload checks the permission, and must not be able to succeed.
    probing = exchange.path.endswith("/sarifs") and not exchange.request_body
    return str(exchange.status) in statuses and not leaner and not probing


if COMPLETE:

    @pytest.mark.parametrize("exchange", list(filter(in_the_whole, EXCHANGES)), ids=str)
    def test_each_exchange_matches_the_complete_description(exchange: Exchange):
        check(exchange, COMPLETE)
