"""Run the action on a repository of the sandbox; every run is on a fresh machine.

workflow.commit({"app.js": BAD})
workflow.run("submit")
assert workflow.run("collect").outputs["status"] == "collected"
"""

import contextlib
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from batch_action.cli.main import enter
from batch_action.sandbox.anthropic.batches import Batch
from batch_action.sandbox.github.records import Artifact, Comment, Issue, Repository
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo

HOUR, DAY = 3600.0, 86400.0
BAD = "function run(x) {\n  console.log(x);\n  return eval(x);\n}\n"
"""Has two findings of the sandbox's reviewer: a debugging leftover, and a vulnerability (eval)."""
WORSE = "function run(x, y) {\n  console.log(x);\n  return x == y;\n}\n"
"""Has two findings, no vulnerability. (Not Python, which would start ruff every time.)"""
GOOD = "function run(x) {\n  return x + 1;\n}\n"

RESULTS = "/results$"

PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write"}
COMMANDS = {"add-mask", "notice", "warning", "error", "group", "endgroup"}
"""The workflow commands that our log may contain."""

_names = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one run: everything that a workflow or a person can see of it."""

    exit: int
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    stdout: str = ""
    stderr: str = ""
    run: Run | None = None

    @property
    def log(self) -> str:
        """The job log: both streams."""
        return self.stdout + self.stderr

    @property
    def ids(self) -> list[str]:
        """The batches of the output `batch-ids`."""
        return [x for x in self.outputs.get("batch-ids", "").split(",") if x]

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """What `--json` printed about each task."""
        return json.loads(self.stdout)["tasks"]  # type: ignore[no-any-return]

    def annotations(self, level: str) -> list[str]:
        """List the texts of the annotations of a level."""
        return [data for name, data in log_commands(self.log) if name == level]


@dataclass(kw_only=True)
class WorkflowHarness:
    """A repository on the emulated GitHub with an Anthropic workspace of its own."""

    sandbox: Sandbox
    folder: Path
    repo: Repo
    github_repository: Repository
    inputs: dict[str, str] = field(default_factory=lambda: {"first_run": "last-commit"})
    """Inputs of every run."""
    environ: dict[str, str] = field(default_factory=dict)
    clock_skew: float = 0.0
    """Seconds that the clock of the runner is ahead of the services'."""
    sleep: Callable[[float], None] = lambda _seconds: None
    """What a run does where it would wait."""

    @classmethod
    def create(cls, sandbox: Sandbox, folder: Path, **options: Any) -> "WorkflowHarness":
        """Create a repository with one commit; reset what other tests changed in the sandbox."""
        sandbox.faults.clear()
        sandbox.anthropic.hold = False
        sandbox.anthropic.answer_with(None)
        sandbox.anthropic.results_origin = None
        sandbox.github.list_lag = 0.0
        repo = Repo.init(folder / "repo")
        name = f"octo/demo{next(_names)}"
        hub = sandbox.github.add_repository(name, git_dir=repo.path, **options)
        workflow = cls(sandbox=sandbox, folder=folder, repo=repo, github_repository=hub)
        workflow.commit({"Index.rs": "fn one() {}\n"})
        return workflow

    def commit(self, files: Mapping[str | bytes, str | bytes | None] | None = None) -> str:
        return self.repo.commit(files)

    def advance(self, seconds: float) -> None:
        self.sandbox.clock.advance(seconds)

    def run(self, mode: str = "run", **inputs: Any) -> Result:
        """Run one step in a scheduled run, and finish the run."""
        return self.start(mode, {}, **inputs)

    def start(
        self,
        mode: str,
        options: Mapping[str, Any],
        *,
        workspace: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        **inputs: Any,
    ) -> Result:
        """Do the same with options of the run, such as event, branch, permissions, rerun_of."""
        run = self.open(options)
        step = self.step(run, mode, workspace=workspace, environ=environ, **inputs)
        result = self.invoke(["action"], step, run)
        self.sandbox.github.finish_run(run, "success" if result.exit == 0 else "failure")
        return result

    def open(self, options: Mapping[str, Any]) -> Run:
        """Start a run, and do nothing in it."""
        self.advance(1)  # facts have whole seconds: no two runs may start in the same one
        options = {"event": "schedule", "permissions": PERMISSIONS} | dict(options)
        if "head_sha" not in options and "rerun_of" not in options:
            options["head_sha"] = self.repo.head()
        return self.sandbox.github.start_run(self.github_repository.full_name, **options)  # type: ignore[arg-type]

    def step(
        self,
        run: Run,
        mode: str,
        *,
        workspace: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        **inputs: Any,
    ) -> dict[str, str]:
        """Return the environment of a step, without inputs and variables that are None."""
        temp = self.folder / f"temp-{run.id}-{run.attempt}-{next(_names)}"
        all_inputs: dict[str, Any] = {
            "anthropic_api_key": self.key,
            "github_token": run.token,
            "mode": mode,
            **self.inputs,
            **inputs,
        }
        variables: dict[str, str | None] = {
            **self.sandbox.github.step_environment(run, workspace or self.repo.path, temp),
            "PATH": os.environ["PATH"],
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_url,
            **{f"INPUT_{k.upper().replace('_', '-')}": v for k, v in all_inputs.items()},
            **self.environ,
            **(environ or {}),
        }
        return {name: str(value) for name, value in variables.items() if value is not None}

    def cli(self, *argv: str, environ: Mapping[str, str | None] | None = None) -> Result:
        """Run the CLI in the repository, outside of GitHub Actions."""
        variables: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITHUB_WORKSPACE": str(self.repo.path),
            "ANTHROPIC_API_KEY": self.key,
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_url,
            **(environ or {}),
        }
        return self.invoke(list(argv), {k: v for k, v in variables.items() if v is not None}, None)

    def person(self) -> dict[str, str]:
        """Return the environment of a laptop, with a token that may read and write."""
        github, url = self.sandbox.github, self.sandbox.github_url
        github.add_user(self.github_repository.owner, **{self.github_repository.full_name: "admin"})
        return {
            "GITHUB_TOKEN": github.token_for(self.github_repository.owner),
            "GITHUB_REPOSITORY": self.github_repository.full_name,
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
        }

    def invoke(self, argv: list[str], environ: Mapping[str, str], run: Run | None) -> Result:
        """Call the entry point in this process, with the clock of the sandbox."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = enter(argv, environ, clock=self.now, sleep=self.sleep, write_interval=0.0)
        outputs, summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        return Result(
            exit=code,
            outputs=parse_outputs(Path(outputs).read_bytes())
            if outputs and Path(outputs).exists()
            else {},
            summary=Path(summary).read_text("utf-8") if summary else "",
            stdout=out.getvalue(),
            stderr=err.getvalue(),
            run=run,
        )

    def now(self) -> datetime:
        return self.sandbox.clock.now() + timedelta(seconds=self.clock_skew)

    @property
    def name(self) -> str:
        return self.github_repository.name

    @property
    def key(self) -> str:
        return f"sk-ant-test--ws-{self.name}"

    @property
    def batches(self) -> list[Batch]:
        """The batches of the workspace, oldest first."""
        return [b for b in reversed(self.sandbox.anthropic.batches) if b.workspace == self.name]

    @property
    def sent_ids(self) -> list[str]:
        """The custom ids of all requests that were sent."""
        return [r["custom_id"] for batch in self.batches for r in batch.requests]

    def requested_paths(self, number: int = -1) -> list[str]:
        """List the paths of the requests of a batch, sorted."""
        return sorted(path_of_request(request) for request in self.batches[number].requests)

    @property
    def billed_ids(self) -> list[str]:
        """The custom ids of the billed requests, one for each time."""
        ids = {batch.id for batch in self.batches}
        return [b.custom_id for b in self.sandbox.anthropic.billed() if b.batch_id in ids]

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Every write to the repository on GitHub: method and path."""
        prefix = f"/repos/{self.github_repository.full_name}"
        return [
            (method, path.removeprefix(prefix))
            for method, path, _ in self.sandbox.github.writes
            if f"{path}/".startswith(f"{prefix}/")
        ]

    @property
    def issues(self) -> list[Issue]:
        return list(self.github_repository.issues.values())

    @property
    def issue(self) -> Issue:
        """The only issue."""
        assert len(self.issues) == 1, [issue.title for issue in self.issues]
        return self.issues[0]

    def comment(self, text: str, by: str = "octo", role: str | None = "write") -> None:
        """A person comments on the issue."""
        more = {self.github_repository.full_name: role} if role else {}
        self.sandbox.github.add_user(by, **more)
        ctx = self.sandbox.github.instance
        when = {"created_at": ctx.now(), "updated_at": ctx.now()}
        self.issue.comments.append(
            Comment(
                id=ctx.new_id(), number=self.issue.number, user=ctx.users[by], body=text, **when
            )
        )

    @property
    def artifacts(self) -> list[Artifact]:
        return [a for a in self.github_repository.artifacts if a.finalized]

    def answer(self, make_answer: Callable[[Mapping[str, Any]], object]) -> None:
        """Set the answers of the newest batch to `make_answer(request)`, as JSON."""
        lines = []
        for request in self.batches[-1].requests:
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": request["params"]["model"],
                "content": [{"type": "text", "text": json.dumps(make_answer(request))}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 10, "output_tokens": 10},
            }
            result = {"type": "succeeded", "message": message}
            lines.append(json.dumps({"custom_id": request["custom_id"], "result": result}))
        body = "\n".join(lines) + "\n"
        self.sandbox.faults.add("status", service="anthropic", path=RESULTS, status=200, body=body)

    def finish(self) -> None:
        """End every batch in progress."""
        for batch in self.batches:
            if batch.ended is None:
                self.sandbox.anthropic.finish(batch.id)

    @property
    def public_text(self) -> str:
        """The text of all issues and their comments."""
        texts = [f"{i.title}\n{i.body}\n" for i in self.issues]
        return "\n".join([*texts, *(c.body for i in self.issues for c in i.comments)])


