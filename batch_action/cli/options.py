"""Verbs that need an extra: imported only when they are called."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from batch_action.cli.bootstrap import Invocation, build_contexts
from batch_action.commands.multi_task import Verb, Whose, run_for_each_task
from batch_action.config.loading import inputs
from batch_action.context import RunContext
from batch_action.errors import ConfigError, Interrupted
from batch_action.publishers import job_summary


def extra(verb: str, package: str) -> Callable[..., Any]:
    """The story of a verb that needs the extra *package*; ConfigError where it is missing."""
    try:
        found: Callable[..., Any] = getattr(import_module(f"batch_action.commands.{verb}"), verb)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{verb}` needs the package {error.name}, which is not installed.",
            fix=f"Install it with: pip install 'batch-action[{package}]'",
        ) from None
    return found


STATE = [
    "task",
    "prompt-file",
    "patch-file",
    "config-file",
    "state-dir",
    "state-key",
    "state-branch",
]
CHOICE = [
    "model",
    "effort",
    "paths",
    "paths-ignore",
    "select",
    "base",
    "head",
    "first-run",
    "max-cost-usd",
    "monthly-budget-usd",
    "on-over-budget",
    "min-requests",
    "small-workload",
    "max-wait-days",
    "prompt-cache",
    "max-requests-per-batch",
    "max-file-bytes",
    "max-attempts",
    "recheck",
    "refactor-description",
    "test-framework",
    "test-paths",
]
REPORT = [
    "report",
    "min-severity",
    "min-confidence",
    "fail-on-severity",
    "fail-on-verdict",
    "max-findings",
    "labels",
    "assignees",
    "allow-public-security-findings",
    "wait-minutes",
    "batch-id",
]
SENDING = ["dry-run", "retention-days", "anthropic-base-url"]


def option(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option of one input."""
    field, declared = inputs()[name]
    text = declared.help
    kind: dict[str, Any] = {"default": None, "help": text, "metavar": "VALUE"}
    if field.annotation is bool:
        kind = {"default": None, "help": text, "is_flag": True, "flag_value": True}
    elif "tuple" in str(field.annotation):
        kind["multiple"] = True
    return click.option(f"--{name}", **kind)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Click's values under the inputs' names; a repeated flag becomes lines."""
    return {
        key.replace("_", "-"): "\n".join(value) if isinstance(value, tuple) else value
        for key, value in values.items()
    }


def verb(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the flags of these inputs, `--repo`, and the door."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        for name in reversed(names):
            function = option(name)(function)
        return click.option(
            "--repo",
            type=click.Path(exists=True, file_okay=False),
            help="The repository's folder; the current one if not given.",
        )(click.pass_obj(function))

    return decorate


@contextmanager
def opened(
    invocation: Invocation, repo: str | None, values: Mapping[str, Any]
) -> Iterator[tuple[RunContext, ...]]:
    """A world for each task; at the end what needs attention is told, and where it stopped."""
    with build_contexts(invocation, flags=given(values), repo=repo) as contexts:
        try:
            yield contexts
        except Interrupted:
            job_summary.interrupted(contexts[0])
            raise
        finally:
            job_summary.attention(*contexts)


def told(
    invocation: Invocation,
    repo: str | None,
    values: Mapping[str, Any],
    story: Verb,
    whose: Whose | None = None,
) -> int:
    """The exit code of a verb that is done for every task."""
    with opened(invocation, repo, values) as contexts:
        return run_for_each_task(contexts, (story,), invocation.tell, whose=whose)
