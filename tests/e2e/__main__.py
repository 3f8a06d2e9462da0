"""`make e2e`: a sender in JavaScript, the real `serve`, and the runs on the emulated GitHub."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2

from batch_action.sandbox.server import Sandbox
from batch_action.server.app import DELIVERIES
from tests.documents.texts import ROOT
from tests.harness.processes import Process, serving
from tests.harness.serve import SECRET, file_for, runs, submit
from tests.harness.workflow import WorkflowHarness

HERE = Path(__file__).parent
MODULES = ROOT / ".cache" / "e2e"
OLD = "whsec_" + "b2xkIGtleSwgYnV0IHN0aWxsIGdvb2QhIQ=="
EXPECTED = {
    "first": (202, "accepted"),
    "again": (200, "known"),
    "retried": (200, "known"),
    "earlier": (200, "ignored"),
    "rotated": (202, "accepted"),
    "empty": (400, None),
    "forged": (401, None),
    "stranger": (401, None),
    "stale": (401, None),
    "early": (401, None),
    "large": (413, None),
    "slow": (408, None),
}


def main() -> int:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"make e2e needs {' and '.join(missing)}.\n")
        return 2
    install()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        workflow = WorkflowHarness.create(sandbox, Path(folder))
        batches = [submit(workflow), submit(workflow)]
        file = file_for(workflow) | {"webhook-secret-env": ["NEW_KEY", "OLD_KEY"]}
        with serving(workflow, file=file, environ={"NEW_KEY": SECRET, "OLD_KEY": OLD}) as process:
            problems = [*answered(deliver(process, batches)), *started(workflow, process, batches)]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(EXPECTED)} deliveries by JavaScript, {len(problems)} problems\n")
    return 1 if problems else 0


def install() -> None:
    """The library, by its lock file, into a folder of ours."""
    MODULES.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, MODULES)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=MODULES, check=True)


def deliver(process: Process, batches: list[str]) -> dict[str, list[object]]:
    """Status and word that each delivery was answered with."""
    done = subprocess.run(
        ["node", str(HERE / "deliver.mjs")],
        env={
            "PATH": os.environ["PATH"],
            "ADDRESS": f"{process.address}{DELIVERIES}",
            "SECRET": SECRET,
            "OLD_SECRET": OLD,
            "FIRST": batches[0],
            "SECOND": batches[1],
            "MODULES": str(MODULES),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, list[object]] = json.loads(done.stdout)
    return told


def answered(answers: dict[str, list[object]]) -> list[str]:
    return [
        f"{name}: answered {answers.get(name)}, not {expected}"
        for name, expected in EXPECTED.items()
        if answers.get(name) != list(expected)
    ]


def started(workflow: WorkflowHarness, process: Process, batches: list[str]) -> list[str]:
    """Each batch has one run, and people see it on GitHub."""
    problems = []
    for batch in batches:
        process.waits_for(event="dispatch", batch=batch, said="started")
    titles = sorted(run.title for run in runs(workflow))
    if titles != sorted(f"batch-action {batch}" for batch in batches):
        problems.append(f"runs: {titles}")
    page = f"{workflow.sandbox.github_url}/{workflow.github_repository.full_name}/actions"
    shown = httpx2.get(page, trust_env=False).text
    problems += [f"{page} does not show {batch}" for batch in batches if batch not in shown]
    return problems


if __name__ == "__main__":
    sys.exit(main())