def path_of_request(request: Mapping[str, Any]) -> str:
    """Return the path of a request, from its prompt."""
    match = re.search(r'<file path="([^"]*)"', request["params"]["messages"][0]["content"])
    assert match
    return match[1]


def max_tokens_by_path(batch: Batch) -> dict[str, int]:
    """Map the paths of a batch to their `max_tokens`."""
    return {path_of_request(r): r["params"]["max_tokens"] for r in batch.requests}


def parse_outputs(data: bytes) -> dict[str, str]:
    """Parse GITHUB_OUTPUT as the runner does.

    Raises AssertionError: where the runner would fail.
    """
    lines = data.decode("utf-8").split("\n")
    assert lines.pop() == "", "no newline at the end"
    outputs: dict[str, str] = {}
    rest = iter(lines)
    for line in rest:
        name, sign, delimiter = line.partition("<<")
        if not sign:
            name, sign, value = line.partition("=")
            assert sign, line
            outputs[name] = value
            continue
        value_lines = list(itertools.takewhile(lambda x, end=delimiter: x != end, rest))
        outputs[name] = "\n".join(value_lines)
    return outputs


def log_commands(log: str) -> list[tuple[str, str]]:
    """List the workflow commands in a log, with their data."""
    commands = []
    for line in log.splitlines():
        stripped = line.strip()
        assert "##[" not in line, line
        if stripped.startswith("::"):
            head, _, data = stripped[2:].partition("::")
            commands.append((head.split(" ")[0], data.replace("%0A", "\n").replace("%25", "%")))
    return commands


def unexpected_commands(log: str) -> list[tuple[str, str]]:
    """List the workflow commands in a log that are not ours."""
    return [(name, data) for name, data in log_commands(log) if name not in COMMANDS]
