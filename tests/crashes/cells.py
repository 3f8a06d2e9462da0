"""The cells of the crash table: a scenario, an outside call, a crash and a recovery."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batch_action.ledger import codec, verification
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Intended, Ledger, Rejected, Sent, merge
from batch_action.publishers import markers
from batch_action.sandbox.server import Sandbox
from tests.crashes.crash_point import CrashPoint, SimulatedCrash
from tests.harness.workflow import BAD, WORSE, WorkflowHarness

SCENARIOS = (
    *("submit", "collect", "run", "warm", "interactive"),
    *("ask", "answer", "verify", "verified"),
)
"""A mode, or a name in `SUBMISSION_INPUTS`: `ask` and `answer` are about `/batch explain`."""
SUBMISSION_INPUTS: dict[str, tuple[str, dict[str, str]]] = {
    "warm": ("run", {"prompt_cache": "warm"}),
    "interactive": ("run", {"small_workload": "interactive"}),
    "ask": ("run", {}),
    "answer": ("run", {}),
    "verify": ("run", {}),
    "verified": ("run", {}),
}
VERIFYING = ("verify", "verified")
"""The run that asks about the findings it collects, and the run that collects the results."""
CONFIG = ".github/batch-action.yml"
MOMENTS = ("before", "after")
RECOVERIES = ("re-run", "next run", "manual collect")
MAX_RUNS = 6
"""Runs after the crash within which every problem must be gone."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One crash, and what the user does next."""

    scenario: str
    call: int
    label: str
    moment: str
    recovery: str

    def __str__(self) -> str:
        return f"{self.scenario} #{self.call} {self.label} [{self.moment}, {self.recovery}]"


def prepare(sandbox: Sandbox, folder: Path, scenario: str) -> WorkflowHarness:
    """Return a repository in which the scenario has something to do."""
    workflow = WorkflowHarness.create(sandbox, folder)
    workflow.inputs |= SUBMISSION_INPUTS.get(scenario, ("", {}))[1]
    workflow.commit({"app.js": BAD, "web.js": "function f(x) {\n  return eval(x);\n}\n"})
    if scenario == "warm":
        workflow.commit({"other.js": WORSE})
        workflow.inputs["first_run"] = "HEAD~2"
    if scenario in VERIFYING:
        workflow.commit({CONFIG: "verify: high\ndelete-batches: true\n"})
        workflow.inputs["first_run"] = "HEAD~2"
    if scenario in ("collect", "run", *VERIFYING):
        assert workflow.run("submit").exit == 0
        workflow.advance(600)
    if scenario == "verified":
        assert workflow.run("run").exit == 0
        workflow.advance(600)
    if scenario == "run":
        workflow.commit({"other.js": WORSE})
    if scenario in ("ask", "answer"):
        assert workflow.run("run").exit == 0
        workflow.advance(600)
        assert workflow.run("collect").exit == 0
        first = next(markers.parse_blocks(workflow.issue.body)).tracked
        workflow.comment(f"/batch explain {first.fingerprint}")
    if scenario == "answer":
        assert workflow.run("run").exit == 0
        workflow.advance(600)
    return workflow


def mode_of(scenario: str) -> str:
    """Return the mode of a scenario."""
    return SUBMISSION_INPUTS.get(scenario, (scenario, {}))[0]


def calls_of(sandbox: Sandbox, scenario: str) -> list[str]:
    """Return every outside call of a scenario, recorded by running it."""
    with tempfile.TemporaryDirectory() as folder:
        workflow = prepare(sandbox, Path(folder), scenario)
        crash_point = CrashPoint()
        run_until_crash(workflow, scenario, crash_point)
        return crash_point.calls


def run_cell(sandbox: Sandbox, cell: Cell) -> list[str]:
    """Return the problems after this crash and the runs that follow; empty when there are none."""
    with tempfile.TemporaryDirectory() as folder:
        workflow = prepare(sandbox, Path(folder), cell.scenario)
        run = run_until_crash(workflow, cell.scenario, CrashPoint(cell.call, cell.moment))
        return find_problems_after_recovery(workflow, lambda: _recover(workflow, cell, run))


def find_problems_after_recovery(workflow: WorkflowHarness, first: Callable[[], int]) -> list[str]:
    """Return the problems after the recovery *first* and a few more runs."""
    codes = [first()]
    problems: list[str] = []
    for _ in range(MAX_RUNS):
        problems = find_problems(workflow)
        if not problems:
            break
        workflow.advance(3600)
        codes.append(workflow.run("run").exit)
    if 70 in codes:
        problems.append(f"a bug: exit codes {codes}")
    writes = len(workflow.writes)
    workflow.advance(3600)
    last = workflow.run("run")
    if last.exit or len(workflow.writes) > writes:
        problems.append(
            f"an idle run wrote something: exit {last.exit}, {workflow.writes[writes:]}"
        )
    return problems or find_problems(workflow)


