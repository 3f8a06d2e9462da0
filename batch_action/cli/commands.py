"""The verbs as commands: flags generated from Settings, one story called."""

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
from batch_action.cli.options import CHOICE, REPORT, SENDING, STATE, extra, opened, told, verb
from batch_action.cli.serve import serve
from batch_action.clients.actions_runner.environment import inputs_from
from batch_action.commands import baseline as accepting
from batch_action.commands import cancel as canceling
from batch_action.commands import collect as collecting
from batch_action.commands import init as initialising
from batch_action.commands import plan as planning
from batch_action.commands import propose as proposing
from batch_action.commands import run as running
from batch_action.commands import status as looking
from batch_action.commands import submit as submitting
from batch_action.commands.multi_task import Verb, each, recovered, remembered, run_for_each_task
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
    lets go; a later run collects the answers and keeps one issue up to date.
    """


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@click.option("--exact", is_flag=True, help="Count the tokens of every request (needs a key).")
@verb(*STATE, *CHOICE, "anthropic-base-url")
def plan(
    invocation: Invocation, *, repo: str | None, as_json: bool, exact: bool, **values: Any
) -> int:
    """Show what would be sent and what it would cost; spends nothing, needs no key."""
    made: list[dict[str, object]] | None = [] if as_json else None
    code = told(invocation, repo, values, partial(planning.plan, exact=exact, data=made))
    return _printed(made, code)


def _printed(data: list[dict[str, object]] | None, code: int) -> int:
    """Print what was asked for as JSON: one object, or a list of them when there are several tasks.

    ASCII keeps names that are no UTF-8 as lone surrogates, so nothing is lost.
    """
    if data:
        click.echo(json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=True))
    return code


@cli.command()
@verb(*STATE, *CHOICE, *SENDING)
def submit(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Send what changed since the last run, and what is owed, as a message batch."""
    return told(invocation, repo, values, submitting.submit)


@cli.command()
@verb(*STATE, *REPORT, *SENDING, "max-attempts")
def collect(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Fetch what has ended and bring the issue up to date; never spends money."""
    return told(invocation, repo, values, collecting.collect, whose=recovered)


@cli.command()
@verb(*STATE, *CHOICE, *REPORT, *SENDING)
def run(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Collect what has ended, then submit what is new."""
    with opened(invocation, repo, values) as contexts:
        return running.run(contexts, invocation.tell)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@verb(*STATE, "max-attempts")
def status(invocation: Invocation, *, repo: str | None, as_json: bool, **values: Any) -> int:
    """Show pending batches with age and expiry, owed files, and what was spent."""
    seen: list[dict[str, object]] | None = [] if as_json else None
    return _printed(seen, told(invocation, repo, values, partial(looking.status, data=seen)))


@cli.command()
@verb(*STATE, "batch-id", "anthropic-base-url")
def cancel(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Ask Anthropic to cancel pending batches."""
    return told(invocation, repo, values, canceling.cancel, whose=remembered)


@cli.command()
@verb("task", "config-file", "state-key", "propose-from", "propose-only", "labels", "dry-run")
def propose(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Open a draft pull request for generated files that an earlier job checked."""
    with opened(invocation, repo, values) as contexts:
        return each(contexts[:1], proposing.propose, invocation.tell)


@cli.command()
@verb(*STATE, "report", "baseline-file")
def baseline(invocation: Invocation, *, repo: str | None, **values: Any) -> int:
    """Accept every finding that is open now, in a file to commit."""
    with opened(invocation, repo, values) as contexts:
        return each(contexts, accepting.baseline, invocation.tell)


@cli.command()
@click.option("--repo", type=click.Path(exists=True, file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--two-workflows", is_flag=True, help="One workflow submits, another collects.")
def init(*, repo: str, force: bool, two_workflows: bool) -> int:
    """Write the workflow and a commented config into a repository."""
    return initialising.init(Path(repo), force=force, two_workflows=two_workflows)


@cli.command()
@click.option("--repo", type=click.Path(exists=True, file_okay=False), help="Your own repository.")
@click.option("--base", help="Review what changed since this commit, e.g. HEAD~5.")
@click.option(
    "--task", default="code-review", show_default=True, help="What is asked of each file."
)
@click.option(
    "--sample",
    type=click.Choice(["python", "typescript", "go", "monorepo"]),
    default="python",
    show_default=True,
    help="Which sample repository, without `--repo`.",
)
@click.option("--out", default="batch-action-demo", show_default=True, help="Where files go.")
def demo(*, repo: str | None, base: str | None, task: str, sample: str, out: str) -> int:
    """Go the whole way against the sandbox: no key, no account, no network."""
    story = extra("demo", "sandbox")
    # All of it is on loopback: a proxy of this machine must not come between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    told = {"repo": repo, "base": base, "task": task, "sample": sample, "out": Path(out)}
    return int(story(**told, opener=_opened))


def _opened(
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    folder: Path,
    clock: Callable[[], datetime],
) -> AbstractContextManager[RunContext]:
    """The door's own way to open a world, for the demo's runs."""
    invocation = Invocation(environ=environ, clock=clock, write_interval=0.0)
    return build_context(invocation, flags=flags, repo=str(folder))


@cli.command()
@click.option("--port", default=8931, show_default=True, help="Anthropic; GitHub and blobs follow.")
@click.option("--batch-seconds", default=0.0, show_default=True, help="How long a batch runs.")
@click.option("--repo", type=click.Path(exists=True, file_okay=False), default=".")
def sandbox(*, port: int, batch_seconds: float, repo: str) -> int:
    """Serve the emulated Anthropic and GitHub on loopback for your own tests."""
    return int(extra("sandbox", "sandbox")(port=port, batch_seconds=batch_seconds, repo=Path(repo)))


cli.add_command(serve)


@cli.command()
@click.pass_obj
def action(invocation: Invocation) -> int:
    """Run as a GitHub action: inputs from INPUT_*, the verb from `mode`."""
    invocation = replace(invocation, action_inputs=inputs_from(invocation.environ))
    with opened(invocation, None, {}) as contexts:
        return _action(contexts, invocation)


def _action(contexts: Sequence[RunContext], invocation: Invocation) -> int:
    context, mode = contexts[0].context, contexts[0].settings.mode
    if context.event.startswith("pull_request"):
        contexts = tuple(eligibility.entered(ctx) for ctx in contexts)
        if context.fork or mode in ("run", "submit"):
            contexts = _reviewing(contexts)
        if not contexts:
            return 0
    match mode:
        case "run":
            return running.run(contexts, invocation.tell)
        case "collect":
            return run_for_each_task(
                contexts, (collecting.collect,), invocation.tell, whose=recovered
            )
        case "propose":
            return each(contexts[:1], proposing.propose, invocation.tell)
        case _:
            verbs: dict[str, Verb] = {
                "submit": submitting.submit,
                "plan": planning.plan,
                "status": looking.status,
            }
            return run_for_each_task(contexts, (verbs[mode],), invocation.tell)


def _reviewing(contexts: Sequence[RunContext]) -> tuple[RunContext, ...]:
    """The tasks that review this pull request; when there is none, it is told why."""
    reasons = [eligibility.why_not(ctx) for ctx in contexts]
    found = tuple(w for w, reason in zip(contexts, reasons, strict=True) if reason is None)
    if not found:
        contexts[0].runner.annotate("notice", next(filter(None, reasons)))
    return found
