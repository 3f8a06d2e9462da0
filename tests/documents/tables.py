"""The inputs in action.yml and the tables of inputs in the documents, from the settings.

`python -m tests.documents.tables` writes them; the tests compare them.
"""

import re
from collections.abc import Callable, Mapping

import click

from batch_action.cli import commands
from batch_action.cli.group import SENTENCES
from batch_action.config.loading import declared_inputs, variables_of
from tests.documents.texts import ROOT

OWN_TOKEN = "the workflow's own token"


COMMANDS: Mapping[str, click.Command] = {name: getattr(commands, name) for name in SENTENCES}


def default_of(name: str) -> str:
    """Return the default as action.yml and the documents write it."""
    value = declared_inputs()[name][0].default
    match value:
        case _ if name == "github-token":
            return OWN_TOKEN
        case None | "" | () | {}:
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(str(item) for item in value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def flags_of(command: click.Command) -> set[str]:
    parameters = command.get_params(click.Context(command))
    return {option for parameter in parameters for option in parameter.opts}


def sources_of(name: str) -> str:
    """Return how an input can be set."""
    _, declared = declared_inputs()[name]
    flags = {flag for command in COMMANDS.values() for flag in flags_of(command)}
    sources = [
        source
        for source, available in (
            ("input", declared.action),
            ("flag", f"--{name}" in flags),
            ("file", declared.file and not declared.guarded),
            ("file of the default branch", declared.guarded),
        )
        if available
    ]
    sources += [f"`{variable}`" for variable in variables_of(name)[:-1]]
    return ", ".join(sources or ["variable"])


def row(name: str) -> str:
    default = default_of(name)
    default_text = default if default in ("none", OWN_TOKEN) else f"`{default}`"
    return f"| `{name}` | {default_text} | {sources_of(name)} | {declared_inputs()[name][1].help} |"


def table(*, action: bool) -> str:
    """Return the table of the inputs in action.yml, or of all others."""
    names = [name for name, (_, declared) in declared_inputs().items() if declared.action is action]
    head = "| Input | Default | Set by | What it does |\n|---|---|---|---|"
    return "\n".join([head, *map(row, names)])


def _with_tables(text: str) -> str:
    """Replace the tables of inputs of a document: those of action.yml, then all others."""
    pattern = re.compile(r"^\| Input \| Default \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
    tables = iter((table(action=True), table(action=False)))
    return pattern.sub(lambda _: next(tables), text, count=2)


def action_inputs(text: str) -> str:
    """Replace the inputs of action.yml; only the token declares a default."""
    lines = []
    for name, (_, declared) in declared_inputs().items():
        if declared.action:
            lines += [
                f"  {name}:",
                f'    description: "{declared.help} Default: {default_of(name)}."',
                "    required: false",
            ]
            lines += ["    default: ${{ github.token }}"] * (name == "github-token")
    pattern = re.compile(r"(?<=^inputs:\n).*?(?=\n\noutputs:)", re.MULTILINE | re.DOTALL)
    return pattern.sub(lambda _: "\n".join(lines), text, count=1)


GENERATED: Mapping[str, Callable[[str], str]] = {
    "action.yml": action_inputs,
    "docs/INPUTS.md": _with_tables,
}


def main() -> None:
    for name, write in GENERATED.items():
        path = ROOT / name
        path.write_text(write(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
