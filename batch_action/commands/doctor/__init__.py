"""`doctor`: check what the next run needs; it spends and changes nothing."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_action import escape
from batch_action.clients.actions_runner import Runner
from batch_action.clients.console import Console
from batch_action.commands.doctor import installation, services
from batch_action.commands.doctor.check import Check, CheckState, fail, not_checkable, ok, warn
from batch_action.commands.doctor.installation import Installation
from batch_action.commands.doctor.workflows import jobs_of
from batch_action.commands.plan import uncommitted
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.files import Selection
from batch_action.publishers import report_text
from batch_action.selection.patterns import selection_warnings

CHECKS = (
    "configuration", "network", "key", "model", "token", "permissions", "storage", "history",
    "trust", "labels", "sarif", "slack", "webhook", "schedule", "reviews",
)  # fmt: skip
"""The names of all checks, in the order of the report."""
NAME_WIDTH = max(map(len, CHECKS))
STATE_WIDTH = max(len(state) for state in CheckState)
SYMBOLS = {
    CheckState.OK: "✅",
    CheckState.WARN: "⚠️",
    CheckState.FAIL: "❌",
    CheckState.NOT_CHECKABLE: "❔",
}
MAX_SUMMARY_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the checks look at besides a context."""

    environ: Mapping[str, str]
    config: Mapping[str, Any]
    """The config file."""
    config_name: str
    problems: tuple[Check, ...] = ()
    """What was found while the contexts were opened."""
    warnings: tuple[str, ...] = ()
    """About the configuration."""


def doctor(
    contexts: Sequence[RunContext],
    surroundings: Surroundings,
    data: list[Mapping[str, str]] | None,
    *,
    quiet: bool = False,
) -> int:
    """Report every check, or add it to *data*; return 2 when one fails, else 0.

    *quiet*: report warnings and failures only.
    """
    checks = list(dict.fromkeys(c for ctx in contexts for c in examine(ctx, surroundings)))
    ctx = contexts[0]
    report(ctx.runner, checks, data, quiet=quiet)
    if "summary" in ctx.settings.report:
        ctx.runner.summary(render_summary(checks))
    return exit_code(checks)


def exit_code(checks: Iterable[Check]) -> int:
    """Return 2 when a check fails, else 0."""
    return ConfigError.exit_code if any(c.state is CheckState.FAIL for c in checks) else 0


def examine(ctx: RunContext, surroundings: Surroundings) -> Iterator[Check]:
    """Yield all checks of one task, in the order of `CHECKS`."""
    environ, head = surroundings.environ, ctx.git.resolve(ctx.github_context.sha or "HEAD")
    installed = find_installation(ctx, surroundings, head)
    found = list(surroundings.problems)
    has_key = False

    def run(name: str, check: Callable[[], Iterable[Check]]) -> None:
        try:
            found.extend(check())
        except BatchActionError as error:
            found.append(not_checkable(name, error.problem, error.fix))

    run("configuration", lambda: check_configuration(ctx, surroundings, head))
    run("network", lambda: services.check_network(environ))
    run("key", lambda: services.check_key(ctx, environ))
    has_key = any(c.name == "key" and c.state is CheckState.OK for c in found)
    run("model", lambda: services.check_model(ctx, has_key))
    if not any(c.name == "token" for c in found):
        run("token", lambda: services.check_token(ctx))
    run("permissions", lambda: installation.check_permissions(ctx, installed))
    run("storage", lambda: installation.check_storage(ctx))
    run("history", lambda: installation.check_history(ctx.git))
    run("trust", lambda: installation.check_trust(ctx, installed))
    run("labels", lambda: services.check_labels(ctx))
    run("sarif", lambda: services.check_code_scanning(ctx))
    run("slack", lambda: services.check_messages(ctx.settings))
    run("schedule", lambda: installation.check_schedule(ctx, installed, head))
    run("reviews", lambda: installation.check_double_reviews(ctx.git, installed, head))
    yield from sorted(found, key=lambda check: CHECKS.index(check.name))


