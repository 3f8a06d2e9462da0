"""Settings from flags, action inputs, environment and config file; which task reviews a file."""

import difflib
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from batch_action.config.inputs import Input, Rule
from batch_action.config.settings import Settings
from batch_action.errors import ConfigError, advice

# Bounds a value in a message: YAML aliases expand to huge values.
VALUE_REPR = reprlib.Repr()
VALUE_REPR.maxstring = VALUE_REPR.maxother = 100
VALUE_REPR.maxlevel = 2

VARIABLE_PREFIX = "BATCH_ACTION_"
CAPS = ("max-cost-usd", "monthly-budget-usd", "daily-budget-usd")
"""Inputs of which the smallest value of all sources holds."""
NUMBER_TYPES = (int, float, float | None)
MUST_BE_NUMBER = "must be a plain number such as 5 or 2.5, without a unit."
MUST_BE_INTEGER = "must be a whole number such as 30, without a unit."
REQUIREMENTS = {
    "literal_error": "must be one of: {choices}.",
    "enum": "must be one of: {choices}.",
    "float_parsing": MUST_BE_NUMBER,
    "float_type": MUST_BE_NUMBER,
    "finite_number": MUST_BE_NUMBER,
    "int_parsing": MUST_BE_INTEGER,
    "int_parsing_size": MUST_BE_INTEGER,
    "int_type": MUST_BE_INTEGER,
    "int_from_float": MUST_BE_INTEGER,
    "greater_than_equal": "must be {ge:g} or more.",
    "less_than_equal": "must be {le:g} or less.",
    "bool_parsing": "must be `true` or `false`.",
    "bool_type": "must be `true` or `false`.",
    "string_too_long": "must have at most {max_length} characters.",
    "string_type": "must be text: in YAML, put it in quotes.",
    "tuple_type": "must be a list, or text with one item per line.",
    "secret_url": "must be a URL that begins with https://.",
    "signing_key": "must be `whsec_` and base64.",
    "dict_type": "must contain `name: value` lines.",
    "model_type": "must contain `name: value` lines.",
    "value_error": "{message}.",
    "missing": "is missing.",
    "too_short": "must not be empty.",
    "extra_forbidden": "is not one of its keys.",
}
"""Pydantic's error types as sentences for users."""
ITEM_ERRORS = ("string_type", "string_too_long")


def declared_inputs() -> dict[str, tuple[FieldInfo, Input]]:
    """Map every input's name (kebab-case) to its field and its declaration."""
    return {
        str(field.alias): (field, next(m for m in field.metadata if isinstance(m, Input)))
        for field in Settings.model_fields.values()
    }


def load_settings(
    *,
    flags: Mapping[str, Any],
    action_inputs: Mapping[str, str],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
) -> Settings:
    """Build the settings by precedence: flag, action input, environment, config file, default.

    Of a cap the smallest value holds, whatever its source. An empty string counts as unset. Raises
    ConfigError with all problems of all inputs.
    """
    declarations = declared_inputs()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems = [
        _unknown_key_problem(key, file_name, declarations)
        for key in file
        if key not in declarations
    ]
    problems += _unknown_variables(environ, declarations)
    for name, (field, declared) in declarations.items():
        if name in file and not declared.file:
            place = f"input `{name}` or the " if declared.action else ""
            place = advice(place, "")
            problems.append(
                f"`{name}` cannot be set in {file_name}: use the {place}environment variable "
                f"{variables_of(name)[0]}."
            )
        for source, raw in (
            (f"flag --{name}", flags.get(name)),
            (f"input {name}", action_inputs.get(name)),
            *((f"environment {v}", environ.get(v)) for v in variables_of(name)),
            (file_name, file.get(name)),
        ):
            value = _normalize(raw, field)
            if value is None or value in ("", ()):
                continue
            if name not in values or (name in CAPS and _is_lower(value, values[name])):
                values[name], sources[name] = value, source
            if name not in CAPS:
                break
    if "prompt-file" in values and _rank(sources.get("task")) <= _rank(sources["prompt-file"]):
        problems.append(
            f"`task` ({sources['task']}) has no effect beside `prompt-file` "
            f"({sources['prompt-file']}): remove one of them."
        )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            _validation_problem(dict(e), values, sources, declarations) for e in error.errors()
        ]
    if problems:
        raise ConfigError(_join_problems(problems))
    return settings


