"""Options of the commands, generated from the declared inputs; how a command is run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from batch_action.cli.bootstrap import Invocation, build_contexts
from batch_action.config.loading import declared_inputs
from batch_action.context import RunContext
from batch_action.errors import ConfigError, Interrupted
from batch_action.publishers import job_summary


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


STATE_OPTIONS = [
    "task", "prompt-file", "patch-file", "config-file", "state-dir", "state-key", "state-branch",
]  # fmt: skip
SELECTION_OPTIONS = [
    "model", "effort", "paths", "paths-ignore", "select", "base", "head", "first-run",
    "max-cost-usd", "daily-budget-usd", "monthly-budget-usd", "on-over-budget", "min-requests",
    "small-workload", "max-wait-days", "prompt-cache", "max-requests-per-batch", "max-file-bytes",
    "max-attempts", "recheck", "refactor-description", "test-framework", "test-paths",
]  # fmt: skip
REPORT_OPTIONS = [
    "report", "min-severity", "min-confidence", "fail-on-severity", "fail-on-verdict",
    "max-findings", "labels", "assignees", "allow-public-security-findings", "wait-minutes",
    "batch-id",
]  # fmt: skip
SEND_OPTIONS = ["dry-run", "retention-days", "anthropic-base-url"]


def input_option(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return the option of an input."""
    field, declared = declared_inputs()[name]
    text = declared.help
    kind: dict[str, Any] = {"default": None, "help": text, "metavar": "VALUE"}
    if field.annotation is bool:
        kind = {"default": None, "help": text, "is_flag": True, "flag_value": True}
    elif "tuple" in str(field.annotation):
        kind["multiple"] = True
    return click.option(f"--{name}", **kind)


def inputs_from_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the names of the inputs; a repeated flag becomes lines."""
    return {
        key.replace("_", "-"): "\n".join(value) if isinstance(value, tuple) else value
        for key, value in values.items()
    }


def command_options(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the options of these inputs and `--repo` to a command, and pass it the invocation."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        for name in reversed(names):
            function = input_option(name)(function)
        return click.option(
            "--repo",
            type=click.Path(exists=True, file_okay=False),
            help="The repository's folder; the current one if not given.",
        )(click.pass_obj(function))

    return decorate


@contextmanager
def open_contexts(
    invocation: Invocation, repo: str | None, values: Mapping[str, Any]
) -> Iterator[tuple[RunContext, ...]]:
    """Yield a context for each task; at the end write what needs attention to the job summary."""
    with build_contexts(invocation, flags=inputs_from_flags(values), repo=repo) as contexts:
        try:
            yield contexts
        except Interrupted:
            job_summary.report_interrupted(contexts[0])
            raise
        finally:
            job_summary.report_run_end(*contexts)
