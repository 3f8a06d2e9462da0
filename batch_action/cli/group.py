"""The command line: its commands by name, each imported when it is used."""

from collections.abc import Mapping
from importlib import import_module

import click

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Review": {
        "run": "Collect ended batches, then submit what changed.",
        "submit": "Send what changed since the last run, and the backlog, as a message batch.",
        "collect": "Fetch the results of ended batches and update the reports; sends no requests.",
        "cancel": "Ask Anthropic to cancel pending batches.",
    },
    "Look": {
        "plan": "Show what would be sent and what it would cost; needs no API key.",
        "status": "Show pending batches with age and expiry, the backlog, and what was spent.",
        "stats": "Show what became of the findings, by rule, category and month.",
        "evaluate": "Run a task on commits whose defects are known, and score what it finds.",
        "doctor": "Check what the next run needs; spends nothing and changes nothing.",
    },
    "Set up": {
        "init": "Write the workflow and a commented config into a repository.",
        "baseline": "Accept every open finding, in a file to commit.",
    },
    "Try": {
        "demo": "Submit and collect against the sandbox: no key, no account, no network.",
        "sandbox": "Serve the emulated Anthropic and GitHub on loopback for your own tests.",
    },
    "In a workflow or on a server": {
        "action": "Run as a GitHub action: inputs from INPUT_*, the command from `mode`.",
        "propose": "Open a draft pull request with generated files that an earlier job tested.",
        "serve": "Start the workflow that collects in listed repositories when their batches have "
        "ended.",
    },
}
"""The commands with the first sentence of their help, in the order of `--help`."""
SENTENCES = {name: text for commands in SECTIONS.values() for name, text in commands.items()}


class CommandGroup(click.Group):
    """A group whose help and typos import no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `--help`."""
        return list(SENTENCES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is no such one."""
        if cmd_name not in SENTENCES:
            return None
        command: click.Command = getattr(import_module("batch_action.cli.commands"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of an argument list. Raises NoSuchCommand with similar names."""
        if not args[0].startswith("-") and args[0] not in SENTENCES:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=SENTENCES, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their whole first sentences."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Inputs come from flags, then the environment (ANTHROPIC_API_KEY, GITHUB_TOKEN, "
    "BATCH_ACTION_<NAME>), then .github/batch-action.yml. Exit codes: 0 done, 1 findings at "
    "fail-on-severity, 2 configuration, 3 over budget, 4 Anthropic, 5 GitHub, 70 a bug, "
    "130 interrupted.",
)
@click.version_option(package_name="batch-action", prog_name="batch-action")
def cli() -> None:
    """Nightly AI upkeep of a repository at half price.

    Picks the files changed since the last run, sends them to Anthropic's Message Batches API and
    ends; a later run collects the results and updates one issue.
    """
