"""One execution of the program: its environment, and how much it prints.

Modules that take long to import are imported by the methods that need them: `--help` needs none.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from batch_action import escape
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.command_output import CommandOutput

if TYPE_CHECKING:
    from batch_action.clients.actions_runner import Runner


class TestHooks(TypedDict, total=False):
    """Replacements that tests pass for the clock and the pauses of an `Invocation`."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    write_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The environment of one execution of the program."""

    environ: Mapping[str, str]
    action_inputs: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    """How retries wait."""
    write_interval: float = 1.0
    """Seconds between two writes to GitHub, as its documentation asks."""
    secrets: set[str] = field(default_factory=set)
    """What no text may contain; shared by all runners of this execution."""
    output: CommandOutput = field(default_factory=CommandOutput)

    def with_action_inputs(self) -> "Invocation":
        """Return the invocation with the inputs of the action."""
        from batch_action.clients.actions_runner import read_inputs

        return replace(self, action_inputs=read_inputs(self.environ))

    def workspace(self, repo: str | None) -> Path:
        """Return the folder of the repository; *repo* is the value of `--repo`."""
        return Path(repo or self.environ.get("GITHUB_WORKSPACE") or ".").resolve()

    def report_error(self, error: BatchActionError) -> None:
        """Report an error: an annotation and a job summary in Actions, a line elsewhere."""
        runner = self.runner(self.workspace(None))
        runner.annotate("error", str(error))
        with suppress(ConfigError, OSError):  # the summary cannot be written
            lines = (escape.markdown(line) for line in str(error).splitlines())
            runner.summary("\n".join(["**Failed**", "", *(f"> {line}  " for line in lines), ""]))

    def runner(self, workspace: Path) -> "Runner":
        """Return the runner's file commands; outside of Actions they print plain lines."""
        from batch_action.clients.actions_runner import MIN_SECRET_CHARS, Runner
        from batch_action.clients.network import url_secrets

        environ = self.environ
        self.secrets.update(s for s in url_secrets(environ) if len(s) >= MIN_SECRET_CHARS)
        return Runner(
            workspace,
            output_path=path_of(environ.get("GITHUB_OUTPUT")),
            summary_path=path_of(environ.get("GITHUB_STEP_SUMMARY")),
            actions=environ.get("GITHUB_ACTIONS") == "true",
            # Standard output is for data (`--json`); the runner reads commands from both.
            stream=sys.stderr,
            secrets=self.secrets,
            output=self.output,
        )


def path_of(text: str | None) -> Path | None:
    """Return the path in a variable; None when it is unset or empty."""
    return Path(text) if text else None
