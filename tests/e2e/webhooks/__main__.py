"""`make e2e-webhooks`: a webhook sender in JavaScript, the real `serve`, and the runs it starts."""

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
from tests.harness.processes import ServeProcess, run_serve
from tests.harness.serve import SECRET, dispatched, file_for, submit
from tests.harness.workflow import WorkflowHarness

HERE = Path(__file__).parent
MODULES = ROOT / ".cache" / "e2e-webhooks"
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
        sys.stderr.write(f"make e2e-webhooks needs {' and '.join(missing)}.\n")
        return 2
    install()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        workflow = WorkflowHarness.create(sandbox, Path(folder))
        batches = [submit(workflow), submit(workflow)]
        file = file_for(workflow) | {"webhook-secret-env": ["NEW_KEY", "OLD_KEY"]}
        with run_serve(workflow, file=file, environ={"NEW_KEY": SECRET, "OLD_KEY": OLD}) as process:
            problems = [
                *check_responses(deliver(process, batches)),
                *check_runs(workflow, process, batches),
            ]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(EXPECTED)} deliveries by JavaScript, {len(problems)} problems\n")
    return 1 if problems else 0


def install() -> None:
    """Install the JavaScript library with its lock file into a cache folder."""
    MODULES.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, MODULES)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=MODULES, check=True)


def deliver(process: ServeProcess, batches: list[str]) -> dict[str, list[object]]:
    """Return the HTTP status and the `status` field of the response to each delivery."""
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
    responses: dict[str, list[object]] = json.loads(done.stdout)
    return responses


def check_responses(responses: dict[str, list[object]]) -> list[str]:
    return [
        f"{name}: answered {responses.get(name)}, not {expected}"
        for name, expected in EXPECTED.items()
        if responses.get(name) != list(expected)
    ]


def check_runs(workflow: WorkflowHarness, process: ServeProcess, batches: list[str]) -> list[str]:
    """Check that each batch started one run, and that its page shows it."""
    problems = []
    for batch in batches:
        process.wait_for_line(event="dispatch", batch=batch, message="started")
    started = dispatched(workflow)
    if sorted(started) != sorted(batches):
        problems.append(f"runs: {started}")
    page = f"{workflow.sandbox.github_url}/{workflow.github_repository.full_name}/actions"
    html = httpx2.get(page, trust_env=False).text
    problems += [f"{page} does not show {batch}" for batch in batches if batch not in html]
    return problems


if __name__ == "__main__":
    sys.exit(main())
