"""The command line's commands: each parses its options and calls a function of `commands/`.

The function is imported when the command runs, so that help and completion are quick.
"""

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from batch_action.cli.invocation import Invocation
from batch_action.cli.options import (
    REPORT_OPTIONS,
    SELECTION_OPTIONS,
    SEND_OPTIONS,
    STATE_OPTIONS,
    InputCommand,
)
from batch_action.errors import ConfigError

FILE = click.Path(exists=True, dir_okay=False)
FOLDER = click.Path(exists=True, file_okay=False)


def input_command(*inputs: str, example: str) -> Callable[[Callable[..., int]], InputCommand]:
    """Make a command with the flags of these inputs; its function gets the invocation first."""
    make = click.command(cls=InputCommand, inputs=inputs, example=example)
    return lambda function: make(click.pass_obj(function))


def _execute(name: str, invocation: Invocation, values: dict[str, Any], **options: Any) -> int:
    from batch_action.cli.execution import execute

    return execute(name, invocation, values, **options)


@input_command(
    *STATE_OPTIONS, *SELECTION_OPTIONS, "anthropic-base-url",
    example="--base HEAD~5 --task code-review",
)  # fmt: skip
@click.option("--exact", is_flag=True, help="Count the tokens of every request (needs a key)")
@click.option(
    "--show-request", metavar="PATH", help="Print what of this file would leave the machine"
)
def plan(invocation: Invocation, *, exact: bool, show_request: str | None, **values: Any) -> int:
    """Show what would be sent and what it would cost; needs no API key."""
    if show_request and invocation.output.as_json:
        raise click.UsageError("--show-request prints the requests alone: leave out --json.")
    return _execute("plan", invocation, values, exact=exact, show_request=show_request)


@input_command(
    *STATE_OPTIONS, *SELECTION_OPTIONS, *SEND_OPTIONS, example="--first-run 7d --max-cost-usd 2"
)
def submit(invocation: Invocation, **values: Any) -> int:
    """Send what changed since the last run, and the backlog, as a message batch."""
    return _execute("submit", invocation, values)


@input_command(
    *STATE_OPTIONS, *REPORT_OPTIONS, *SEND_OPTIONS, "max-attempts",
    example="--report issue --report sarif --wait-minutes 30",
)  # fmt: skip
@click.option(
    "--answers", metavar="FILE", multiple=True, type=FILE, help="Render these kept answers again"
)
@click.argument("more_answers", metavar="", nargs=-1, type=FILE)
def collect(
    invocation: Invocation,
    *,
    answers: tuple[str, ...],
    more_answers: tuple[str, ...],
    **values: Any,
) -> int:
    """Fetch the results of ended batches and update the reports; sends no requests."""
    if more_answers and not answers:
        raise click.UsageError("Files of answers follow --answers.")
    if not answers:
        return _execute("collect", invocation, values)
    from batch_action.commands.kept_answers import render_kept_answers

    values["report"] = values["report"] or ("summary", "files")
    render = partial(render_kept_answers, paths=[*map(Path, answers + more_answers)])
    return _execute("collect", invocation, values, render=render)


@input_command(
    *STATE_OPTIONS, *SELECTION_OPTIONS, *REPORT_OPTIONS, *SEND_OPTIONS,
    example="--task security-scan --max-cost-usd 2",
)  # fmt: skip
def run(invocation: Invocation, **values: Any) -> int:
    """Collect ended batches, then submit what changed."""
    return _execute("run", invocation, values)


@input_command(*STATE_OPTIONS, "max-attempts", example="--json")
def status(invocation: Invocation, **values: Any) -> int:
    """Show pending batches with age and expiry, the backlog, and what was spent."""
    return _execute("status", invocation, values)


@input_command(*STATE_OPTIONS, example="--json")
def stats(invocation: Invocation, **values: Any) -> int:
    """Show what became of the findings, by rule, category and month."""
    return _execute("stats", invocation, values)


@input_command(*STATE_OPTIONS, "model", "report", "anthropic-base-url", example="--json")
def doctor(invocation: Invocation, **values: Any) -> int:
    """Check what the next run needs; spends nothing and changes nothing."""
    from batch_action.cli.doctor import execute_doctor

    return execute_doctor(invocation, values)


@input_command(*STATE_OPTIONS, "batch-id", "anthropic-base-url", example="--task security-scan")
def cancel(invocation: Invocation, **values: Any) -> int:
    """Ask Anthropic to cancel pending batches."""
    return _execute("cancel", invocation, values)


@input_command(
    "task", "config-file", "state-key", "propose-from", "propose-only", "labels", "dry-run",
    example="--task test-generation --propose-from generated",
)  # fmt: skip
def propose(invocation: Invocation, **values: Any) -> int:
    """Open a draft pull request with generated files that an earlier job tested."""
    return _execute("propose", invocation, values)


@input_command(*STATE_OPTIONS, "report", "baseline-file", example="--task security-scan")
def baseline(invocation: Invocation, **values: Any) -> int:
    """Accept every open finding, in a file to commit."""
    return _execute("baseline", invocation, values)


