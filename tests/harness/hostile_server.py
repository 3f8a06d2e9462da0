"""A server between our client and a service of the sandbox, which answers some calls itself.

with HostileServer(sandbox.anthropic_url) as server:
    server.replace(REPLIES["sign-in page"], "GET", r"/results$")
    workflow.start("collect", {}, environ={"ANTHROPIC_BASE_URL": server.url})
"""

import gzip
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding", "accept-encoding"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered in the service's place."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    missing_bytes: int = 0
    """How many more bytes are announced than sent: the connection is closed before them."""


SIGN_IN_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>...</body></html>"

REPLIES: Mapping[str, Reply] = {
    "empty": Reply(),
    "empty text": Reply(content_type="text/plain"),
    "empty object": Reply(body=b"{}"),
    "empty list": Reply(body=b"[]"),
    "null": Reply(body=b"null"),
    "number": Reply(body=b"7"),
    "string": Reply(body=b'"ok"'),
    "foreign object": Reply(body=b'{"status": "ok", "data": null, "id": 7}'),
    "foreign list": Reply(body=b'[{"id": 1}, null]'),
    "error with 200": Reply(body=b'{"error": {"message": "no route", "type": "x"}}'),
    "sign-in page": Reply(body=SIGN_IN_PAGE, content_type="text/html; charset=utf-8"),
    "sign-in page as JSON": Reply(body=SIGN_IN_PAGE),
    "latin-1": Reply(body='{"id": "caf\xe9"}'.encode("latin-1")),
    "utf-16": Reply(body='{"status": "ok"}'.encode("utf-16")),
    "byte order mark": Reply(body=b"\xef\xbb\xbf{}"),
    "NUL bytes": Reply(body=b"\0" * 64),
    "deep nesting": Reply(body=b"[" * 100_000),
    "cut JSON": Reply(body=b'{"id": "msgbatch_1", "type": "mess'),
    "cut body": Reply(body=b'{"id": "msgbatch_1",', missing_bytes=100),
    "garbage as gzip": Reply(body=b"no gzip", headers={"content-encoding": "gzip"}),
    "cut gzip": Reply(body=gzip.compress(b"{}" * 99)[:12], headers={"content-encoding": "gzip"}),
    "no content": Reply(status=204),
    "redirect": Reply(status=302, headers={"location": "https://login.invalid/?next=x"}),
    "redirect without a place": Reply(status=302),
    "permanent redirect": Reply(status=308, headers={"location": "https://login.invalid/"}),
    "proxy wants a password": Reply(status=407, body=b"Proxy Authentication Required"),
    "blocked by law": Reply(status=451, body=SIGN_IN_PAGE, content_type="text/html"),
    "blocked by a firewall": Reply(status=403, body=SIGN_IN_PAGE, content_type="text/html"),
    "sign-in with 401": Reply(status=401, body=SIGN_IN_PAGE, content_type="text/html"),
    "page not found": Reply(status=404, body=SIGN_IN_PAGE, content_type="text/html"),
    "bad gateway": Reply(status=502, body=SIGN_IN_PAGE, content_type="text/html"),
    "unavailable": Reply(status=503, body=b"", content_type="text/plain"),
}
"""What proxies, firewalls, captive portals and broken gateways answer."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    method: str
    path: re.Pattern[str]
    reply: Reply
    after: bool


class HostileServer:
    """Forwards calls to `upstream`, except those that a rule answers."""

    def __init__(self, upstream: str) -> None:
        self.calls: list[tuple[str, str]] = []
        """Method and path of every call."""
        self._rules: list[_Rule] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, upstream))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def replace(self, reply: Reply, method: str, path: str, *, after: bool = False) -> None:
        """Answer calls whose path, with its query, contains the pattern *path*.

        *after*: the service gets the call first, and only its answer is replaced.
        """
        self._rules.append(_Rule(method=method, path=re.compile(path), reply=reply, after=after))

    def clear(self) -> None:
        """Forward everything again."""
        self._rules.clear()

    def rule_for(self, method: str, path: str) -> _Rule | None:
        return next((r for r in self._rules if r.method == method and r.path.search(path)), None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: HostileServer, upstream: str) -> type[BaseHTTPRequestHandler]:
    host, prefix = urlsplit(upstream).netloc, urlsplit(upstream).path.rstrip("/")

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> object:
            """Return the handler of any method: `do_GET`, `do_POST`."""
            if name.startswith("do_"):
                return self.handle_call
            raise AttributeError(name)

        def handle_call(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            server.calls.append((self.command, self.path))
            rule = server.rule_for(self.command, self.path)
            if rule is None or rule.after:
                answer = self.forward(body)
            self.send(rule.reply if rule is not None else answer)

        def forward(self, body: bytes) -> Reply:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            connection = HTTPConnection(host)
            try:
                connection.request(self.command, prefix + self.path, body, headers)
                response = connection.getresponse()
                kept = {k: v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
                return Reply(
                    body=response.read(), status=response.status, content_type="", headers=kept
                )
            finally:
                connection.close()

        def send(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            headers = {"content-type": reply.content_type} if reply.content_type else {}
            for name, value in {**headers, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body) + reply.missing_bytes))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    return Handler
