"""The same with real processes: SIGKILL and SIGTERM while a call hangs."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from batch_action.sandbox.server import Sandbox
from tests.crashes import cells
from tests.crashes.reaper import label_of
from tests.harness.workflow import WorkflowHarness

HANGS = 20.0
"""Seconds for which the call that is hit would hang."""

PATIENCE = 7.5
"""What the runner gives a container between SIGINT and SIGTERM (actions/runner, ProcessInvoker)."""


@dataclass(frozen=True, kw_only=True)
class End:
    """One signal at the first call of a name."""

    verb: str
    call: int
    label: str
    nth: int
    signal: str

    def __str__(self) -> str:
        return f"{self.verb} {self.label} by {self.signal}"


def every(calls: dict[str, list[str]]) -> list[End]:
    """The first occurrence of each distinct HTTP call over all verbs, by both signals."""
    seen: set[str] = set()
    ends = []
    for verb, labels in calls.items():
        for number, label in enumerate(labels):
            if label not in seen and not label.startswith("write "):
                seen.add(label)
                ends += [
                    End(verb=verb, call=number, label=label, nth=1, signal=name)
                    for name in ("SIGKILL", "SIGTERM")
                ]
    return ends


def play(end: End) -> list[str]:
    """What is wrong after this signal and the nights that follow."""
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        workflow = cells.begin(sandbox, Path(folder), end.verb)
        problems, run = _end(workflow, end)
        workflow.sandbox.github.finish_run(run, "failure")
        problems += cells.recovered(workflow, lambda: _next_night(workflow))
        return problems


def _next_night(workflow: WorkflowHarness) -> int:
    workflow.advance(6 * 3600)
    return workflow.run("run").exit


def _end(workflow: WorkflowHarness, end: End):
    run = workflow.open({})
    environ = workflow.step(run, cells.mode_of(end.verb))
    method, path = end.label.split(" ", 1)
    before = len(workflow.sandbox.faults.calls)
    workflow.sandbox.faults.add("slow", method=method, path=_pattern(path), seconds=HANGS)
    process = subprocess.Popen(
        [sys.executable, "-m", "batch_action", "action"],
        env=environ | {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    problems = []
    if not _reached(workflow, end, before, process):
        problems.append("the call was never made")
    process.send_signal(getattr(signal, end.signal))
    started = time.monotonic()
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [f"still alive a minute after {end.signal}"], run
    took = time.monotonic() - started
    workflow.sandbox.faults.clear()
    if end.signal == "SIGTERM" and process.returncode != 130:
        problems.append(f"exit {process.returncode} after {took:.1f} s: {said[-300:]}")
    if end.signal == "SIGTERM" and took > PATIENCE:
        problems.append(f"took {took:.1f} s, the runner waits {PATIENCE}")
    if "Traceback" in said:
        problems.append("a traceback")
    summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text("utf-8")
    if end.signal == "SIGTERM" and "Interrupted while" not in summary:
        problems.append(f"the summary does not say where it stopped: {summary[-200:]!r}")
    return problems, run


def _pattern(path: str) -> str:
    if path == "/blob":
        return r"/actions-results/"
    escaped = path.replace("{batch}", "[^/]+").replace("{n}", "[0-9]+")
    return f"{escaped}$"


def _reached(
    workflow: WorkflowHarness, end: End, before: int, process: subprocess.Popen[str]
) -> bool:
    """Whether the call has arrived at the sandbox, where it hangs now."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        calls = workflow.sandbox.faults.calls[before:]
        if any(f"{label_of(call.method, call.path)}" == end.label for call in calls):
            return True
        time.sleep(0.02)
    return False