@input_command(
    "task", "prompt-file", "model", "effort", "config-file", "max-cost-usd", "wait-minutes",
    "anthropic-base-url",
    example="cases.yml --max-cost-usd 3 --model claude-haiku-5-5 --out haiku",
)  # fmt: skip
@click.argument("cases")
@click.option(
    "--out", default="batch-action-evaluation", show_default=True, help="Where its files go"
)
@click.option(
    "--answers", metavar="FOLDER", help="Read kept answers from this folder; send nothing"
)
@click.option(
    "--compare", metavar="FOLDER", help="The `--out` of another evaluation of these cases"
)
def evaluate(
    invocation: Invocation,
    *,
    cases: str,
    out: str,
    answers: str | None,
    compare: str | None,
    **values: Any,
) -> int:
    """Run a task on commits whose defects are known, and score what it finds."""
    if answers is None and values["max_cost_usd"] is None:
        raise click.UsageError(
            "evaluate sends real batches: say how much it may cost with "
            "--max-cost-usd, or read kept answers with --answers."
        )
    from batch_action.cli.execution import execute_evaluate

    folders = {"answers": answers and Path(answers), "compare": compare and Path(compare)}
    return execute_evaluate(
        invocation, values, cases_file=Path(cases), out=Path(out).resolve(), **folders
    )


@input_command(example="--two-workflows --pin")
@click.option("--repo", type=FOLDER, default=".", help="The repository's folder [the current one]")
@click.option("--force", is_flag=True, help="Overwrite existing files")
@click.option("--two-workflows", is_flag=True, help="One workflow submits, another collects")
@click.option("--pin", is_flag=True, help="Pin the action to the newest release's commit")
def init(invocation: Invocation, *, repo: str, pin: bool, **options: bool) -> int:
    """Write the workflow and a commented config into a repository."""
    from batch_action.cli.connections import find_newest_version
    from batch_action.commands.init import ACTION, init

    find_release = partial(find_newest_version, invocation.environ, ACTION) if pin else None
    runner = invocation.runner(Path(repo))
    files = init(Path(repo), runner, find_release=find_release, **options)
    invocation.output.data["files"] = files
    return 0


@click.command()
@click.option("--repo", type=FOLDER, help="Your repository.")
@click.option("--base", help="Review what changed since this commit, e.g. HEAD~5.")
@click.option("--task", default="code-review", show_default=True, help="The task to run.")
@click.option(
    "--sample",
    type=click.Choice(["python", "typescript", "go", "monorepo"]),
    default="python",
    show_default=True,
    help="Which sample repository, without `--repo`.",
)
@click.option("--out", default="batch-action-demo", show_default=True, help="Where files go.")
def demo(*, repo: str | None, base: str | None, task: str, sample: str, out: str) -> int:
    """Submit and collect against the sandbox: no key, no account, no network."""
    run_demo = import_command("demo", "demo")
    # The sandbox is on loopback: a proxy of this machine must not intercept it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    from batch_action.cli.execution import open_demo_context

    options = {"repo": repo, "base": base, "task": task, "sample": sample, "out": Path(out)}
    return int(run_demo(**options, open_context=open_demo_context))


@click.command()
@click.option("--port", default=8931, show_default=True, help="Anthropic; GitHub and blobs follow.")
@click.option("--batch-seconds", default=0.0, show_default=True, help="How long a batch runs.")
@click.option("--repo", type=FOLDER, default=".", help="The repository's folder.")
def sandbox(*, port: int, batch_seconds: float, repo: str) -> int:
    """Serve the emulated Anthropic and GitHub on loopback for your own tests."""
    return int(
        import_command("sandbox", "demo")(port=port, batch_seconds=batch_seconds, repo=Path(repo))
    )


@click.command()
@click.option(
    "--config", default="serve.yml", show_default=True, help="The file with the repositories."
)
@click.option(
    "--store",
    default="batch-action-serve.sqlite3",
    show_default=True,
    help="The database of deliveries and dispatches.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8930, show_default=True, help="0 for any that is free.")
@click.option("--watch", is_flag=True, help="Ask Anthropic for pending batches: no webhook needed.")
@click.pass_obj
def serve(
    invocation: Invocation, *, config: str, store: str, host: str, port: int, watch: bool
) -> int:
    """Start the workflow that collects in listed repositories when their batches have ended."""
    run_server = import_command("serve", "server")
    from batch_action.cli.serve import open_server_context

    with open_server_context(
        invocation, config=Path(config), store=Path(store), watch=watch
    ) as ctx:
        return int(run_server(ctx, host=host, port=port))


@click.command()
@click.pass_obj
def action(invocation: Invocation) -> int:
    """Run as a GitHub action: inputs from INPUT_*, the command from `mode`."""
    from batch_action.cli.doctor import execute_doctor
    from batch_action.cli.execution import execute_action

    invocation = invocation.with_action_inputs()
    if invocation.action_inputs.get("mode") == "doctor":
        return execute_doctor(invocation, {"repo": None})
    return execute_action(invocation)


def import_command(command: str, package: str) -> Callable[..., Any]:
    """Import a command that needs the extra *package*. Raises ConfigError when it is missing."""
    try:
        module = import_module(f"batch_action.commands.{command}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{command}` needs the package {error.name}, which is not installed.",
            fix=f"Install it with: pip install 'batch-action[{package}]'",
        ) from None
    function: Callable[..., Any] = getattr(module, command)
    return function
