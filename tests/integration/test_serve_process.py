"""The real process: killed between a delivery and its dispatch, started again, stopped politely."""

import signal
import socket
import time

import pytest

from batch_action.server.app import DELIVERIES
from tests.harness.processes import PATIENCE, Process, config_for, serving, until
from tests.harness.serve import environ_for, runs, store_of, submit
from tests.harness.workflow import WorkflowHarness

HANGS = 3.0
"""Seconds: time enough to be killed in."""
POST = r"/actions/workflows/[^/]+/dispatches$"


def posted(workflow: WorkflowHarness) -> int:
    calls = workflow.sandbox.faults.calls
    return sum(call.method == "POST" and call.path.endswith("/dispatches") for call in calls)


def test_kill_9_between_delivery_and_dispatch_and_during_it(workflow: WorkflowHarness) -> None:
    first, second = submit(workflow), submit(workflow)
    before, faults = posted(workflow), workflow.sandbox.faults
    hanging = faults.add("slow", service="github", method="GET", seconds=HANGS)
    with serving(workflow) as process:
        assert process.publish(first, "msg_1") == 202
        until(lambda: hanging.seen)
        process.dies()
    assert posted(workflow) == before
    with serving(workflow) as process:
        # Nobody has to deliver it again.
        process.waits_for(event="dispatch", batch=first, said="started")
        assert process.publish(first, "msg_1") == 200
        # GitHub starts the run, and we die before we hear of it.
        faults.add("late", method="POST", path=POST, seconds=HANGS)
        assert process.publish(second, "msg_2") == 202
        until(lambda: len(runs(workflow)) == 2)
        process.dies()
    third = submit(workflow)
    with serving(workflow, "--watch") as process:
        process.waits_for(batch=second, said="found: it had been started before")
        process.waits_for(batch=third, said="started")
        stopped_politely(process)
        tells_no_secret(process, workflow)
    titles = [run.title for run in runs(workflow)]
    assert titles == [f"batch-action {one}" for one in (first, second, third)]
    assert posted(workflow) == before + 3


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


def tells_no_secret(process: Process, workflow: WorkflowHarness) -> None:
    """Every line is JSON, and none holds a token or key."""
    lines = process.lines()
    assert (lines[0]["event"], lines[-1]["said"]) == ("start", "Stopped.")
    assert all(line["at"] and line["level"] for line in lines)
    text = process.log.read_text("utf-8")
    for name, secret in environ_for(workflow).items():
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
def test_what_cannot_work_is_told_at_once(workflow: WorkflowHarness, flags, environ, said) -> None:
    config, store = str(config_for(workflow)), str(store_of(workflow))
    done = workflow.cli(
        *("serve", "--port", "0", "--config", config, "--store", store, *flags),
        environ={**environ_for(workflow), **environ},
    )
    assert done.exit == 2
    assert said in done.stderr
