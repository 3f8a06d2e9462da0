"""Run `batch-action serve` as a separate process, and read its log."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from batch_action.server.app import DELIVERIES
from tests.harness.serve import body_of, environ_for, file_for, signed, store_of
from tests.harness.workflow import WorkflowHarness

TIMEOUT_SECONDS = 60.0


def wait_until(condition: Callable[[], Any]) -> Any:
    """Wait until `done` returns something true, and return it.

    Raises TimeoutError: after TIMEOUT_SECONDS.
    """
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise TimeoutError(f"nothing happened for {TIMEOUT_SECONDS:g} s")


@dataclass
class ServeProcess:
    """One `batch-action serve` and its log."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text("utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def find_line(self, **fields: str) -> dict[str, Any] | None:
        """Return the first log line whose fields contain these words; None if there is none yet."""
        matching = (
            line
            for line in self.lines()
            if all(words in str(line.get(name, "")) for name, words in fields.items())
        )
        return next(matching, None)

    def wait_for_line(self, **fields: str) -> dict[str, Any]:
        return wait_until(lambda: self.find_line(**fields))

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    @property
    def address(self) -> str:
        return self.wait_for_line(address="http")["address"]

    def publish(self, batch: str, name: str) -> int:
        body = body_of(batch, "message_batch.ended")
        url = f"{self.address}{DELIVERIES}"
        return httpx2.post(
            url, content=body, headers=signed(body, name), trust_env=False
        ).status_code


def write_config(workflow: WorkflowHarness, file: Mapping[str, Any] | None = None) -> Path:
    config = workflow.folder / "serve.yml"
    config.write_text(yaml.safe_dump(dict(file or file_for(workflow))), "utf-8")
    return config


@contextmanager
def run_serve(
    workflow: WorkflowHarness,
    *flags: str,
    file: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[ServeProcess]:
    """Run the service on a free port, and kill it at the end."""
    log = workflow.folder / f"serve-{time.monotonic_ns()}.log"
    variables = {**environ_for(workflow), "NO_PROXY": "127.0.0.1,localhost", **(environ or {})}
    files = ["--config", str(write_config(workflow, file)), "--store", str(store_of(workflow))]
    argv = [*files, "--port", "0", *flags]
    with log.open("wb") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "batch_action", "serve", *argv],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            stdout=stream,
            stderr=stream,
        )
        try:
            yield ServeProcess(popen, log)
        finally:
            popen.kill()
            popen.wait()
