"""Mappings in (flags, inputs, environment, file), Settings out; all mistakes at once."""

import difflib
import inspect
import reprlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from batch_action.config.inputs import Input, Inputs
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError

BRIEFLY = reprlib.Repr()
BRIEFLY.maxstring = BRIEFLY.maxother = 100
BRIEFLY.maxlevel = 2
"""A value that a person can read: YAML's aliases make huge ones of little text."""


NUMBERS = (int, float, float | None)
A_NUMBER = "must be a plain number such as 5 or 2.5, without a unit."
A_WHOLE_NUMBER = "must be a whole number such as 30, without a unit."
RULES = {
    "literal_error": "must be one of: {words}.",
    "enum": "must be one of: {words}.",
    "float_parsing": A_NUMBER,
    "float_type": A_NUMBER,
    "finite_number": A_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": A_WHOLE_NUMBER,
    "int_type": A_WHOLE_NUMBER,
    "int_from_float": A_WHOLE_NUMBER,
    "greater_than_equal": "must be {ge:g} or more.",
    "less_than_equal": "must be {le:g} or less.",
    "bool_parsing": "must be `true` or `false`.",
    "bool_type": "must be `true` or `false`.",
    "string_too_long": "must have at most {max_length} characters.",
    "string_type": "must be text: in YAML, put it in quotes.",
    "tuple_type": "must be a list, or text with one item a line.",
    "secret_address": "must be an address that begins with https://.",
    "signing_key": "must be `whsec_` and base64.",
    "dict_type": "must hold `name: value` lines.",
    "model_type": "must hold `name: value` lines.",
    "missing": "is missing.",
    "too_short": "must not be empty.",
    "extra_forbidden": "is not one of its keys.",
}
"""Pydantic's kinds of error in a user's words."""


def inputs() -> dict[str, tuple[FieldInfo, Input]]:
    """Every input's name (kebab-case) with its field and its declaration.

    What `Settings` declares itself comes first, then the families it is made of.
    """
    families = [family for family in Settings.__mro__ if issubclass(family, Inputs)]
    fields = [Settings.model_fields[name] for f in families for name in inspect.get_annotations(f)]
    return {
        str(field.alias): (field, next(m for m in field.metadata if isinstance(m, Input)))
        for field in fields
        if field.alias
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
    for name, (field, declared) in known.items():
        if name in file and not declared.file:
            problems.append(f"`{name}` cannot be set in {file_name}: make it an input or a flag.")
        for source, given in (
            (f"flag --{name}", flags.get(name)),
            (f"input {name}", action_inputs.get(name)),
            (f"environment {declared.env}", environ.get(declared.env or "")),
            (_variable(name), environ.get(_variable(name))),
            (file_name, file.get(name)),
        ):
            value = _plain(given, field)
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
    names = [name for name, (_, declared) in known.items() if declared.file]
    close = difflib.get_close_matches(str(key).replace("_", "-"), names, n=1, cutoff=0.7)
    hint = f"did you mean `{close[0]}`?" if close else "the README lists all inputs."
    return f"`{key}` in {file_name} is no input of batch-action: {hint}"


def _plain(value: Any, field: FieldInfo) -> Any:
    """A value as a person meant it: without blanks around it, a bare YAML date as its text.

    YAML's true would pass for the number 1; as text it is refused.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) and field.annotation is not bool:
        return str(value).lower() if field.annotation in NUMBERS else value
    return value


def _sentence(
    error: Mapping[str, Any],
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    known: Mapping[str, tuple[FieldInfo, Input]],
) -> str:
    name, *inside = error["loc"]
    field, declared = known[name]
    hidden = "Secret" in str(field.annotation) or error["type"] == "missing"
    shown = "" if hidden else f" {BRIEFLY.repr(error['input'] if inside else values.get(name))}"
    where = f" ({sources[name]})" if name in sources else ""
    nested = _nested(inside, str(error["type"]))
    # What the whole input is for says nothing of one key inside it.
    help_ = "" if nested else f" {declared.help}"
    return f"`{name}`{nested}{shown}{where} {_rule(error, declared, inside)}{help_}"


def _nested(inside: list[Any], kind: str) -> str:
    """` number 2, `paths`` for a value inside a list of mappings; empty in a plain list."""
    keys = [f", `{step}`" for step in inside if isinstance(step, str)]
    listed = keys or kind == "model_type"
    return f" number {inside[0] + 1}{''.join(keys)}" if inside and listed else ""


def _rule(error: Mapping[str, Any], declared: Input, inside: list[Any]) -> str:
    """What was expected, in words."""
    kind, context = error["type"], dict(error.get("ctx", {}))
    if kind == "string_pattern_mismatch" and declared.form:
        return f"must be {declared.form}."
    words = str(context.pop("expected", "")).replace(" or ", ", ").replace("'", "")
    rule = RULES.get(kind, "is not valid: {said}.")
    told = rule.format(words=words, said=str(error["msg"]).rstrip("."), **context)
    item = bool(inside) and isinstance(inside[-1], int)
    return f"each item {told}" if item and kind == "string_type" else told
