"""Mappings in (flags, inputs, environment, file), Settings out; all mistakes at once."""

import difflib
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from batch_action.config.settings import Input, Settings
from batch_action.errors import ConfigError

BRIEFLY = reprlib.Repr()
BRIEFLY.maxstring = BRIEFLY.maxother = 100
"""A value that a person can read: YAML's aliases make huge ones of little text."""


def inputs() -> dict[str, tuple[FieldInfo, Input]]:
    """Every input's name (kebab-case) with its field and its declaration."""
    return {
        str(field.alias): (field, next(m for m in field.metadata if isinstance(m, Input)))
        for field in Settings.model_fields.values()
    }


def gather(
    *,
    flags: Mapping[str, Any],
    action_inputs: Mapping[str, str],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
) -> Settings:
    """Settings by precedence: flag or input, environment, file, default; an empty string is unset.

    Raises ConfigError with all mistakes at once.
    """
    known = inputs()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems = [_unknown(key, file_name, known) for key in file if key not in known]
    for name, (_, declared) in known.items():
        if name in file and not declared.file:
            problems.append(f"`{name}` cannot be set in {file_name}: make it an input or a flag.")
        for source, value in (
            (f"flag --{name}", flags.get(name)),
            (f"input {name}", action_inputs.get(name)),
            (f"environment {declared.env}", environ.get(declared.env or "")),
            (_variable(name), environ.get(_variable(name))),
            (file_name, file.get(name)),
        ):
            if value is not None and value not in ("", ()):
                values[name], sources[name] = value, source
                break
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(dict(e), values, sources, known) for e in error.errors()]
    if problems:
        raise ConfigError(_list(problems))
    return settings


def _variable(name: str) -> str:
    return "BATCH_ACTION_" + name.upper().replace("-", "_")


def _list(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} inputs need attention:\n" + "\n".join(f"- {p}" for p in problems)


def _unknown(key: object, file_name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(key).replace("_", "-"), known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "the README lists all inputs."
    return f"`{key}` in {file_name} is no input of batch-action: {hint}"


def _sentence(
    error: Mapping[str, Any],
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    known: Mapping[str, tuple[FieldInfo, Input]],
) -> str:
    name = str(error["loc"][0])
    field, declared = known[name]
    secret = "Secret" in str(field.annotation)
    shown = "" if secret else f" {BRIEFLY.repr(values.get(name))}"
    message = str(error["msg"]).removeprefix("Input should be ").rstrip(".")
    return f"`{name}`{shown} ({sources.get(name)}) should be {message}. {declared.help}"
