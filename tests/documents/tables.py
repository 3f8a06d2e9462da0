"""From the settings: the inputs of action.yml, their tables, and the config file's schema.

`python -m tests.documents.tables` writes them; the tests compare them.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from pydantic.fields import FieldInfo

from batch_action.cli import commands
from batch_action.cli.group import SENTENCES
from batch_action.config.inputs import Rule
from batch_action.config.loading import declared_inputs, variables_of
from batch_action.config.settings import Settings
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


TEXTS_OF_BOOLEANS = ["on", "off", "yes", "no", "true", "false"]
"""YAML 1.2, which editors use, reads `on` as text."""


def config_schema(_: str = "") -> str:
    """Return the JSON Schema of the config file: the inputs that it may contain."""
    whole = Settings.model_json_schema(by_alias=True)
    _add_lengths(whole["properties"], Settings.model_fields.values())
    _add_lengths(whole["$defs"]["Rule"]["properties"], Rule.model_fields.values())
    properties = {
        name: _property(whole["properties"][name], declared.help)
        for name, (_, declared) in declared_inputs().items()
        if declared.file
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:batch-action:config:1",
        "title": ".github/batch-action.yml",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": {name: _loosen(part) for name, part in whole["$defs"].items()},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _add_lengths(properties: dict[str, Any], fields: Iterable[FieldInfo]) -> None:
    """Add the shortest lengths of lists, which pydantic omits where a validator comes before."""
    for part, field in zip(properties.values(), fields, strict=True):
        length = next((m.min_length for m in field.metadata if hasattr(m, "min_length")), None)
        if length and part.get("type") == "array":
            part["minItems"] = length


def _property(part: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the schema of one input; an empty value counts as unset."""
    default = {"default": part["default"]} if part.get("default") is not None else {}
    kept = _loosen({key: value for key, value in part.items() if key != "default"})
    return {"description": text, **default, "anyOf": [kept, {"type": "null"}, {"const": ""}]}


def _loosen(part: dict[str, Any]) -> dict[str, Any]:
    """Accept the texts that count as a list, a number or a boolean; drop generated titles."""
    part = {key: value for key, value in part.items() if key != "title"}
    for key in ("properties", "$defs"):
        if key in part:
            part[key] = {name: _loosen(value) for name, value in part[key].items()}
    if "anyOf" in part:
        part["anyOf"] = [_loosen(each) for each in part["anyOf"]]
    match part.get("type"):
        case "array" if "$ref" not in part.get("items", {}) or "enum" in part["items"]:
            text: dict[str, Any] = {"type": "string"}
        case "number" | "integer":
            text = {"type": "string", "pattern": r"^\s*[0-9.]+\s*$"}
        case "boolean":
            text = {"enum": TEXTS_OF_BOOLEANS}
        case _:
            return part
    return {"anyOf": [part, text]}


GENERATED: Mapping[str, Callable[[str], str]] = {
    "action.yml": action_inputs,
    "docs/INPUTS.md": _with_tables,
    "docs/config.schema.json": config_schema,
}


def main() -> None:
    for name, write in GENERATED.items():
        path = ROOT / name
        path.write_text(write(path.read_text("utf-8") if path.exists() else ""), "utf-8")


if __name__ == "__main__":
    main()
