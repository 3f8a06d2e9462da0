"""Cassettes: recorded HTTP exchanges, scrubbed, readable, and compared with their main headers.

A cassette has the exchanges of one scenario of `scenarios.py`. Hosts, ids, signatures and secrets
are replaced while recording, so that recording again gives the same file.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import vcr
import yaml
from vcr.cassette import Cassette
from vcr.request import Request

FOLDER = Path(__file__).parent / "cassettes"
ANTHROPIC = "https://anthropic.example"
GITHUB = "https://github.example"
BLOBS = "https://blobs.example"

HIDDEN = "(hidden)"
SECRETS = frozenset({"authorization", "x-api-key", "cookie"})
REQUEST_HEADERS = SECRETS | {
    "anthropic-version",
    "content-type",
    "x-github-api-version",
    "x-ms-blob-content-type",
}
"""The request headers that are stored and compared; the value of a secret is hidden."""
RESPONSE_HEADERS = frozenset(
    {"content-type", "date", "link", "location", "retry-after", "x-accepted-github-permissions"}
)
IDS = re.compile(
    r"\b(?:(msgbatch|msg|req)_[0-9A-Za-z]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)
SIGNATURE = re.compile(r"\bsig=[^&\"\s]+")


class Scrubber:
    """Replaces what differs from one recording to the next."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        """Text to replacement: origins, and private names."""
        self._ids: dict[str, str] = {}

    def text(self, text: str) -> str:
        for real in sorted(self._names, key=len, reverse=True):
            # Not inside a longer word: a login may be `a`.
            whole = rf"(?<![\w-]){re.escape(real)}(?![\w-])"
            text = re.sub(whole, self._names[real], text)
        return SIGNATURE.sub("sig=scrubbed", IDS.sub(self._id, text))

    def request(self, request: Request) -> Request:
        clean = deepcopy(request)
        clean.uri = self.text(request.uri)
        clean.body = self._content(request.body) or None
        sent = {name.lower(): str(value) for name, value in request.headers.items()}
        clean.headers = {
            name: HIDDEN if name in SECRETS else sent[name]
            for name in sorted(REQUEST_HEADERS & sent.keys())
        }
        return clean

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        headers = sorted((name.lower(), values) for name, values in response["headers"].items())
        return {
            # The code only: the phrase is the interpreter's, another one since Python 3.13.
            "status": {"code": response["status"]["code"], "message": ""},
            "headers": {
                n: [self.text(v) for v in vs] for n, vs in headers if n in RESPONSE_HEADERS
            },
            "body": {"string": self._content(response["body"]["string"]) or b""},
        }

    def _id(self, match: re.Match[str]) -> str:
        kind = match[1] or "uuid"
        number = 1 + sum(other.startswith(f"{kind}_") for other in self._ids.values())
        return self._ids.setdefault(match[0], f"{kind}_{number:04}")

    def _content(self, content: Any) -> Any:
        """Clean a body; leave bytes that are not UTF-8."""
        try:
            return self.text(content.decode()).encode() if content else content
        except UnicodeDecodeError:
            return content


class ReadableSerializer:
    """vcrpy's format with bodies as data: JSON as YAML, JSON lines as a list."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        for exchange in cassette["interactions"]:
            exchange["request"]["body"] = _body_to_data(exchange["request"]["body"])
            exchange["response"]["body"] = _body_to_data(exchange["response"]["body"]["string"])
            for side in exchange.values():
                side["headers"] = {
                    name: ", ".join(side["headers"][name]) for name in side["headers"]
                }
        return yaml.dump(cassette, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        cassette: dict[str, Any] = yaml.safe_load(text)
        for exchange in cassette["interactions"]:
            exchange["request"]["body"] = _body_from_data(exchange["request"]["body"])
            exchange["response"]["body"] = {"string": _body_from_data(exchange["response"]["body"])}
            for side in exchange.values():
                side["headers"] = {name: [value] for name, value in side["headers"].items()}
        return cassette


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _body_to_data(body: str | bytes | None) -> dict[str, Any] | None:
    if not body:
        return None
    if isinstance(body, bytes) or body.startswith("PK"):
        raw = body.encode() if isinstance(body, str) else body
        return {"base64": base64.b64encode(raw).decode()}
    try:
        if body.endswith("\n"):
            return {"lines": [json.loads(line) for line in body.splitlines()]}
        return {"json": json.loads(body)}
    except ValueError:
        return {"text": body}


def _body_from_data(body: dict[str, Any] | None) -> bytes | None:
    match body:
        case {"json": data}:
            return _compact(data)
        case {"lines": lines}:
            return b"".join(_compact(line) + b"\n" for line in lines)
        case {"base64": text}:
            return base64.b64decode(text)
        case {"text": text}:
            return str(text).encode()
    return None


def _compact(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _same_headers(sent: Request, recorded: Request) -> None:
    assert dict(sent.headers) == dict(recorded.headers)


def _recorder(names: Mapping[str, str], **how: Any) -> vcr.VCR:
    scrubber = Scrubber(names)
    recorder = vcr.VCR(
        serializer="readable",
        match_on=["method", "scheme", "host", "path", "query", "body", "headers"],
        before_record_request=scrubber.request,
        before_record_response=scrubber.response,
        decode_compressed_response=True,
        **how,
    )
    recorder.register_serializer("readable", ReadableSerializer)
    recorder.register_matcher("headers", _same_headers)
    return recorder


@contextmanager
def recorded(path: Path, names: Mapping[str, str]) -> Iterator[Cassette]:
    """Record all exchanges inside the block, and overwrite the file."""
    path.unlink(missing_ok=True)
    with _recorder(names, record_mode="all", record_on_exception=False).use_cassette(
        str(path)
    ) as cassette:
        yield cassette


@contextmanager
def replayed(path: Path) -> Iterator[Cassette]:
    """Respond from the file only, each response once; nothing reaches a network."""
    with _recorder({}, record_mode="none").use_cassette(
        str(path), allow_playback_repeats=False
    ) as cassette:
        yield cassette


def exchanges(path: Path) -> list[tuple[Request, dict[str, Any]]]:
    """The exchanges of a cassette, in order."""
    with replayed(path) as cassette:
        return list(cassette.data)