def guard(
    file: Mapping[str, Any], reference: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return another branch's config file as far as it counts, and the guarded inputs ignored.

    *reference* is the default branch's file. It alone sets the guarded inputs; of a cap the smaller
    value holds, or the default where the reference has none.
    """
    result = dict(file)
    for name, (field, declared) in declared_inputs().items():
        limit = reference.get(name, field.default)
        is_lower = name in CAPS and _is_lower(_normalize(file.get(name), field), limit)
        if declared.guarded and not is_lower:
            result.pop(name, None)
            result |= {name: limit} if name in reference else {}
    return result, tuple(name for name in file if result.get(name) != file[name])


def _is_lower(value: Any, limit: Any) -> bool:
    """Return whether a cap is lower than another one; none is without limit."""
    try:
        return float(value) < (float("inf") if limit is None else float(limit))
    except (TypeError, ValueError):
        return False  # The validation reports it.


def variables_of(name: str) -> tuple[str, ...]:
    """Return the environment variables of an input, the conventional one first."""
    variable = name.upper().replace("-", "_")
    is_conventional = name.startswith(("anthropic-", "github-token"))
    return (*([variable] if is_conventional else ()), f"{VARIABLE_PREFIX}{variable}")


def _join_problems(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    what = advice("inputs", "settings")
    return f"{len(problems)} {what} are not valid:\n" + "\n".join(f"- {p}" for p in problems)


def _unknown_key_problem(
    key: object, file_name: str, declarations: Mapping[str, tuple[FieldInfo, Input]]
) -> str:
    names = [name for name, (_, declared) in declarations.items() if declared.file]
    similar = difflib.get_close_matches(str(key).replace("_", "-"), names, n=1, cutoff=0.7)
    hint = f"did you mean `{similar[0]}`?" if similar else _where_all_are()
    what = advice("an input", "a setting")
    return f"`{key}` in {file_name} is not {what} of batch-action: {hint}"


def _where_all_are() -> str:
    return f"docs/INPUTS.md lists all {advice('inputs', 'settings')}."


def _unknown_variables(
    environ: Mapping[str, str], declarations: Mapping[str, tuple[FieldInfo, Input]]
) -> list[str]:
    """Describe the variables with our prefix that no input has: their values would be ignored."""
    known = [variables_of(name)[-1] for name in declarations]
    problems = []
    for variable in sorted(v for v in environ if v.startswith(VARIABLE_PREFIX)):
        if variable not in known:
            words = [name.removeprefix(VARIABLE_PREFIX) for name in known]
            word = variable.removeprefix(VARIABLE_PREFIX)
            similar = difflib.get_close_matches(word, words, n=1, cutoff=0.7)
            hint = f"did you mean {VARIABLE_PREFIX}{similar[0]}?" if similar else _where_all_are()
            what = advice("an input", "a setting")
            problems.append(f"`{variable}` in the environment is not the name of {what}: {hint}")
    return problems


def _rank(source: str | None) -> int:
    """Return the place of a source in the order of precedence; None, the default, is the last."""
    kinds = ("flag ", "input ", "environment ")
    return next((n for n, kind in enumerate(kinds) if (source or "").startswith(kind)), len(kinds))


def _normalize(value: Any, field: FieldInfo) -> Any:
    """Strip blanks, and turn a YAML date, or a YAML boolean for a number, into text.

    Pydantic would accept the boolean `true` as the number 1.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) and field.annotation is not bool:
        return str(value).lower() if field.annotation in NUMBER_TYPES else value
    return value


