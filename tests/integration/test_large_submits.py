"""Submits of many requests: memory, a full disk, and a connection that ends in mid-body."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.errors import AmbiguousCreateError, AnthropicError, TransientError
from benchmarks.batch_server import BatchServer
from tests.harness.batches import WrittenRequests
from tests.harness.git_repositories import Repo

RUN = """
import os, sys
from batch_action.cli.main import enter
code = enter(sys.argv[1:], dict(os.environ))
print("peak", next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""
"""Its own peak: that of `getrusage` is at least its parent's."""
LINES = "".join(f"value_{n} = compute(value_{n - 1}, {n})\n" for n in range(1, 550))
"""Some 20 KB of code."""
LARGE = 3_000_000


def submit(
    folder: Path, files: int, *, preexec: Callable[[], None] | None = None
) -> tuple["subprocess.CompletedProcess[str]", list[int]]:
    """Submit that many files of 20 KB in a process of its own; with the sizes of the batches."""
    repo = Repo.init(folder / str(files))
    repo.commit({f"src/m{n}.py": LINES.replace("compute", f"compute_{n}") for n in range(files)})
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB", "ANTHROPIC"))}
    with BatchServer() as server:
        environ = {**kept, "ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        inputs = ("--first-run", "all", "--max-cost-usd", "10000")
        done = subprocess.run(
            [sys.executable, "-c", RUN, "submit", "--repo", str(repo.path), *inputs],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=preexec,
        )
    return done, server.batches


def test_more_requests_need_hardly_more_memory(tmp_path: Path) -> None:
    peaks = {}
    for files in (220, 1_220):
        done, batches = submit(tmp_path, files)
        assert done.returncode == 0, done.stdout + done.stderr
        assert sum(batches) == files
        found = re.search(r"peak VmHWM:\s+(\d+) kB", done.stdout)
        assert found
        peaks[files] = int(found[1]) * 1024
    # The texts alone have 20 KB each, and are in a request once more.
    assert (peaks[1_220] - peaks[220]) / 1_000 < 12_000, peaks
    assert peaks[1_220] < 250e6


def test_a_full_disk_is_no_bug_of_ours(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done, batches = submit(tmp_path, 40, preexec=limit)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written to a temporary file: File too large." in done.stdout + done.stderr
    assert "TMPDIR" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert batches == []


@contextmanager
def answering(respond: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """Serve connections one after the other; with the address and a list of one entry for each."""
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connections.append(1)
                    respond(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", connections
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def early(status: str, headers: str = "", body: object = None) -> Callable[[socket.socket], None]:
    """Answer after the first bytes, without reading the rest; then close."""

    def respond(connection: socket.socket) -> None:
        connection.recv(65_536)
        data = json.dumps(body or {"type": "error", "error": {"type": "x", "message": "y"}})
        connection.sendall(
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}"
            f"content-length: {len(data)}\r\nconnection: close\r\n\r\n{data}".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass

    return respond


def cut(connection: socket.socket) -> None:
    connection.recv(65_536)


def read_all_and_close(connection: socket.socket) -> None:
    read = 0
    while read < LARGE:
        read += len(connection.recv(65_536))


def read_all_and_cut_the_answer(connection: socket.socket) -> None:
    read_all_and_close(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"id": "msgbatch_1"')


@pytest.mark.parametrize(
    ("respond", "kind", "words"),
    [
        (early("413 Too Large"), AnthropicError, "max-requests-per-batch"),
        (early("400 Bad Request"), AnthropicError, "400"),
        (early("529 Overloaded"), TransientError, "529"),
        (early("429 Too Many", "retry-after: 0\r\n"), TransientError, "429"),
        (early("500 Server Error"), AmbiguousCreateError, "was lost"),
        (early("307 Temporary Redirect", "location: {}\r\n"), AmbiguousCreateError, "was lost"),
        (early("200 OK", body={"ok": True}), AmbiguousCreateError, "was no batch"),
        (cut, AmbiguousCreateError, "was lost"),
        (read_all_and_close, AmbiguousCreateError, "was lost"),
        (read_all_and_cut_the_answer, AmbiguousCreateError, "was lost"),
    ],
    ids=["413", "400", "529", "429", "500", "307", "no batch", "cut", "no answer", "cut answer"],
)
def test_a_large_batch_that_fails_is_sent_once(
    respond: Callable[[socket.socket], None], kind: type[AnthropicError], words: str
) -> None:
    message = {"role": "user", "content": "x" * LARGE}
    batch = WrittenRequests({"a": {"model": "m", "max_tokens": 1, "messages": [message]}})
    with (
        answering(respond) as (url, connections),
        AnthropicClient(api_key="k", base_url=url) as api,
    ):
        with pytest.raises(AnthropicError) as caught:
            batch.create(api)
        assert len(connections) == 1
    assert type(caught.value) is kind, caught.value
    assert words in str(caught.value)
