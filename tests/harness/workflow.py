"""Stories of nights: a repository, a sandbox, and workflow runs that each see a fresh machine.

night.commit({"app.js": BAD})
night.run("submit")
assert night.run("collect").outputs["status"] == "collected"
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
from batch_action.sandbox.github.records import Artifact, Issue, Repository
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo

HOUR, DAY = 3600.0, 86400.0
BAD = "function run(x) {\n  console.log(x);\n  return eval(x);\n}\n"
"""Two findings of the sandbox's reviewer: a leftover, and one of security (eval)."""
WORSE = "function run(x, y) {\n  console.log(x);\n  return x == y;\n}\n"
"""Two findings, none of them of security. (No Python here: that would start a linter each time.)"""
GOOD = "function run(x) {\n  return x + 1;\n}\n"

RESULTS = "/results$"

PERMISSIONS = {"contents": "read", "actions": "read", "issues": "write"}
COMMANDS = {"add-mask", "notice", "warning", "error", "group", "endgroup"}
"""What our log may say to the runner."""

_names = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run left: everything a workflow or a person can see of it."""

    exit: int
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    stdout: str = ""
    stderr: str = ""
    run: Run | None = None

    @property
    def log(self) -> str:
        """The job log, both streams together."""
        return self.stdout + self.stderr

    @property
    def ids(self) -> list[str]:
        """The batches it names."""
        return [x for x in self.outputs.get("batch-ids", "").split(",") if x]

    def annotations(self, level: str) -> list[str]:
        """The annotations of a level, in words."""
        return [data for name, data in commands(self.log) if name == level]


@dataclass(kw_only=True)
class WorkflowHarness:
    """One repository on GitHub with its own Anthropic workspace, night after night."""

    sandbox: Sandbox
    folder: Path
    repo: Repo
    github_repository: Repository
    inputs: dict[str, str] = field(default_factory=lambda: {"first_run": "last-commit"})
    """Given to every run, besides its own."""
    environ: dict[str, str] = field(default_factory=dict)
    clock_skew: float = 0.0
    """How far the runner's clock is ahead of everybody else's, in seconds."""

    @classmethod
    def create(cls, sandbox: Sandbox, folder: Path, **options: Any) -> "WorkflowHarness":
        """A fresh repository with one commit, and nothing else in its world."""
        sandbox.faults.clear()
        sandbox.anthropic.hold = False
        sandbox.anthropic.answer_with(None)
        sandbox.anthropic.results_origin = None
        sandbox.github.list_lag = 0.0
        repo = Repo.init(folder / "repo")
        name = f"octo/demo{next(_names)}"
        hub = sandbox.github.add_repository(name, git_dir=repo.path, **options)
        workflow = cls(sandbox=sandbox, folder=folder, repo=repo, github_repository=hub)
        workflow.commit({"README": "one\n"})
        return workflow

    # What happens in the repository and in time.

    def commit(self, files: Mapping[str | bytes, str | bytes | None] | None = None) -> str:
        return self.repo.commit(files)

    def advance(self, seconds: float) -> None:
        self.sandbox.clock.advance(seconds)

    # What a workflow does.

    def run(self, mode: str = "run", **inputs: Any) -> Result:
        """A scheduled run of one step on a fresh machine, finished afterwards."""
        return self.start(mode, {}, **inputs)

    def start(
        self,
        mode: str,
        how: Mapping[str, Any],
        *,
        workspace: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        **inputs: Any,
    ) -> Result:
        """The same, with something said of the run: its event, branch, permissions, rerun_of."""
        run = self.open(how)
        given = self.step(run, mode, workspace=workspace, environ=environ, **inputs)
        result = self._enter(["action"], given, run)
        self.sandbox.github.finish_run(run, "success" if result.exit == 0 else "failure")
        return result

    def open(self, how: Mapping[str, Any]) -> Run:
        self.advance(1)  # no two runs in one second: facts carry whole seconds
        options = {"event": "schedule", "permissions": PERMISSIONS} | dict(how)
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
        """The environment of the step; an input or variable of None is left out."""
        temp = self.folder / f"temp-{run.id}-{run.attempt}-{next(_names)}"
        given: dict[str, Any] = {
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
            **{f"INPUT_{k.upper().replace('_', '-')}": v for k, v in given.items()},
            **self.environ,
            **(environ or {}),
        }
        return {name: str(value) for name, value in variables.items() if value is not None}

    def cli(self, *argv: str, environ: Mapping[str, str | None] | None = None) -> Result:
        """A person's command line in the repository, without GitHub unless they say so."""
        variables: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITHUB_WORKSPACE": str(self.repo.path),
            "ANTHROPIC_API_KEY": self.key,
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_url,
            **(environ or {}),
        }
        return self._enter(list(argv), {k: v for k, v in variables.items() if v is not None}, None)

    def _enter(self, argv: list[str], environ: Mapping[str, str], run: Run | None) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = enter(
                argv, environ, clock=self.now, sleep=lambda _seconds: None, write_interval=0.0
            )
        outputs, summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        return Result(
            exit=code,
            outputs=parsed(Path(outputs).read_bytes())
            if outputs and Path(outputs).exists()
            else {},
            summary=Path(summary).read_text("utf-8") if summary else "",
            stdout=out.getvalue(),
            stderr=err.getvalue(),
            run=run,
        )

    def now(self) -> datetime:
        return self.sandbox.clock.now() + timedelta(seconds=self.clock_skew)

    # What is there to see afterwards.

    @property
    def name(self) -> str:
        return self.github_repository.name

    @property
    def key(self) -> str:
        return f"sk-ant-test--ws-{self.name}"

    @property
    def batches(self) -> list[Batch]:
        """Our workspace's batches, oldest first."""
        return [b for b in reversed(self.sandbox.anthropic.batches) if b.workspace == self.name]

    @property
    def sent_ids(self) -> list[str]:
        """The custom ids of everything that was ever sent."""
        return [r["custom_id"] for batch in self.batches for r in batch.requests]

    def requested_paths(self, number: int = -1) -> list[str]:
        """The paths asked about in a batch, sorted."""
        return sorted(path_in(request) for request in self.batches[number].requests)

    @property
    def billed_ids(self) -> list[str]:
        """The custom ids that cost money, one for each time."""
        ours = {batch.id for batch in self.batches}
        return [b.custom_id for b in self.sandbox.anthropic.billed() if b.batch_id in ours]

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Every write to this repository on GitHub."""
        prefix = f"/repos/{self.github_repository.full_name}"
        found = self.sandbox.github.writes
        return [
            (m, p.removeprefix(prefix)) for m, p, _ in found if f"{p}/".startswith(f"{prefix}/")
        ]

    @property
    def issues(self) -> list[Issue]:
        return list(self.github_repository.issues.values())

    @property
    def issue(self) -> Issue:
        """The one issue."""
        assert len(self.issues) == 1, [issue.title for issue in self.issues]
        return self.issues[0]

    @property
    def artifacts(self) -> list[Artifact]:
        return [a for a in self.github_repository.artifacts if a.finalized]

    def answer(self, say: Callable[[Mapping[str, Any]], object]) -> None:
        """Let the newest batch's answers be what `say` makes of each request, as JSON."""
        lines = []
        for request in self.batches[-1].requests:
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": request["params"]["model"],
                "content": [{"type": "text", "text": json.dumps(say(request))}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 10, "output_tokens": 10},
            }
            result = {"type": "succeeded", "message": message}
            lines.append(json.dumps({"custom_id": request["custom_id"], "result": result}))
        body = "\n".join(lines) + "\n"
        self.sandbox.faults.add("status", service="anthropic", path=RESULTS, status=200, body=body)

    def finish(self) -> None:
        """End every batch that still runs."""
        for batch in self.batches:
            if batch.ended is None:
                self.sandbox.anthropic.finish(batch.id)

    @property
    def public_text(self) -> str:
        """Everything people can read on GitHub: the issues and their comments."""
        texts = [f"{i.title}\n{i.body}\n" for i in self.issues]
        return "\n".join([*texts, *(c.body for i in self.issues for c in i.comments)])