def _validation_problem(
    error: Mapping[str, Any],
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    declarations: Mapping[str, tuple[FieldInfo, Input]],
) -> str:
    name, *path = error["loc"]
    field, declared = declarations[name]
    is_hidden = "Secret" in str(field.annotation) or error["type"] == "missing"
    value = "" if is_hidden else f" {VALUE_REPR.repr(error['input'] if path else values.get(name))}"
    source = f" ({sources[name]})" if name in sources else ""
    location = _location(path, str(error["type"]))
    is_item = bool(path) and isinstance(path[-1], int) and error["type"] in ITEM_ERRORS
    each = ": each item" if is_item else ""
    return f"`{name}`{location}{value}{source}{each} {requirement_of(error, declared.expected)}"


def _location(path: list[Any], error_type: str) -> str:
    """Format the path to a value in a list of mappings: ` number 2, `paths``; else empty."""
    keys = [f", `{step}`" for step in path if isinstance(step, str)]
    in_mapping = keys or error_type == "model_type"
    return f" number {path[0] + 1}{''.join(keys)}" if path and in_mapping else ""


def requirement_of(error: Mapping[str, Any], pattern: str = "") -> str:
    """Return what an error of pydantic requires, in words; *pattern* describes the pattern."""
    error_type, context = error["type"], dict(error.get("ctx", {}))
    if error_type == "string_pattern_mismatch":
        return f"must be {pattern}." if pattern else "does not have the expected format."
    choices = str(context.pop("expected", "")).replace(" or ", ", ").replace("'", "")
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    message = re.sub(r" or instance of \w+", "", message).replace("Input should ", "must ")
    is_rule = message.startswith("must ")
    template = REQUIREMENTS.get(error_type, "{message}." if is_rule else "is not valid: {message}.")
    return template.format(choices=choices, message=message, **context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task with the settings for its files."""

    settings: Settings
    other_tasks_patterns: tuple[tuple[str, ...], ...] = ()
    """Patterns of the rules that assign their files to this task elsewhere: not selected here."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.settings.task[0]


def assign_tasks(settings: Settings, only: Sequence[str] = ()) -> tuple[Assignment, ...]:
    """Return the assignments of `task` in order, then those of the rules in order.

    A task gets a file once: from the first rule that matches it, else from the general settings.
    *only* limits the result to these tasks; empty means all.
    """
    general = [
        Assignment(
            settings=settings.model_copy(update={"task": (task,), "rules": ()}),
            other_tasks_patterns=_claimed_patterns(settings, settings.rules, task),
        )
        for task in dict.fromkeys(settings.task)
    ]
    by_rule = [
        Assignment(
            settings=_settings_for_rule(settings, rule, task),
            other_tasks_patterns=_claimed_patterns(settings, settings.rules[:number], task),
        )
        for number, rule in enumerate(settings.rules)
        for task in _tasks_of(settings, rule)
    ]
    return tuple(a for a in (*general, *by_rule) if not only or a.task in only)


def _tasks_of(settings: Settings, rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.task or settings.task))


def _claimed_patterns(
    settings: Settings, rules: Sequence[Rule], task: str
) -> tuple[tuple[str, ...], ...]:
    return tuple(rule.paths for rule in rules if task in _tasks_of(settings, rule))


def _settings_for_rule(settings: Settings, rule: Rule, task: str) -> Settings:
    """Override the general settings with the rule's, and its ledger, issue and branch names."""
    overrides = {
        "model": rule.model,
        "effort": rule.effort,
        "labels": rule.labels,
        "assignees": rule.assignees,
    }
    key = f"{settings.state_key}.{rule.slug}" if settings.state_key else rule.slug
    return settings.model_copy(
        update={
            "task": (task,),
            "rules": (),
            "paths": rule.paths,
            "state_key": key,
            **{name: value for name, value in overrides.items() if value is not None},
        }
    )
