"""Run the commands that work on the tasks of a run: open their contexts, report what they did."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batch_action.cli import effects
from batch_action.cli.bootstrap import build_context, build_contexts
from batch_action.cli.call_log import printed_calls
from batch_action.cli.dispatch import run_command
from batch_action.cli.invocation import Invocation
from batch_action.cli.options import inputs_from_flags
from batch_action.context import RunContext
from batch_action.errors import Interrupted
from batch_action.publishers import run_end

REPORTING = ("plan", "status", "stats", "cancel", "baseline")
"""The commands that add what they report to `data`; of the others it is the outputs."""


def execute(name: str, invocation: Invocation, values: dict[str, Any], **options: Any) -> int:
    """Run a command with the values of its flags; *options* are arguments of its function.

    What it reports goes to the invocation's output, one object per task.
    """
    data: list[dict[str, object]] = []
    saved: list[Any] = []
    if name == "status":
        options["saved"] = saved
    if name in REPORTING and invocation.output.as_json:
        options["data"] = data
    contexts: tuple[RunContext, ...] = ()
    try:
        is_offline = "render" in options
        with open_contexts(invocation, values.pop("repo"), values, offline=is_offline) as contexts:
            effects.warn(contexts, invocation, values, name)
            return run_command(name, contexts, invocation.report_error, **options)
    finally:
        if name not in REPORTING:
            data = [
                {
                    "task": ctx.task.name,
                    "state_key": ctx.settings.state_key,
                    "outputs": ctx.runner.typed_outputs(),
                }
                for ctx in contexts
            ]
        invocation.output.data["tasks"] = data
        if name == "status":
            from batch_action.commands.status import describe_savings

            invocation.output.data["savings"] = describe_savings(*saved)


def execute_evaluate(invocation: Invocation, values: dict[str, Any], **options: Any) -> int:
    """Evaluate the first task of the settings; nothing is read from GitHub or written there."""
    from batch_action.commands.evaluate import evaluate

    environ = {
        name: value
        for name, value in invocation.environ.items()
        if not name.startswith(("GITHUB_", "ACTIONS_"))
    }
    local = replace(invocation, environ=environ)
    data = invocation.output.data if invocation.output.as_json else None
    with open_contexts(local, values.pop("repo"), values) as contexts:
        return evaluate(contexts[0], data=data, **options)


def execute_action(invocation: Invocation) -> int:
    """Run the command of `mode` with the inputs of the action."""
    with open_contexts(invocation, None, {}) as contexts:
        context, mode = contexts[0].github_context, contexts[0].settings.mode
        effects.warn(contexts, invocation, {}, mode)
        is_pull_request = context.event.startswith("pull_request")
        if is_pull_request and (context.from_fork or mode in ("run", "submit")):
            eligible = _reviewing_contexts(contexts)
        else:
            eligible = contexts
        return run_command(mode, eligible, invocation.report_error) if eligible else 0


def open_demo_context(
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
    folder: Path,
    clock: Callable[[], datetime],
) -> AbstractContextManager[RunContext]:
    """Open the context of one run of the demo."""
    invocation = Invocation(environ=environ, clock=clock, write_interval=0.0)
    return build_context(invocation, flags=flags, repo=str(folder))


@contextmanager
def open_contexts(
    invocation: Invocation, repo: str | None, values: Mapping[str, Any], *, offline: bool = False
) -> Iterator[tuple[RunContext, ...]]:
    """Yield a context for each task; at the end write what needs attention to the job summary."""
    with (
        printed_calls(invocation),
        build_contexts(
            invocation, flags=inputs_from_flags(values), repo=repo, offline=offline
        ) as contexts,
    ):
        try:
            yield contexts
        except Interrupted:
            run_end.report_interrupted(contexts[0])
            raise
        finally:
            run_end.report_run_end(*contexts)


def _reviewing_contexts(contexts: Sequence[RunContext]) -> tuple[RunContext, ...]:
    """Return the tasks that review this pull request; without any, annotate the reason."""
    from batch_action.publishers.pull_request import eligibility

    reasons = [eligibility.skip_reason(ctx) for ctx in contexts]
    eligible = tuple(c for c, reason in zip(contexts, reasons, strict=True) if reason is None)
    if not eligible:
        contexts[0].runner.annotate("notice", next(filter(None, reasons)))
    return eligible
