"""The real process: killed between a delivery and its dispatch, started again, stopped politely."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from standardwebhooks import Webhook

from batch_action.edges.web.app import DELIVERIES
from tests.nights import Night
from tests.serving import SECRET, body_of, environ_for, file_for, runs, store_of, submit

PATIENCE = 60.0
HANGS = 3.0
"""Seconds: time enough to be killed in."""
POST = r"/actions/workflows/[^/]+/dispatches$"


def until(done: Callable[[], Any]) -> Any:
    """Wait for something that will be there; what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := done():
            return found
        time.sleep(0.02)
    pytest.fail("it never happened")


@dataclass
class Process:
    """One `batch-action serve` and what it wrote."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text("utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self, **fields: str) -> dict[str, Any] | None:
        """The first line with these words in these fields, if it is there yet."""
        found = (
            line
            for line in self.lines()
            if all(words in str(line.get(name, "")) for name, words in fields.items())
        )
        return next(found, None)

    def waits_for(self, **fields: str) -> dict[str, Any]:
        return until(lambda: self.said(**fields))

    def dies(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    @property
    def address(self) -> str:
        return self.waits_for(address="http")["address"]

    def deliver(self, batch: str, name: str) -> int:
        body, now = body_of(batch, "message_batch.ended"), datetime.now(UTC)
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(name, now, body.decode()),
        }
        url = f"{self.address}{DELIVERIES}"
        return httpx2.post(url, content=body, headers=headers, trust_env=False).status_code


def config_for(night: Night) -> Path:
    config = night.folder / "serve.yml"
    config.write_text(yaml.safe_dump(file_for(night)), "utf-8")
    return config


@contextmanager
def serving(night: Night, *flags: str) -> Iterator[Process]:
    log = night.folder / f"serve-{time.monotonic_ns()}.log"
    environ = {**environ_for(night), "NO_PROXY": "127.0.0.1,localhost"}
    places = ["--config", str(config_for(night)), "--store", str(store_of(night))]
    argv = [*places, "--port", "0", *flags]
    with log.open("wb") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "batch_action", "serve", *argv],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environ},
            stdout=stream,
            stderr=stream,
        )
        try:
            yield Process(popen, log)
        finally:
            popen.kill()
            popen.wait()


def posted(night: Night) -> int:
    calls = night.sandbox.faults.calls
    return sum(call.method == "POST" and call.path.endswith("/dispatches") for call in calls)


def test_kill_9_between_delivery_and_dispatch_and_during_it(night: Night) -> None:
    first, second = submit(night), submit(night)
    before, faults = posted(night), night.sandbox.faults
    hanging = faults.add("slow", service="github", method="GET", seconds=HANGS)
    with serving(night) as process:
        assert process.deliver(first, "msg_1") == 202
        until(lambda: hanging.seen)
        process.dies()
    assert posted(night) == before
    with serving(night) as process:
        # Nobody has to deliver it again.
        process.waits_for(event="dispatch", batch=first, said="started")
        assert process.deliver(first, "msg_1") == 200
        # GitHub starts the run, and we die before we hear of it.
        faults.add("late", method="POST", path=POST, seconds=HANGS)
        assert process.deliver(second, "msg_2") == 202
        until(lambda: len(runs(night)) == 2)
        process.dies()
    third = submit(night)
    with serving(night, "--watch") as process:
        process.waits_for(batch=second, said="found: it had been started before")
        process.waits_for(batch=third, said="started")
        stopped_politely(process)
        tells_no_secret(process, night)
    titles = [run.title for run in runs(night)]
    assert titles == [f"batch-action {one}" for one in (first, second, third)]
    assert posted(night) == before + 3


def stopped_politely(process: Process) -> None:
    """SIGTERM lets the delivery in flight end, and the exit code is 0."""
    host, _, port = process.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(f"POST {DELIVERIES} HTTP/1.1\r\nHost: x\r\n".encode())
        line.sendall(b"Content-Length: 2\r\n\r\n{")
        time.sleep(0.1)
        process.popen.send_signal(signal.SIGTERM)
        until(lambda: refuses(host, int(port)))
        line.sendall(b"}")
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")
    assert process.popen.wait(PATIENCE) == 0


def refuses(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def tells_no_secret(process: Process, night: Night) -> None:
    """Every line is JSON, and none holds a token or key."""
    lines = process.lines()
    assert (lines[0]["event"], lines[-1]["said"]) == ("start", "Stopped.")
    assert all(line["at"] and line["level"] for line in lines)
    text = process.log.read_text("utf-8")
    for name, secret in environ_for(night).items():
        assert name.endswith("_URL") or secret not in text


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ([], {"ANTHROPIC_WEBHOOK_SIGNING_KEY": ""}, "Nothing would ever wake this service"),
        (["--host", "192.0.2.1"], {}, "Nothing can listen on 192.0.2.1"),
        (["--store", "/proc/none/store"], {}, "The store /proc/none/store cannot be used"),
        (["--config", "/proc/none"], {}, "The file /proc/none cannot be read"),
    ],
)
def test_what_cannot_work_is_told_at_once(night: Night, flags, environ, said) -> None:
    config, store = str(config_for(night)), str(store_of(night))
    done = night.cli(
        *("serve", "--port", "0", "--config", config, "--store", store, *flags),
        environ={**environ_for(night), **environ},
    )
    assert done.exit == 2
    assert said in done.stderr
