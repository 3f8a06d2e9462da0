"""The crash table's cells: one verb, one outside call, one death, one way the user goes on."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batch_action.ledger import codec, merge, view
from batch_action.ledger import view as history
from batch_action.models.ledger import Intended, Ledger, Rejected, Sent
from batch_action.publishers import markers
from batch_action.sandbox.server import Sandbox
from tests.crashes.reaper import Death, Reaper
from tests.harness.workflow import BAD, WORSE, WorkflowHarness

VERBS = ("submit", "collect", "run", "warm", "interactive")
"""What runs: a mode, or a way of sending in its mode."""
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "warm": ("run", {"prompt_cache": "warm", "wait_minutes": "1"}),
    "interactive": ("run", {"small_workload": "interactive"}),
}
DEATHS = ("before", "after")
NEXTS = ("re-run", "next night", "manual collect")
NIGHTS = 6
"""Nights after the death within which everything must be in order again."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One death and what the user does next."""

    verb: str
    call: int
    label: str
    death: str
    then: str

    def __str__(self) -> str:
        return f"{self.verb} #{self.call} {self.label} [{self.death}, {self.then}]"


def begin(sandbox: Sandbox, folder: Path, verb: str) -> WorkflowHarness:
    """A repository in the state in which the verb has something to do."""
    workflow = WorkflowHarness.create(sandbox, folder)
    workflow.inputs |= WAYS.get(verb, ("", {}))[1]
    workflow.commit({"app.js": BAD, "web.js": "function f(x) {\n  return eval(x);\n}\n"})
    if verb == "warm":
        workflow.commit({"other.js": WORSE})
        workflow.inputs["first_run"] = "HEAD~2"
    if verb in ("collect", "run"):
        assert workflow.run("submit").exit == 0
        workflow.advance(600)
    if verb == "run":
        workflow.commit({"other.js": WORSE})
    return workflow


def mode_of(verb: str) -> str:
    """The mode of the action that a row of the table is about."""
    return WAYS.get(verb, (verb, {}))[0]


def calls_of(sandbox: Sandbox, verb: str) -> list[str]:
    """Every outside call of a verb, found by running it."""
    with tempfile.TemporaryDirectory() as folder:
        workflow = begin(sandbox, Path(folder), verb)
        reaper = Reaper()
        die(workflow, verb, reaper)
        return reaper.calls


def play(sandbox: Sandbox, cell: Cell) -> list[str]:
    """What is wrong after this death and the nights that follow; empty when nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        workflow = begin(sandbox, Path(folder), cell.verb)
        run = die(workflow, cell.verb, Reaper(cell.call, cell.death))
        return recovered(workflow, lambda: _go_on(workflow, cell, run))


def recovered(workflow: WorkflowHarness, first: Callable[[], int]) -> list[str]:
    """What is wrong after going on with *first* and then night by night."""
    codes = [first()]
    problems: list[str] = []
    for _ in range(NIGHTS):
        problems = wrong(workflow)
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
            f"a quiet night was not quiet: exit {last.exit}, {workflow.writes[writes:]}"
        )
    return problems or wrong(workflow)


def wrong(workflow: WorkflowHarness) -> list[str]:
    """Everything that must hold and does not."""
    problems = []
    paid = Counter(workflow.billed_ids)
    problems += [f"paid {n} times: {name}" for name, n in paid.items() if n > 1]
    files = {"app.js", "web.js"} | (
        {"other.js"} if (workflow.repo.path / "other.js").exists() else set()
    )
    ledger = remembered(workflow)
    intents = [f for f in ledger.facts if isinstance(f, Intended)]
    asked = {request_key.path for f in intents for batch in f.batches for request_key in batch}
    problems += [f"never asked: {path}" for path in sorted(files - asked)]
    known = {f.batch for f in ledger.facts if isinstance(f, Sent | Rejected)}
    problems += [f"unknown batch: {b.id}" for b in workflow.batches if b.id not in known]
    if view.pending_batches(ledger) or view.open_intents(ledger):
        problems.append("something is still in flight")
    if owing := history.backlog(ledger, max_attempts=3):
        problems.append(f"still owed: {sorted(owing)}")
    return problems + _wrong_issue(workflow, files)


def _wrong_issue(workflow: WorkflowHarness, files: set[str]) -> list[str]:
    issues = [issue for issue in workflow.issues if issue.state == "open"]
    if len(issues) != 1:
        return [f"{len(issues)} open issues"]
    texts = [issues[0].body, *(comment.body for comment in issues[0].comments)]
    found = Counter(block.tracked.fingerprint for text in texts for block in markers.parse_blocks(text))
    places = {block.tracked.anchor.path for text in texts for block in markers.parse_blocks(text)}
    problems = [f"finding {name} stands {n} times" for name, n in found.items() if n > 1]
    problems += [f"no finding in {path}" for path in sorted(files - places)]
    heads = Counter(comment.body.split("\n")[0] for comment in issues[0].comments)
    return problems + [f"told {n} times: {head}" for head, n in heads.items() if n > 1]


def remembered(workflow: WorkflowHarness) -> Ledger:
    """The union of all ledgers in the artifacts."""
    repository, task = str(workflow.github_repository.id), "code-review"
    found = [Ledger(repository=repository, task=task)]
    for artifact in workflow.artifacts:
        data = workflow.sandbox.github.blobs.get(artifact.blob)
        assert data is not None
        found.append(codec.decode(data, repository=repository, task=task, secrets=[]))
    return merge.merge(*found)[0]


def die(workflow: WorkflowHarness, verb: str, reaper: Reaper):
    run = workflow.open({})
    environ = workflow.step(run, mode_of(verb))
    files = [Path(environ[name]) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")]
    with reaper.watching(*files), suppress(Death):
        workflow._enter(["action"], environ, run)
    workflow.sandbox.github.finish_run(run, "failure" if reaper.dead else "success")
    return run


def _go_on(workflow: WorkflowHarness, cell: Cell, run) -> int:
    if cell.then == "re-run":
        return workflow.start(mode_of(cell.verb), {"rerun_of": run}).exit
    workflow.advance(6 * 3600)
    if cell.then == "manual collect":
        return workflow.start("collect", {"event": "workflow_dispatch"}).exit
    return workflow.run("run").exit
