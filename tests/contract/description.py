"""GitHub's OpenAPI description as an oracle: the part that we use, or all of it.

`github.yaml` is the part that we use.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

API_URL = "https://api.github.com"
OURS = Path(__file__).parent / "github.yaml"
INCOMPLETE_RESPONSES = {("/user", 200)}
"""Where the sandbox returns less than GitHub: we only read the login."""
PLACEHOLDER = re.compile(r"\\\{\w+\\\}")

WITH_SLASHES = ("{ref}", "{path}")
"""Ends of paths that stand for several parts."""
REFERENCE = re.compile(r'"#/components/([\w-]+)/([^"/]+)')


@dataclass(frozen=True)
class Exchange:
    """One request and its response, with GitHub's own origin."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    request_body: Any
    status: int
    headers: tuple[tuple[str, str], ...]
    response_body: Any

    def __str__(self) -> str:
        return f"{self.method}-{self.path.strip('/')}-{self.status}"

    def request(self, slashes: int) -> MockRequest:
        """With so many slashes in the path: those of the last name are written as %2F."""
        data = None if self.request_body is None else json.dumps(self.request_body).encode()
        *folders, last = self.path.split("/", slashes)
        path = "/".join([*folders, last.replace("/", "%2F")])
        return MockRequest(API_URL, self.method, path, args=dict(self.query), data=data)

    def response(self) -> MockResponse:
        data = b"" if self.response_body is None else json.dumps(self.response_body).encode()
        headers = dict(self.headers)
        media = headers.get("content-type", "application/json").partition(";")[0]
        return MockResponse(data, self.status, headers=headers, content_type=media)


class Description:
    """The operations of GitHub's REST API, or some of them."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.described = described
        self._validators: dict[str, OpenAPI] = {}

    def pattern_of(self, exchange: Exchange) -> str | None:
        """The path of the operation; of several matches the one with the fewest placeholders."""
        fitting = []
        for path in self.described["paths"]:
            pattern = PLACEHOLDER.sub("[^/]+", re.escape(path))
            if re.fullmatch(pattern, exchange.path):
                fitting.append((0, path.count("{"), path))
            elif path.endswith(WITH_SLASHES) and re.fullmatch(f"{pattern}/.+", exchange.path):
                fitting.append((1, path.count("{"), path))
        return min(fitting)[2] if fitting else None

    def operation_of(self, exchange: Exchange) -> dict[str, Any]:
        item = self.described["paths"].get(self.pattern_of(exchange), {})
        operation: dict[str, Any] = item.get(exchange.method.lower(), {})
        return operation

    def check(self, exchange: Exchange) -> None:
        """Raise OpenAPIError where the exchange is not as described."""
        pattern = self.pattern_of(exchange) or ""
        if pattern not in self._validators:
            media = {"application/sarif+json": json.loads}
            config = Config(spec_validator_cls=None, extra_media_type_deserializers=media)
            self._validators[pattern] = OpenAPI.from_dict(self._part(pattern), config=config)
        request = exchange.request(pattern.count("/"))
        self._validators[pattern].validate_request(request)
        self._validators[pattern].validate_response(request, exchange.response())

    def unknown_parts(self, exchange: Exchange) -> list[str]:
        """The query parameters and the status that the operation does not have."""
        operation = self.operation_of(exchange)
        known = {self._resolved(one)["name"] for one in operation.get("parameters", [])}
        unknown = [name for name, _ in exchange.query if name not in known]
        status = str(exchange.status)
        return unknown + [status] * (status not in operation["responses"])

    def has(self, exchange: Exchange) -> bool:
        """Whether the complete description has this, and the sandbox all of it."""
        statuses = self.operation_of(exchange).get("responses", {})
        leaner = (exchange.path, exchange.status) in INCOMPLETE_RESPONSES
        # An empty upload checks the permission, and must not be able to succeed.
        probing = exchange.path.endswith("/sarifs") and not exchange.request_body
        # openapi-core finds an array right for two of the alternatives: strings, and "any string".
        labeling = isinstance(exchange.request_body, list)
        return str(exchange.status) in statuses and not (leaner or probing or labeling)

    def _part(self, pattern: str) -> dict[str, Any]:
        """Return the description of one path: all of it takes minutes to load."""
        paths = {path: item for path, item in self.described["paths"].items() if path == pattern}
        components: dict[str, dict[str, Any]] = {}
        unread: list[Any] = [paths]
        while unread:
            for kind, name in REFERENCE.findall(json.dumps(unread.pop())):
                if name not in components.setdefault(kind, {}):
                    components[kind][name] = self.described["components"][kind][name]
                    unread.append(components[kind][name])
        return {**self.described, "paths": paths, "components": components}

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        name = part.get("$ref", "").rpartition("/")[2]
        return self.described["components"]["parameters"][name] if name else part


@cache
def ours() -> Description:
    """The part that we use."""
    return Description(yaml.safe_load(OURS.read_text("utf-8")))


@cache
def complete(name: str) -> Description:
    """GitHub's own, from a file."""
    return Description(json.loads(Path(name).read_text("utf-8"), object_hook=correct))


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
