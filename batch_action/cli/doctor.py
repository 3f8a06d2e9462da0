"""Run `doctor`, which reports also what keeps the contexts of a run from being opened."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from batch_action.cli import config_file, effects
from batch_action.cli.execution import open_contexts
from batch_action.cli.invocation import Invocation
from batch_action.clients.github.errors import RefusedError
from batch_action.clients.network import network_variables
from batch_action.commands.doctor import Surroundings, doctor, report_unopened
from batch_action.commands.doctor.check import Check, fail, not_checkable
from batch_action.context import RunContext
from batch_action.errors import BatchActionError, ConfigError, GitHubError

TOKEN_VARIABLES = ("GITHUB_TOKEN", "BATCH_ACTION_GITHUB_TOKEN")


def execute_doctor(invocation: Invocation, values: dict[str, Any]) -> int:
    """Check what the next run needs; return 2 when a check fails, else 0."""
    data: list[Mapping[str, str]] | None = [] if invocation.output.as_json else None
    quiet = invocation.output.quiet
    repo, problems = values.pop("repo"), list[Check]()
    name = "network"
    with ExitStack() as stack:
        try:
            network_variables(invocation.environ)
            name = "configuration"
            try:
                contexts = stack.enter_context(open_contexts(invocation, repo, values))
            except GitHubError as error:
                # Without an answer of GitHub's nothing is known about the token.
                found = fail if isinstance(error, RefusedError) else not_checkable
                problems.append(found("token", error.problem, error.fix))
                invocation = _without_token(invocation)
                contexts = stack.enter_context(open_contexts(invocation, repo, values))
        except BatchActionError as error:
            runner = invocation.runner(invocation.workspace(repo))
            code = report_unopened(runner, error, name, data, quiet=quiet)
        else:
            surroundings = replace(
                _surroundings(contexts[0], invocation.environ, tuple(problems)),
                warnings=tuple(effects.find(contexts, invocation, values)),
            )
            code = doctor(contexts, surroundings, data, quiet=quiet)
    if data is not None:
        invocation.output.data["checks"] = data
    return code


def _without_token(invocation: Invocation) -> Invocation:
    """Return the invocation without the token that GitHub refuses."""
    environ = {k: v for k, v in invocation.environ.items() if k not in TOKEN_VARIABLES}
    inputs = {k: v for k, v in invocation.action_inputs.items() if k != "github-token"}
    return replace(invocation, environ=environ, action_inputs=inputs)


def _surroundings(
    ctx: RunContext, environ: Mapping[str, str], problems: tuple[Check, ...]
) -> Surroundings:
    context, git = ctx.github_context, ctx.git
    name = config_file.normalize_name(ctx.settings.config_file, context.workspace)
    file: Mapping[str, Any] = {}
    try:
        commit = git.resolve(ctx.run.rules_commit or context.sha or "HEAD")
        file = config_file.read_config_file(git, commit, name) or {}
    except ConfigError as error:
        problems = (*problems, fail("configuration", error.problem, error.fix))
    return Surroundings(environ=environ, config=file, config_name=name, problems=problems)