def find_problems(workflow: WorkflowHarness) -> list[str]:
    """Return every violated invariant."""
    problems = []
    paid = Counter(workflow.billed_ids)
    problems += [f"paid {n} times: {name}" for name, n in paid.items() if n > 1]
    files = {"app.js", "web.js"} | (
        {"other.js"} if (workflow.repo.path / "other.js").exists() else set()
    )
    ledger = stored_ledger(workflow)
    intents = [f for f in ledger.facts if isinstance(f, Intended)]
    sent_paths = {request_key.path for f in intents for batch in f.batches for request_key in batch}
    problems += [f"never sent: {path}" for path in sorted(files - sent_paths)]
    known = {f.batch for f in ledger.facts if isinstance(f, Sent | Rejected)}
    problems += [f"unknown batch: {b.id}" for b in workflow.batches if b.id not in known]
    if LedgerView(ledger).pending_batches or LedgerView(ledger).open_intents:
        problems.append("something is still in flight")
    if backlog := LedgerView(ledger).backlog(max_attempts=3):
        problems.append(f"still in the backlog: {sorted(backlog)}")
    if (workflow.repo.path / CONFIG).exists():
        problems += _find_verification_problems(LedgerView(ledger))
    return problems + _find_issue_problems(workflow, files)


def _find_verification_problems(view: LedgerView) -> list[str]:
    states = verification.states(view)
    problems = ["no finding was to be verified"] * (not states)
    needed = {due.batch for due in verification.needed(view, "high")}
    problems += [f"not deleted: {batch}" for batch in verification.kept_batches(view) - needed]
    problems += [f"{state}: {name}" for name, state in states.items() if state != "confirmed"]
    requests = (key for _, intended in view.sent_batches for b in intended.batches for key in b)
    asked = Counter(name for key in verification.requests_in(requests) for name in key.findings)
    return problems + [f"asked {n} times about {name}" for name, n in asked.items() if n > 1]


def _find_issue_problems(workflow: WorkflowHarness, files: set[str]) -> list[str]:
    issues = [issue for issue in workflow.issues if issue.state == "open"]
    if len(issues) != 1:
        return [f"{len(issues)} open issues"]
    texts = [issues[0].body, *(comment.body for comment in issues[0].comments)]
    found = Counter(
        block.tracked.fingerprint for text in texts for block in markers.parse_blocks(text)
    )
    places = {block.tracked.anchor.path for text in texts for block in markers.parse_blocks(text)}
    problems = [f"finding {name} is shown {n} times" for name, n in found.items() if n > 1]
    problems += [f"no finding in {path}" for path in sorted(files - places)]
    heads = Counter(comment.body.split("\n")[0] for comment in issues[0].comments)
    asked = sum(head.startswith("/batch explain ") for head in heads)
    if asked != sum(" to=explain-" in head for head in heads):
        problems.append("a request for an explanation has no reply")
    return problems + [f"commented {n} times: {head}" for head, n in heads.items() if n > 1]


def stored_ledger(workflow: WorkflowHarness) -> Ledger:
    """Return the union of all ledgers in the artifacts."""
    repository, task = str(workflow.github_repository.id), "code-review"
    found = [Ledger(repository=repository, task=task)]
    for artifact in workflow.artifacts:
        data = workflow.sandbox.github.blobs.get(artifact.blob)
        assert data is not None
        found.append(codec.decode(data, repository=repository, task=task, secrets=[]))
    return merge(*found)[0]


def run_until_crash(workflow: WorkflowHarness, scenario: str, crash_point: CrashPoint):
    run = workflow.open({})
    environ = workflow.step(run, mode_of(scenario))
    files = [Path(environ[name]) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")]
    with crash_point.installed(*files), suppress(SimulatedCrash):
        workflow.invoke(["action"], environ, run)
    workflow.sandbox.github.finish_run(run, "failure" if crash_point.crashed else "success")
    return run


def _recover(workflow: WorkflowHarness, cell: Cell, run) -> int:
    if cell.recovery == "re-run":
        return workflow.start(mode_of(cell.scenario), {"rerun_of": run}).exit
    workflow.advance(6 * 3600)
    if cell.recovery == "manual collect":
        return workflow.start("collect", {"event": "workflow_dispatch"}).exit
    return workflow.run("run").exit
