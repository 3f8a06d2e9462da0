"""The real process: killed between a delivery and its dispatch, restarted, stopped by SIGTERM."""

import signal
import socket
import time
from collections import Counter

import pytest

from batch_action.server.app import DELIVERIES
from batch_action.server.store import BatchStatus, Store
from tests.harness.processes import (
    TIMEOUT_SECONDS,
    ServeProcess,
    run_serve,
    wait_until,
    write_config,
)
from tests.harness.serve import dispatched, environ_for, store_of, submit
from tests.harness.workflow import WorkflowHarness

DELAY_SECONDS = 3.0
"""Enough time to kill the process."""
POST = r"/actions/workflows/[^/]+/dispatches$"


def test_kill_9_between_delivery_and_dispatch_and_during_it(workflow: WorkflowHarness) -> None:
    first, second = submit(workflow), submit(workflow)
    faults = workflow.sandbox.faults
    slow = faults.add("slow", service="github", method="GET", seconds=DELAY_SECONDS)
    with run_serve(workflow) as process:
        assert process.publish(first, "msg_1") == 202
        wait_until(lambda: slow.matched)
        process.kill()
    assert dispatched(workflow) == []
    with run_serve(workflow) as process:
        # Nobody has to deliver it again.
        process.wait_for_line(event="dispatch", batch=first, message="started")
        assert process.publish(first, "msg_1") == 200
        # GitHub starts the run, and the process dies before the response comes.
        faults.add("late", method="POST", path=POST, seconds=DELAY_SECONDS)
        assert process.publish(second, "msg_2") == 202
        wait_until(lambda: len(dispatched(workflow)) == 2)
        process.kill()
    third = submit(workflow)
    with run_serve(workflow, "--watch") as process:
        process.wait_for_line(event="dispatch", batch=second, message="started")
        process.wait_for_line(event="dispatch", batch=third, message="started")
        check_stop(process)
        check_log(process, workflow)
    runs_by_batch = Counter(dispatched(workflow))
    assert runs_by_batch == {first: 1, second: 2, third: 1}
    with Store(store_of(workflow)) as store:
        rows = {batch.id: batch.status for batch in store.batches(*BatchStatus)}
    assert rows == dict.fromkeys((first, second, third), BatchStatus.STARTED)


def check_stop(process: ServeProcess) -> None:
    """SIGTERM lets the delivery in flight end, and the exit code is 0."""
    host, _, port = process.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS) as line:
        line.sendall(f"POST {DELIVERIES} HTTP/1.1\r\nHost: x\r\n".encode())
        line.sendall(b"Content-Length: 2\r\n\r\n{")
        time.sleep(0.1)
        process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(host, int(port)))
        line.sendall(b"}")
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")
    assert process.popen.wait(TIMEOUT_SECONDS) == 0


def is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def check_log(process: ServeProcess, workflow: WorkflowHarness) -> None:
    """Every line is JSON, and none contains a token or key."""
    lines = process.lines()
    assert (lines[0]["event"], lines[-1]["message"]) == ("start", "Stopped.")
    assert all(line["at"] and line["level"] for line in lines)
    text = process.log.read_text("utf-8")
    for name, secret in environ_for(workflow).items():
        assert name.endswith("_URL") or secret not in text


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ([], {"ANTHROPIC_WEBHOOK_SIGNING_KEY": ""}, "Nothing would ever start a workflow"),
        (["--host", "192.0.2.1"], {}, "Nothing can listen on 192.0.2.1"),
        (["--store", "/proc/none/store"], {}, "The store /proc/none/store cannot be used"),
        (["--config", "/proc/none"], {}, "The file /proc/none cannot be read"),
    ],
)
def test_an_invalid_configuration_is_reported_at_once(
    workflow: WorkflowHarness, flags, environ, message
) -> None:
    config, store = str(write_config(workflow)), str(store_of(workflow))
    result = workflow.cli(
        *("serve", "--port", "0", "--config", config, "--store", store, *flags),
        environ={**environ_for(workflow), **environ},
    )
    assert result.exit == 2
    assert message in result.stderr
