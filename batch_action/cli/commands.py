"""The command line's commands: each parses its options and calls a function of `commands/`."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from batch_action import __version__
from batch_action.cli.bootstrap import Invocation, build_context
from batch_action.cli.connections import find_newest_version
from batch_action.cli.options import (
    REPORT_OPTIONS,
    SELECTION_OPTIONS,
    SEND_OPTIONS,
    STATE_OPTIONS,
    command_options,
    import_command,
    open_contexts,
)
from batch_action.cli.serve import serve
from batch_action.clients.actions_runner import read_inputs
from batch_action.commands import baseline as baseline_command
from batch_action.commands import cancel as cancel_command
from batch_action.commands import collect as collect_command
from batch_action.commands import init as init_command
from batch_action.commands import plan as plan_command
from batch_action.commands import propose as propose_command
from batch_action.commands import run as run_command
from batch_action.commands import status as status_command
from batch_action.commands import submit as submit_command
from batch_action.commands.run import (
    ErrorReporter,
    FindOwner,
    owner_in_ledgers,
    recover_owner,
    run_for_each_task,
    run_without_ledger,
)
from batch_action.context import RunContext
from batch_action.publishers.pull_request import eligibility


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Inputs come from flags, then the environment (ANTHROPIC_API_KEY, GITHUB_TOKEN, "
    "BATCH_ACTION_<NAME>), then .github/batch-action.yml. Exit codes: 0 done, 1 findings at "
    "fail-on-severity, 2 configuration, 3 over budget, 4 Anthropic, 5 GitHub, 70 a bug, "
    "130 interrupted.",
)
@click.version_option(__version__, prog_name="batch-action")
def cli() -> None:
    """Nightly AI upkeep of a repository at half price.

    Picks the files changed since the last run, sends them to Anthropic's Message Batches API and
    ends; a later run collects the results and updates one issue.
    """


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@click.option("--exact", is_flag=True, help="Count the tokens of every request (needs a key).")
@click.option(
    "--show-request", metavar="PATH", help="Print what of this file would leave the machine."
)
@command_options(*STATE_OPTIONS, *SELECTION_OPTIONS, "anthropic-base-url")
def plan(
    invocation: Invocation, *, as_json: bool, exact: bool, show_request: str | None, **values: Any
) -> int:
    """Show what would be sent and what it would cost; needs no API key."""
    options = {"exact": exact, "show_request": show_request}
    return _print_json("plan", invocation, values, as_json=as_json, **options)


@cli.command()
@command_options(*STATE_OPTIONS, *SELECTION_OPTIONS, *SEND_OPTIONS)
def submit(invocation: Invocation, **values: Any) -> int:
    """Send what changed since the last run, and the backlog, as a message batch."""
    return _open_and_run("submit", invocation, values)


@cli.command()
@command_options(*STATE_OPTIONS, *REPORT_OPTIONS, *SEND_OPTIONS, "max-attempts")
def collect(invocation: Invocation, **values: Any) -> int:
    """Fetch the results of ended batches and update the reports; sends no requests."""
    return _open_and_run("collect", invocation, values)


@cli.command()
@command_options(*STATE_OPTIONS, *SELECTION_OPTIONS, *REPORT_OPTIONS, *SEND_OPTIONS)
def run(invocation: Invocation, **values: Any) -> int:
    """Collect ended batches, then submit what changed."""
    return _open_and_run("run", invocation, values)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@command_options(*STATE_OPTIONS, "max-attempts")
def status(invocation: Invocation, *, as_json: bool, **values: Any) -> int:
    """Show pending batches with age and expiry, the backlog, and what was spent."""
    return _print_json("status", invocation, values, as_json=as_json)


@cli.command()
@command_options(*STATE_OPTIONS, "batch-id", "anthropic-base-url")
def cancel(invocation: Invocation, **values: Any) -> int:
    """Ask Anthropic to cancel pending batches."""
    return _open_and_run("cancel", invocation, values)


@cli.command()
@command_options(
    "task", "config-file", "state-key", "propose-from", "propose-only", "labels", "dry-run"
)
def propose(invocation: Invocation, **values: Any) -> int:
    """Open a draft pull request with generated files that an earlier job tested."""
    return _open_and_run("propose", invocation, values)


@cli.command()
@command_options(*STATE_OPTIONS, "report", "baseline-file")
def baseline(invocation: Invocation, **values: Any) -> int:
    """Accept every open finding, in a file to commit."""
    return _open_and_run("baseline", invocation, values)


@cli.command()
@click.option("--repo", type=click.Path(exists=True, file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option("--two-workflows", is_flag=True, help="One workflow submits, another collects.")
@click.option("--pin", is_flag=True, help="Pin the action to the newest release's commit.")
@click.pass_obj
def init(invocation: Invocation, *, repo: str, force: bool, two_workflows: bool, pin: bool) -> int:
    """Write the workflow and a commented config into a repository."""
    find_release = partial(find_newest_version, invocation.environ, init_command.ACTION)
    return init_command.init(
        Path(repo),
        force=force,
        two_workflows=two_workflows,
        find_release=find_release if pin else None,
    )


@cli.command()
@click.option("--repo", type=click.Path(exists=True, file_okay=False), help="Your repository.")
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
    run_demo = import_command("demo", "sandbox")
    # The sandbox is on loopback: a proxy of this machine must not intercept it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    options = {"repo": repo, "base": base, "task": task, "sample": sample, "out": Path(out)}
    return int(run_demo(**options, open_context=_open_demo_context))


def _open_demo_context(
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    folder: Path,
    clock: Callable[[], datetime],
) -> AbstractContextManager[RunContext]:
    """Open the context of one run of the demo."""
    invocation = Invocation(environ=environ, clock=clock, write_interval=0.0)
    return build_context(invocation, flags=flags, repo=str(folder))


@cli.command()
@click.option("--port", default=8931, show_default=True, help="Anthropic; GitHub and blobs follow.")
@click.option("--batch-seconds", default=0.0, show_default=True, help="How long a batch runs.")
@click.option("--repo", type=click.Path(exists=True, file_okay=False), default=".")
def sandbox(*, port: int, batch_seconds: float, repo: str) -> int:
    """Serve the emulated Anthropic and GitHub on loopback for your own tests."""
    return int(
        import_command("sandbox", "sandbox")(
            port=port, batch_seconds=batch_seconds, repo=Path(repo)
        )
    )


cli.add_command(serve)


@cli.command()
@click.pass_obj
def action(invocation: Invocation) -> int:
    """Run as a GitHub action: inputs from INPUT_*, the command from `mode`."""
    invocation = replace(invocation, action_inputs=read_inputs(invocation.environ))
    with open_contexts(invocation, None, {}) as contexts:
        context, mode = contexts[0].github_context, contexts[0].settings.mode
        is_pull_request = context.event.startswith("pull_request")
        if is_pull_request and (context.from_fork or mode in ("run", "submit")):
            eligible = _reviewing_contexts(contexts)
        else:
            eligible = contexts
        return _run_command(mode, eligible, invocation.report_error) if eligible else 0


def _reviewing_contexts(contexts: Sequence[RunContext]) -> tuple[RunContext, ...]:
    """Return the tasks that review this pull request; without any, annotate the reason."""
    reasons = [eligibility.skip_reason(ctx) for ctx in contexts]
    eligible = tuple(c for c, reason in zip(contexts, reasons, strict=True) if reason is None)
    if not eligible:
        contexts[0].runner.annotate("notice", next(filter(None, reasons)))
    return eligible


def _open_and_run(name: str, invocation: Invocation, values: dict[str, Any], **options: Any) -> int:
    """Run a command with the values of its flags; *options* are arguments of its function."""
    with open_contexts(invocation, values.pop("repo"), values) as contexts:
        return _run_command(name, contexts, invocation.report_error, **options)


def _print_json(
    name: str, invocation: Invocation, values: dict[str, Any], *, as_json: bool, **options: Any
) -> int:
    """Run a command that shows something, or print its data of all tasks as JSON.

    One task is an object, several are a list. Names that are not UTF-8 are lone surrogates, which
    only ASCII output can escape.
    """
    data: list[dict[str, object]] | None = [] if as_json else None
    code = _open_and_run(name, invocation, values, data=data, **options)
    if data:
        click.echo(json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=True))
    return code


COMMANDS: Mapping[str, Callable[..., int]] = {
    "submit": submit_command.submit,
    "collect": collect_command.collect,
    "cancel": cancel_command.cancel,
    "plan": plan_command.plan,
    "status": status_command.status,
}
OWNERS: Mapping[str, FindOwner] = {"collect": recover_owner, "cancel": owner_in_ledgers}
"""Which task runs a command for `batch-id`."""


def _run_command(
    name: str, contexts: Sequence[RunContext], report_error: ErrorReporter, **options: Any
) -> int:
    """Run a command for every task and return the exit code."""
    match name:
        case "run":
            return run_command.run(contexts, report_error)
        case "propose":
            return run_without_ledger(contexts[:1], propose_command.propose, report_error)
        case "baseline":
            return run_without_ledger(contexts, baseline_command.baseline, report_error)
        case _:
            command = partial(COMMANDS[name], **options)
            owner = OWNERS.get(name)
            steps = (command, submit_command.submit_pull_requests)[: 1 + (name == "submit")]
            return run_for_each_task(contexts, steps, report_error, find_owner=owner)
