"""`sandbox`: serve the emulated Anthropic and GitHub until somebody interrupts."""

import shlex
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from batch_action.clients.git import GitRepo
from batch_action.errors import ConfigError, Interrupted
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.server import Sandbox

NAME = "octo/demo"
KEY = "sk-ant-sandbox"
WANTED = (
    "GITHUB_API_URL",
    "GITHUB_GRAPHQL_URL",
    "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_REPOSITORY_ID",
    "GITHUB_EVENT_NAME",
    "GITHUB_REF",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_ATTEMPT",
    "ACTIONS_RESULTS_URL",
    "ACTIONS_RUNTIME_TOKEN",
)
"""What a run outside of a runner needs; not GITHUB_SHA, so that new commits are seen."""


def sandbox(*, port: int, batch_seconds: float, repo: Path) -> int:
    """Serve `repo` as octo/demo on three ports from `port` on; returns 0 when interrupted."""
    git = GitRepo(repo.resolve())
    branch = git.current_branch() or git.default_branch_guess() or "main"
    head = git.resolve("HEAD")
    try:
        box = Sandbox(batch_seconds=batch_seconds, ports=_ports(port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"`--port` {port}: the ports {port} to {port + 2} cannot be used ({error}).",
            fix="Choose another one, or 0 for any that is free.",
        ) from None
    # The signal may come at any moment, while all services start too.
    try:
        with box, tempfile.TemporaryDirectory(prefix="batch-action-sandbox-") as temp:
            box.github.add_repository(NAME, default_branch=branch, git_dir=repo.resolve())
            run = box.github.start_run(
                NAME, event="workflow_dispatch", branch=branch, head_sha=head
            )
            _tell(box, _exports(box, run, repo.resolve(), Path(temp)), repo)
            threading.Event().wait()
    except (Interrupted, KeyboardInterrupt):
        Console(stderr=True).print("The sandbox is closed.")
    return 0


def _ports(port: int) -> tuple[int, int, int]:
    return (port, port + 1, port + 2) if port else (0, 0, 0)


def _exports(box: Sandbox, run: Run, repo: Path, temp: Path) -> dict[str, str]:
    environ = run.environ(repo, temp)
    return {
        "ANTHROPIC_BASE_URL": box.anthropic_url,
        "ANTHROPIC_API_KEY": KEY,
        "GITHUB_TOKEN": run.token,
        **{name: environ[name] for name in WANTED},
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _tell(box: Sandbox, exports: dict[str, str], repo: Path) -> None:
    """Addresses for people on standard error; what a shell can read on standard output."""
    people, shell = Console(stderr=True), Console(soft_wrap=True)
    people.print(
        f"Anthropic  {box.anthropic_url}\n"
        f"GitHub     {box.github_url}  ({NAME} is {repo})\n"
        f"Issues     {box.github_url}/{NAME}/issues\n"
        f"Blobs      {box.blob_url}\n\n"
        "The reviewer is ruff and a few plain rules, not Claude. Paste this into another shell:\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for name, value in exports.items():
        shell.print(f"export {name}={shlex.quote(value)}", markup=False, highlight=False)
    folder = shlex.quote(str(repo.resolve()))
    people.print(
        f"\nThen: batch-action run --repo {folder} --first-run last-commit\n"
        "and the same again for the answers. Ctrl-C ends the sandbox, and it forgets everything.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
