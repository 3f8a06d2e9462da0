"""A server that takes batches, ends them at once, and hands out a made-up result for each request.

    python -m benchmarks.results_server FOLDER FINDINGS

Prints its port. Result lines are made when a batch arrives, so that a download only reads a file
in *FOLDER*. Each answer quotes so many lines of the file that its request shows.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks import harness

RESULTS = "/results"
_LINE = re.compile(r"^ *(\d+)\| (.*[^\s.].*)$", re.MULTILINE)
_PLAIN = re.compile(r".{24,}")
SENTENCE = "The value is compared with a constant that no caller can reach, so the branch is dead. "


@contextmanager
def serve(folder: Path, findings: int) -> Iterator[str]:
    """Run the server in a process of its own; yield its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = harness.python("-m", "benchmarks.results_server", folder, str(findings))
    with subprocess.Popen(argv, cwd=harness.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def result_line(request: dict[str, Any], findings: int) -> str:
    """Return the line of one request's result."""
    shown = request["params"]["messages"][-1]["content"].rpartition("<file ")[2]
    lines = [(int(m[1]), m[2]) for m in _LINE.finditer(shown) if _PLAIN.fullmatch(m[2].strip())]
    step = max(1, len(lines) // findings) if findings else 1
    schema = request["params"]["output_config"]["format"]["schema"]
    fields = next(x for x in map(_fields, schema["$defs"].values()) if "evidence" in x)
    # What the schema requires besides is null or empty in an ordinary answer.
    rest = {name: "" if field.get("type") == "string" else None for name, field in fields.items()}
    found = [_finding(*line) for line in lines[::step][:findings]]
    answer = {"findings": [{**rest, **finding} for finding in found]}
    message = {
        "id": "msg_" + request["custom_id"][-14:],
        "type": "message",
        "role": "assistant",
        "model": request["params"]["model"],
        "content": [{"type": "text", "text": json.dumps(answer)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 4_000, "output_tokens": 300, "service_tier": "batch"},
    }
    result = {"type": "succeeded", "message": message}
    return json.dumps({"custom_id": request["custom_id"], "result": result})


def _fields(model: dict[str, Any]) -> dict[str, Any]:
    return model.get("properties", {})  # type: ignore[no-any-return]


def _finding(number: int, line: str) -> dict[str, Any]:
    return {
        "rule": "unreachable-branch",
        "category": "bug",
        # A first run reports all of these.
        "severity": "high",
        "confidence": "high",
        "start_line": number,
        "end_line": number,
        "evidence": line,
        "title": f"The branch in line {number} is never taken",
        "explanation": SENTENCE * 3,
        "remediation": SENTENCE,
        "suggestion": None,
        "pre_existing": False,
        "security": False,
    }


class _Server(ThreadingHTTPServer):
    """The batches that it has taken."""

    def __init__(self, folder: Path, findings: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.findings = findings
        self.counts: dict[str, int] = {}

    def add(self, requests: list[dict[str, Any]]) -> str:
        """Write the results of a batch; return its id."""
        name = f"msgbatch_{len(self.counts) + 1}"
        with (self.folder / name).open("w") as file:
            file.writelines(f"{result_line(r, self.findings)}\n" for r in requests)
        self.counts[name] = len(requests)
        return name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        name = self.path.removesuffix(RESULTS).rpartition("/")[2]
        if self.path.endswith(RESULTS):
            path = self.server.folder / name
            self._begin("application/binary", path.stat().st_size)
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile)
        elif name in self.server.counts:
            self._send_batch(name)
        else:
            self._send({"id": name, "type": "model", "display_name": name, "max_tokens": 64_000})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/count_tokens"):
            self._send({"input_tokens": 4_000})
        else:
            self._send_batch(self.server.add(body["requests"]))

    def _send_batch(self, name: str) -> None:
        counted = dict.fromkeys(("processing", "errored", "canceled", "expired"), 0)
        self._send(
            {
                "id": name,
                "type": "message_batch",
                "processing_status": "ended",
                "request_counts": {**counted, "succeeded": self.server.counts[name]},
                "created_at": "2026-11-30T07:00:00Z",
                "ended_at": "2026-11-30T07:30:00Z",
                "expires_at": "2026-12-01T07:00:00Z",
                # On this host: the SDK, unlike us, follows whatever is named here.
                "results_url": f"http://{self.headers['host']}/v1/messages/batches/{name}{RESULTS}",
            }
        )

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self._begin("application/json", len(data))
        self.wfile.write(data)

    def _begin(self, content_type: str, size: int) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(size))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main(folder: str, findings: str) -> None:
    """Serve until the process is ended."""
    with _Server(Path(folder), int(findings)) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
