"""A server that takes batches of any size and keeps nothing of them.

In a thread, or as a process of its own: `python -m benchmarks.batch_server` prints its port.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from benchmarks import harness

CHUNK_BYTES = 65_536
COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


@contextmanager
def serve() -> Iterator[str]:
    """Run the server in a process of its own; yield its URL."""
    argv = harness.python("-m", "benchmarks.batch_server")
    with subprocess.Popen(
        argv, cwd=harness.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


class BatchServer:
    """Knows every model, counts four bytes a token, and creates batches that never end."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        """How many requests each has."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.batches))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(batches: list[int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            self._answer({"id": name, "type": "model", "display_name": name, "max_tokens": 64_000})

        def do_POST(self) -> None:
            size, requests, before = int(self.headers["content-length"]), 0, b""
            left = size
            while left:
                chunk = self.rfile.read(min(left, CHUNK_BYTES))
                requests += (before + chunk).count(b'"custom_id":')
                left, before = left - len(chunk), chunk[-len('"custom_id"') :]
            if self.path.endswith("/count_tokens"):
                self._answer({"input_tokens": size // 4})
                return
            batches.append(requests)
            self._answer(
                {
                    "id": f"msgbatch_{len(batches)}",
                    "type": "message_batch",
                    "processing_status": "in_progress",
                    "request_counts": dict.fromkeys(COUNTS, 0) | {"processing": requests},
                    "created_at": "2026-11-30T07:00:00Z",
                    "expires_at": "2026-12-01T07:00:00Z",
                }
            )

        def _answer(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    with BatchServer() as server:
        print(server.url.rpartition(":")[2], flush=True)
        sys.stdin.read()  # until it is closed, which it is when who started it has ended
