"""`batch-action serve` as a process of its own, and what it writes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import yaml
from standardwebhooks import Webhook

from batch_action.server.app import DELIVERIES
from tests.harness.serve import SECRET, body_of, environ_for, file_for, store_of
from tests.harness.workflow import WorkflowHarness

PATIENCE = 60.0


def until(done: Callable[[], Any]) -> Any:
    """Wait for something that will be there; what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := done():
            return found
        time.sleep(0.02)
    raise TimeoutError("it never happened")


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

    def publish(self, batch: str, name: str) -> int:
        body, now = body_of(batch, "message_batch.ended"), datetime.now(UTC)
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(name, now, body.decode()),
        }
        url = f"{self.address}{DELIVERIES}"
        return httpx2.post(url, content=body, headers=headers, trust_env=False).status_code


def config_for(workflow: WorkflowHarness, file: Mapping[str, Any] | None = None) -> Path:
    config = workflow.folder / "serve.yml"
    config.write_text(yaml.safe_dump(dict(file or file_for(workflow))), "utf-8")
    return config


@contextmanager
def serving(
    workflow: WorkflowHarness,
    *flags: str,
    file: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """The service on a free port, killed at the end if it still lives."""
    log = workflow.folder / f"serve-{time.monotonic_ns()}.log"
    variables = {**environ_for(workflow), "NO_PROXY": "127.0.0.1,localhost", **(environ or {})}
    places = ["--config", str(config_for(workflow, file)), "--store", str(store_of(workflow))]
    argv = [*places, "--port", "0", *flags]
    with log.open("wb") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "batch_action", "serve", *argv],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            stdout=stream,
            stderr=stream,
        )
        try:
            yield Process(popen, log)
        finally:
            popen.kill()
            popen.wait()
