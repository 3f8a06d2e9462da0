"""Warn of what was set and changes nothing: inputs, and files named almost like the config file."""

from collections.abc import Mapping, Sequence
from typing import Any

from batch_action.cli import config_file
from batch_action.cli.invocation import Invocation
from batch_action.cli.options import inputs_from_flags
from batch_action.config.without_effect import names_given, without_effect
from batch_action.context import RunContext

COMMANDS = ("plan", "submit", "collect", "run")
"""The commands whose inputs a workflow has; `doctor` asks by itself."""


def warn(
    contexts: Sequence[RunContext],
    invocation: Invocation,
    values: Mapping[str, Any],
    command: str,
) -> None:
    """Warn, in the log and in the job summary; *values*: those of the flags."""
    if command in COMMANDS:
        for text in find(contexts, invocation, values, command):
            contexts[0].warn(text)


def find(
    contexts: Sequence[RunContext],
    invocation: Invocation,
    values: Mapping[str, Any],
    command: str = "",
) -> list[str]:
    """Return a sentence about each; without *command*, of what no command would use."""
    first = contexts[0]
    given = names_given(inputs_from_flags(values), invocation.action_inputs, invocation.environ)
    commit = first.git.resolve(first.run.rules_commit or first.github_context.sha or "HEAD")
    name = config_file.normalize_name(first.settings.config_file, first.github_context.workspace)
    return [
        *without_effect([ctx.settings for ctx in contexts], given, command),
        *config_file.misnamed_files(first.git, commit, name),
    ]
