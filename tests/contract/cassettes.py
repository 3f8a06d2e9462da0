"""How exchanges are kept: scrubbed, readable, and compared down to the headers that matter.

A cassette holds what one scene of `scenes.py` said and heard. Hosts, ids, signatures and secrets
are replaced while recording, so that recording again gives the same file.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import vcr
import yaml
from vcr.cassette import Cassette
from vcr.request import Request

FOLDER = Path(__file__).parent / "cassettes"
ANTHROPIC = "https://anthropic.example"
GITHUB = "https://github.example"
BLOBS = "https://blobs.example"

HIDDEN = "(hidden)"
SECRET_HEADERS = frozenset({"authorization", "x-api-key", "cookie"})
REQUEST_HEADERS = SECRET_HEADERS | {
    "anthropic-version", "content-type", "x-github-api-version", "x-ms-blob-type",
}  # fmt: skip
"""Kept and compared; a secret's value is hidden, so that who got one is compared too."""
RESPONSE_HEADERS = frozenset(
    {"content-type", "date", "link", "location", "request-id", "retry-after",
     "x-accepted-github-permissions"}
)  # fmt: skip
IDS = re.compile(
    r"\b(?:(?P<prefix>msgbatch|msg|req)_[0-9A-Za-z]{16,}"
    r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}))\b"
)
SIGNATURE = re.compile(r"\b(sig)=[^&\"\s]+")
MATCH_ON = ["method", "scheme", "host", "path", "query", "body", "kept_headers"]


class Scrubber:
    """Replaces what differs from one recording to the next; what is replaced already stays."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})
        """What stands for what: origins, and names that are nobody else's business."""
        self._ids: dict[str, str] = {}

    def text(self, text: str) -> str:
        for real in sorted(self._names, key=len, reverse=True):
            # Not inside a longer word: an owner may be called `a`.
            whole = rf"(?<![\w-]){re.escape(real)}(?![\w-])"
            text = re.sub(whole, self._names[real].replace("\\", r"\\"), text)
        return SIGNATURE.sub(r"\1=scrubbed", IDS.sub(self._id, text))

    def _id(self, found: re.Match[str]) -> str:
        if found[0] not in self._ids:
            prefix = found["prefix"] or "uuid"
            number = 1 + sum(other.startswith(prefix) for other in self._ids.values())
            self._ids[found[0]] = f"{prefix}_{number:04}"
        return self._ids[found[0]]

    def content(self, content: Any) -> Any:
        """A body; bytes that are no text stay."""
        if not isinstance(content, bytes | str):
            return content
        try:
            text = content if isinstance(content, str) else content.decode()
        except UnicodeDecodeError:
            return content
        return self.text(text).encode()

    def request(self, request: Request) -> Request:
        clean = Request(
            request.method, self.text(request.uri), self.content(request.body), {}, disable_copy()
        ) if False else deepcopy_of(request)
        clean.uri = self.text(request.uri)
        clean.body = self.content(request.body)
        kept = {name.lower(): str(value) for name, value in request.headers.items()}
        clean.headers = {
            name: HIDDEN if name in SECRET_HEADERS else kept[name]
            for name in sorted(REQUEST_HEADERS & kept.keys())
        }
        return clean

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        clean = deepcopy(response)
        clean["headers"] = {
            name.lower(): [self.text(value) for value in values]
            for name, values in sorted(response["headers"].items())
            if name.lower() in RESPONSE_HEADERS
        }
        clean["body"]["string"] = self.content(response["body"]["string"])
        return clean
