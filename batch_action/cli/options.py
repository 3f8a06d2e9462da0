"""Options of the commands, generated from the declared inputs, and their help on one screen."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from batch_action.cli.invocation import Invocation

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "What is asked": (
        "task", "prompt-file", "patch-file", "model", "effort", "recheck", "refactor-description",
        "test-framework", "test-paths",
    ),
    "Which files": (
        "repo", "paths", "paths-ignore", "select", "base", "head", "first-run", "max-file-bytes",
        "batch-id", "propose-from", "propose-only",
    ),
    "Cost and reports": (
        "max-cost-usd", "daily-budget-usd", "monthly-budget-usd", "on-over-budget", "min-requests",
        "small-workload", "max-wait-days", "prompt-cache", "max-requests-per-batch",
        "max-attempts",
        "report", "min-severity", "min-confidence", "fail-on-severity", "fail-on-verdict",
        "max-findings", "labels", "assignees", "allow-public-security-findings", "baseline-file",
        "exact", "show-request", "out", "answers", "compare", "as-json", "quiet", "verbose",
    ),
    "How it runs": (
        "wait-minutes", "dry-run", "config-file", "state-dir", "state-key", "state-branch",
        "retention-days", "anthropic-base-url", "force", "two-workflows", "help-all",
    ),
}  # fmt: skip
"""The flags by what they decide, in the order of the help."""
SECTION_OF = {name: title for title, names in SECTIONS.items() for name in names}
ORDINARY = frozenset({
    "task", "model", "effort", "paths", "paths-ignore", "select", "base", "first-run",
    "max-cost-usd", "report", "min-severity", "fail-on-severity", "wait-minutes", "dry-run",
})  # fmt: skip
"""The inputs that `--help` shows of a command that has many."""
MANY = 10
SHOW_ALL = "batch_action.show_all"
STATE_OPTIONS = (
    "task", "prompt-file", "patch-file", "config-file", "state-dir", "state-key", "state-branch",
)  # fmt: skip
SELECTION_OPTIONS = (
    "model", "effort", "paths", "paths-ignore", "select", "base", "head", "first-run",
    "max-cost-usd", "daily-budget-usd", "monthly-budget-usd", "on-over-budget", "min-requests",
    "small-workload", "max-wait-days", "prompt-cache", "max-requests-per-batch", "max-file-bytes",
    "max-attempts", "recheck", "refactor-description", "test-framework", "test-paths",
)  # fmt: skip
REPORT_OPTIONS = (
    "report", "min-severity", "min-confidence", "fail-on-severity", "fail-on-verdict",
    "max-findings", "labels", "assignees", "allow-public-security-findings", "wait-minutes",
    "batch-id",
)  # fmt: skip
SEND_OPTIONS = ("dry-run", "retention-days", "anthropic-base-url")


class InputOption(click.Option):
    """The flag of an input: its value is validated with all others, when the command runs."""

    def __init__(self, name: str) -> None:
        from batch_action.config.loading import declared_inputs

        field, declared = declared_inputs()[name]
        self.choices = list_choices(field.annotation)
        self.default_text = show_default(field.default)
        kind: dict[str, Any] = {"metavar": "WORD" if self.choices else _metavar(field.annotation)}
        if field.annotation is bool:
            kind = {"is_flag": True, "flag_value": True}
        elif "tuple" in str(field.annotation):
            kind["multiple"] = True
        super().__init__([f"--{name}"], default=None, help=declared.help, **kind)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the flag, and its help with the choices and the default.

        Without `--help-all` only the start of the help is shown.
        """
        text = (self.help or "").rstrip(".").replace("`", "")
        if not ctx.meta.get(SHOW_ALL):
            text = re.split(r"[.;] ", text)[0]
            if not self.choices and ": " not in text:
                text = text.partition(", ")[0]
            if not set(self.choices) <= set(re.findall(r"[\w-]+", text)):
                text = f"{text.partition(': ')[0]}: {', '.join(self.choices)}"
        default = f" [{self.default_text}]" if self.default_text else ""
        return self.get_help_spec(ctx), text + default

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the choices that begin so."""
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


class InputCommand(click.Command):
    """A command with the flags of inputs, and those of what is printed.

    The flags are built when the command is used: building all of them takes long.
    """

    def __init__(
        self, name: str, *, example: str, inputs: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.example = f"batch-action {name} {example}".strip()
        self._inputs = inputs
        self._built: list[click.Parameter] = []

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters."""
        if not self._built:
            repo = [_repo_option()] if self._inputs else []
            self._built = [*repo, *map(InputOption, self._inputs), *_print_options()]
            self.params += self._built
        return super().get_params(ctx)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description and the example."""
        super().format_help_text(ctx, formatter)
        with formatter.indentation():
            formatter.write_text(f"Example: {self.example}")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags in their sections."""
        show_all = ctx.meta.get(SHOW_ALL) or len(self._inputs) <= MANY
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for option in self.get_params(ctx):
            name = (option.name or "").replace("_", "-")
            is_shown = show_all or name in ORDINARY or not isinstance(option, InputOption)
            is_flag = isinstance(option, click.Option)
            if is_flag and is_shown and (record := option.get_help_record(ctx)):
                rows[SECTION_OF.get(name, "How it runs")].append(record)
        width = min(28, max(len(flag) for records in rows.values() for flag, _ in records))
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    padded = [(flag.ljust(width), text) for flag, text in records]
                    formatter.write_dl(padded)


def _repo_option() -> click.Option:
    return click.Option(
        ["--repo"],
        type=click.Path(exists=True, file_okay=False),
        metavar="FOLDER",
        help="The repository's folder [the current one]",
    )


def _print_options() -> list[click.Option]:
    """Return the flags of what is printed; their values go to the invocation's `output`."""

    def note(ctx: click.Context, option: click.Parameter, value: bool) -> None:
        if value and isinstance(ctx.obj, Invocation):
            setattr(ctx.obj.output, option.name or "", True)

    def show_all(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[SHOW_ALL] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    kind: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True}
    return [
        click.Option(
            ["--json", "as_json"],
            help="Print one JSON object on standard output",
            callback=note,
            **kind,
        ),
        click.Option(
            ["-q", "--quiet"], help="Print only warnings and errors", callback=note, **kind
        ),
        click.Option(["-v", "--verbose"], help="Print each HTTP call", callback=note, **kind),
        click.Option(["--help-all"], help="Show all flags and exit", callback=show_all, **kind),
    ]


def list_choices(annotation: Any) -> tuple[str, ...]:
    """Return the values that a type accepts, alone or as items; empty when there is no list."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(member.value) for member in annotation)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (tuple, Union, UnionType, Annotated):
        return next(filter(None, map(list_choices, get_args(annotation))), ())
    return ()


def show_default(value: object) -> str:
    """Return a default as `--help` shows it; empty when an input is not set by default."""
    match value:
        case bool() | None:
            return ""
        case tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _metavar(annotation: Any) -> str:
    if annotation in (int, float, float | None):
        return "NUMBER"
    return "LIST" if "tuple" in str(annotation) else "TEXT"


def inputs_from_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the names of the inputs; a repeated flag becomes lines."""
    return {
        key.replace("_", "-"): "\n".join(value) if isinstance(value, tuple) else value
        for key, value in values.items()
    }
