"""Crashes of real processes: SIGKILL and SIGTERM while a call hangs."""

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
from tests.crashes.crash_point import label_of
from tests.harness.workflow import WorkflowHarness

HANG_SECONDS = 20.0
"""How long the call hangs."""

BLOCKED_SECONDS = 0.3
"""From a call's arrival until the process surely waits for its response. A signal that comes just
before the system call is handled only after it: the runner sends another one then."""

GRACE_SECONDS = 7.5
"""The runner's time between SIGINT and SIGTERM (actions/runner, ProcessInvoker)."""


@dataclass(frozen=True, kw_only=True)
class SignalCase:
    """One signal at the first call with a label."""

    scenario: str
    call: int
    label: str
    nth: int
    signal: str

    def __str__(self) -> str:
        return f"{self.scenario} {self.label} by {self.signal}"


def signal_cases(calls: dict[str, list[str]]) -> list[SignalCase]:
    """Return a case for each distinct HTTP call of all scenarios and each signal."""
    seen: set[str] = set()
    cases = []
    for scenario, labels in calls.items():
        for number, label in enumerate(labels):
            if label not in seen and not label.startswith("write "):
                seen.add(label)
                cases += [
                    SignalCase(scenario=scenario, call=number, label=label, nth=1, signal=name)
                    for name in ("SIGKILL", "SIGTERM")
                ]
    return cases


def run_case(case: SignalCase) -> list[str]:
    """Return the problems after this signal and the runs that follow."""
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        workflow = cells.prepare(sandbox, Path(folder), case.scenario)
        problems, run = _run_and_signal(workflow, case)
        workflow.sandbox.github.finish_run(run, "failure")
        problems += cells.find_problems_after_recovery(workflow, lambda: _next_run(workflow))
        return problems


def _next_run(workflow: WorkflowHarness) -> int:
    workflow.advance(6 * 3600)
    return workflow.run("run").exit


def _run_and_signal(workflow: WorkflowHarness, case: SignalCase):
    run = workflow.open({})
    environ = workflow.step(run, cells.mode_of(case.scenario))
    method, path = case.label.split(" ", 1)
    before = len(workflow.sandbox.faults.calls)
    workflow.sandbox.faults.add("slow", method=method, path=_pattern(path), seconds=HANG_SECONDS)
    process = subprocess.Popen(
        [sys.executable, "-m", "batch_action", "action"],
        env=environ | {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    problems = []
    if not _reached(workflow, case, before, process):
        problems.append("the call was never made")
    time.sleep(BLOCKED_SECONDS)
    process.send_signal(getattr(signal, case.signal))
    started = time.monotonic()
    try:
        _, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [f"still alive a minute after {case.signal}"], run
    took = time.monotonic() - started
    workflow.sandbox.faults.clear()
    if case.signal == "SIGTERM" and process.returncode != 130:
        problems.append(f"exit {process.returncode} after {took:.1f} s: {stderr[-300:]}")
    if case.signal == "SIGTERM" and took > GRACE_SECONDS:
        problems.append(f"took {took:.1f} s, the runner waits {GRACE_SECONDS}")
    if "Traceback" in stderr:
        problems.append("a traceback on stderr")
    summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text("utf-8")
    if case.signal == "SIGTERM" and "Interrupted while" not in summary:
        problems.append(f"the summary does not report where it stopped: {summary[-200:]!r}")
    return problems, run


def _pattern(path: str) -> str:
    if path == "/blob":
        return r"/actions-results/"
    escaped = path.replace("{batch}", "[^/]+").replace("{n}", "[0-9]+")
    return f"{escaped}$"


def _reached(
    workflow: WorkflowHarness, case: SignalCase, before: int, process: subprocess.Popen[str]
) -> bool:
    """Return whether the call has arrived at the sandbox, where it hangs."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        calls = workflow.sandbox.faults.calls[before:]
        if any(f"{label_of(call.method, call.path)}" == case.label for call in calls):
            return True
        time.sleep(0.02)
    return False