def path_in(request: Mapping[str, Any]) -> str:
    """The path that a request asks about, from its prompt."""
    found = re.search(r'<file path="([^"]*)"', request["params"]["messages"][0]["content"])
    assert found
    return found[1]


def tokens_of(batch: Batch) -> dict[str, int]:
    """`max_tokens` by path."""
    return {path_in(r): r["params"]["max_tokens"] for r in batch.requests}


def parsed(data: bytes) -> dict[str, str]:
    """GITHUB_OUTPUT as the runner reads it; AssertionError where the runner would fail."""
    lines = data.decode("utf-8").split("\n")
    assert lines.pop() == "", "no newline at the end"
    found: dict[str, str] = {}
    rest = iter(lines)
    for line in rest:
        name, sign, delimiter = line.partition("<<")
        if not sign:
            name, sign, value = line.partition("=")
            assert sign, line
            found[name] = value
            continue
        taken = list(itertools.takewhile(lambda x, end=delimiter: x != end, rest))
        found[name] = "\n".join(taken)
    return found


def commands(log: str) -> list[tuple[str, str]]:
    """The commands the runner finds in a log, with their data."""
    found = []
    for line in log.splitlines():
        stripped = line.strip()
        assert "##[" not in line, line
        if stripped.startswith("::"):
            head, _, data = stripped[2:].partition("::")
            found.append((head.split(" ")[0], data.replace("%0A", "\n").replace("%25", "%")))
    return found


def foreign(log: str) -> list[tuple[str, str]]:
    """Commands that are none of ours."""
    return [(name, data) for name, data in commands(log) if name not in COMMANDS]