def find_installation(ctx: RunContext, surroundings: Surroundings, head: str) -> Installation:
    """Return the jobs that use the action at *head*, and this run's at its workflow's commit."""
    environ, context = surroundings.environ, ctx.github_context
    action = environ.get("GITHUB_ACTION_REPOSITORY") or ""
    jobs = jobs_of(ctx.git, head, surroundings.config, action)
    commit = environ.get("GITHUB_WORKFLOW_SHA") or head
    is_own = (environ.get("GITHUB_WORKFLOW_REF") or "").startswith(f"{context.repository}/")
    if not (ctx.runner.actions and is_own and ctx.git.has_commit(commit)):
        return Installation(jobs, ())
    all_jobs = jobs if commit == head else jobs_of(ctx.git, commit, surroundings.config, action)
    in_file = [job for job in all_jobs if job.path == context.workflow]
    own = [job for job in in_file if job.job == environ.get("GITHUB_JOB")]
    return Installation(jobs, tuple(own))


def check_configuration(ctx: RunContext, surroundings: Surroundings, head: str) -> Iterator[Check]:
    """Check that the config file counts, and that its patterns match files."""
    name = surroundings.config_name
    empty = Selection(head=head, base=None, files=(), skipped=())
    warnings = [*surroundings.warnings, *selection_warnings(ctx, empty)]
    if not ctx.runner.actions:
        warnings += uncommitted(ctx, head, name)
    yield from (warn("configuration", text) for text in warnings)
    if not warnings:
        what = f"{name} of commit {head[:12]}" if surroundings.config else "Every input"
        yield ok("configuration", f"{what} is valid.")


def report_unopened(
    runner: Runner,
    error: BatchActionError,
    name: str,
    data: list[Mapping[str, str]] | None,
    *,
    quiet: bool = False,
) -> int:
    """Report what keeps the contexts from being opened: no other check can be made; return 2."""
    checks = [fail(name, error.problem, error.fix)]
    others = (other for other in CHECKS if other != name)
    checks += [not_checkable(other, f"Not before {name} is right.") for other in others]
    report(runner, checks, data, quiet=quiet)
    return exit_code(checks)


def report(
    runner: Runner,
    checks: Sequence[Check],
    data: list[Mapping[str, str]] | None,
    *,
    quiet: bool = False,
) -> None:
    """Print a line for each check and one for its fix, or add them to *data*.

    *quiet*: print warnings and errors only. In Actions a check that fails is an annotation, too.
    """
    levels = {CheckState.WARN: "warning"} if quiet else {}
    if quiet or data is not None or runner.actions:
        levels[CheckState.FAIL] = "error"
    for check in checks:
        if level := levels.get(check.state):
            runner.annotate(level, f"{check.name}: {check.message} {check.fix}".strip())
    if data is not None:
        data += [
            {"name": c.name, "state": c.state.value, "message": c.message, "fix": c.fix}
            for c in checks
        ]
    if quiet or data is not None:
        return
    console = Console(plain=runner.actions, hide=runner.hide)
    for check in checks:
        head = f"{check.state:{STATE_WIDTH}}  {check.name:{NAME_WIDTH}}  "
        console.print(_wrap(console, head, check.message))
        if check.fix:
            console.print(_wrap(console, " " * len(head), f"Fix: {check.fix}"))
    counts = [(state, sum(c.state is state for c in checks)) for state in CheckState]
    console.print(", ".join(f"{count} {state}" for state, count in counts if count))


def _wrap(console: Console, head: str, text: str) -> str:
    """Put a text beside its head, within the width of a terminal; a log gets whole lines."""
    text = " ".join(text.split())
    width = console.line_width
    if width is None:
        return head + text
    indent = " " * len(head)
    return textwrap.fill(
        text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    )


def render_summary(checks: Sequence[Check]) -> str:
    """Render the checks for the job summary."""
    rows = [
        (f"{SYMBOLS[c.state]} {c.state}", c.name, escape.markdown(f"{c.message} {c.fix}".strip()))
        for c in checks
    ]
    table = report_text.format_table(("", "Check", ""), rows, MAX_SUMMARY_BYTES)
    return f"### batch-action: doctor\n\n{table}\n"
