"""The tables of inputs in action.yml and the documents, made from the settings.

`python -m tests.documents.tables` writes them anew; the tests compare.
"""

import re
from collections.abc import Callable, Mapping

import click

from batch_action.cli.commands import cli
from batch_action.config.loading import inputs
from tests.documents.texts import ROOT

OWN_TOKEN = "the workflow's own token"


def default_of(name: str) -> str:
    """The default in words, as action.yml and the documents write it."""
    value = inputs()[name][0].default
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
    return {option for parameter in command.params for option in parameter.opts}


def ways(name: str) -> str:
    """How an input can be set."""
    _, declared = inputs()[name]
    flags = {flag for command in cli.commands.values() for flag in flags_of(command)}
    found = [
        way
        for way, there in (
            ("input", declared.action),
            ("flag", f"--{name}" in flags),
            ("file", declared.file),
        )
        if there
    ]
    found += [f"`{declared.env}`"] if declared.env else []
    return ", ".join(found or ["variable"])


def row(name: str) -> str:
    default = default_of(name)
    shown = default if default in ("none", OWN_TOKEN) else f"`{default}`"
    return f"| `{name}` | {shown} | {ways(name)} | {inputs()[name][1].help} |"


def table(*, action: bool) -> str:
    """The rows of the inputs that action.yml shows, or of all others."""
    names = [name for name, (_, declared) in inputs().items() if declared.action is action]
    head = "| Input | Default | Set by | What it does |\n|---|---|---|---|"
    return "\n".join([head, *map(row, names)])


def _with_table(text: str, *, action: bool) -> str:
    """The document with its table of inputs replaced."""
    there = re.compile(r"^\| Input \| Default \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
    return there.sub(lambda _: table(action=action), text, count=1)


def action_inputs(text: str) -> str:
    """action.yml with its inputs replaced; only the token declares a default."""
    lines = []
    for name, (_, declared) in inputs().items():
        if declared.action:
            lines += [
                f"  {name}:",
                f'    description: "{declared.help} Default: {default_of(name)}."',
                "    required: false",
            ]
            lines += ["    default: ${{ github.token }}"] * (name == "github-token")
    between = re.compile(r"(?<=^inputs:\n).*?(?=\n\noutputs:)", re.MULTILINE | re.DOTALL)
    return between.sub(lambda _: "\n".join(lines), text, count=1)


WRITTEN: Mapping[str, Callable[[str], str]] = {
    "action.yml": action_inputs,
    "README.md": lambda text: _with_table(text, action=True),
    "docs/INPUTS.md": lambda text: _with_table(text, action=False),
}


def main() -> None:
    for name, write in WRITTEN.items():
        path = ROOT / name
        path.write_text(write(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
