"""`sandbox`: serve the emulated Anthropic and GitHub until interrupted."""

import shlex
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from batch_action.clients.git import GitRepo
from batch_action.errors import ConfigError, Interrupted
from batch_action.sandbox.github.runs import Run
from batch_action.sandbox.server import Sandbox

REPOSITORY = "octo/demo"
KEY = "sk-ant-sandbox"
EXPORTED_VARIABLES = (
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
"""Variables printed for a shell; not GITHUB_SHA, so that new commits are reviewed."""


def sandbox(*, port: int, batch_seconds: float, repo: Path) -> int:
    """Serve *repo* as octo/demo on three ports from *port* on; return 0 when interrupted.

    Raises ConfigError when the ports cannot be used.
    """
    git = GitRepo(repo.resolve())
    branch = git.current_branch() or git.default_branch_guess() or "main"
    head = git.resolve("HEAD")
    try:
        server = Sandbox(batch_seconds=batch_seconds, ports=_ports(port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"`--port` {port}: the ports {port} to {port + 2} cannot be used ({error}).",
            fix="Choose another port, or 0 for any free ones.",
        ) from None
    # The signal may also arrive while the services start.
    try:
        with server, tempfile.TemporaryDirectory(prefix="batch-action-sandbox-") as temp:
            server.github.add_repository(REPOSITORY, default_branch=branch, git_dir=repo.resolve())
            run = server.github.start_run(
                REPOSITORY, event="workflow_dispatch", branch=branch, head_sha=head
            )
            _print_instructions(server, _exports(server, run, repo.resolve(), Path(temp)), repo)
            threading.Event().wait()
    except (Interrupted, KeyboardInterrupt):
        Console(stderr=True).print("The sandbox has stopped.")
    return 0


def _ports(port: int) -> tuple[int, int, int]:
    return (port, port + 1, port + 2) if port else (0, 0, 0)


def _exports(server: Sandbox, run: Run, repo: Path, temp: Path) -> dict[str, str]:
    environ = server.github.step_environment(run, repo, temp)
    return {
        "ANTHROPIC_BASE_URL": server.anthropic_url,
        "ANTHROPIC_API_KEY": KEY,
        "GITHUB_TOKEN": run.token,
        **{name: environ[name] for name in EXPORTED_VARIABLES},
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _print_instructions(server: Sandbox, exports: dict[str, str], repo: Path) -> None:
    """Print instructions on standard error, and on standard output the commands for a shell."""
    messages, shell = Console(stderr=True), Console(soft_wrap=True)
    messages.print(
        f"Anthropic  {server.anthropic_url}\n"
        f"GitHub     {server.github_url}  ({REPOSITORY} is {repo})\n"
        f"Issues     {server.github_url}/{REPOSITORY}/issues\n"
        f"Blobs      {server.blob_url}\n\n"
        "The reviewer is ruff and a few simple rules, not Claude. Paste this into another shell:\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for name, value in exports.items():
        shell.print(f"export {name}={shlex.quote(value)}", markup=False, highlight=False)
    folder = shlex.quote(str(repo.resolve()))
    messages.print(
        f"\nThen: batch-action run --repo {folder} --first-run last-commit\n"
        "and again for the results. Ctrl-C stops the sandbox; its state is lost.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
