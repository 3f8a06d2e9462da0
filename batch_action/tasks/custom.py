"""Custom tasks: a Markdown file of the repository, with a prompt and YAML front matter."""

import difflib
import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Any, get_args

import yaml
from pydantic import Field, create_model

from batch_action.config.inputs import Effort
from batch_action.errors import ConfigError
from batch_action.models.findings import Severity, Verdict
from batch_action.tasks.responses import (
    BaseFinding,
    LowerCased,
    ResponseModel,
    UpperCased,
)
from batch_action.tasks.task import Task
from batch_action.text import plural

FOLDER = ".github/batch-action/tasks"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
MAX_NAME_CHARS = 40
"""The name becomes part of artifact names, branch names and the marker of an issue."""
MAX_FILE_BYTES = 100_000
MAX_LINE_CHARS = 200
KEYS = ("name", "description", "kind", "paths", "model", "effort", "severities")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)(.*)", re.DOTALL | re.MULTILINE)


_VERDICT_FIELDS: dict[str, Any] = {
    "summary": (str, Field(description="Two to four sentences for the maintainer.")),
    "security": (
        bool,
        Field(
            description="An attacker could use what the summary says. It is then not shown in "
            "public places."
        ),
    ),
    "verdict": (Annotated[Verdict, UpperCased], ...),
}
"""The fields that an answer of kind `verdict` has besides findings."""


def path_of(name: str) -> str:
    """Return the path of the task with this name."""
    return f"{FOLDER}/{name}.md"


def parse(path: str, text: str, built_in: Collection[str], *, name: str = "") -> Task:
    """Parse the Markdown file of a custom task. Raises ConfigError with all problems.

    It must have the *name*, if one is given; else the name is in the file or made from the *path*.
    *built_in*: the names that are taken.
    """
    problems: list[str] = []
    front, body = _split_front_matter(text, problems)
    problems += [_unknown_key(key) for key in front if key not in KEYS]
    own_name = _read_line(front, "name", problems) or name or _name_from_path(path)
    problems += _name_problems(own_name, name, built_in)
    description = _read_line(front, "description", problems)
    if not description and name:
        problems.append("`description` is missing: one line that says what the task looks for.")
    kind = _read_choice(front, "kind", ("findings", "verdict"), problems) or "findings"
    effort = _read_choice(front, "effort", get_args(Effort), problems)
    severities = _read_severities(front, problems)
    paths = _read_list(front, "paths", problems)
    model = _read_line(front, "model", problems)
    if not body.strip():
        problems.append("the prompt is missing: write it below the second `---`.")
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ConfigError(f"The task {path} has {plural(len(problems), 'problem')}:\n{listed}")
    verdict = kind == "verdict"
    settings = {"paths": paths, "model": model, "effort": effort}
    return Task(
        name=own_name,
        description=description or f"The prompt in {path}",
        answer_model=_create_answer_model(severities, verdict=verdict),
        needs_whole_file=verdict,
        also_reads=("*",),
        shared_prompts=(
            "custom",
            *(("custom_verdict", "common") if verdict else ("common", "excerpt")),
        ),
        instructions=body.strip(),
        source_path=path,
        default_settings={key: value for key, value in settings.items() if value},
    )


def _split_front_matter(text: str, problems: list[str]) -> tuple[dict[str, Any], str]:
    """Return the front matter and the prompt; a file without front matter is all prompt."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    if not text.startswith("---"):
        return {}, text
    match = _FRONT_MATTER.match(text)
    if match is None:
        problems.append("its front matter does not end: a line `---` is missing above the prompt.")
        # The prompt is not missing: do not report that as well.
        return {}, "x"
    front, body = match.groups()
    try:
        values = yaml.safe_load(front)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:MAX_LINE_CHARS]
        problems.append(f"its front matter is not valid YAML: {reason}.")
        return {}, body
    if values is not None and not isinstance(values, dict):
        problems.append("its front matter must consist of `key: value` lines.")
        return {}, body
    return values or {}, body


def _unknown_key(key: object) -> str:
    shown = str(key)[:MAX_NAME_CHARS]
    close = difflib.get_close_matches(shown, KEYS, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(KEYS)}."
    return f"`{shown}` is not a key of a task: {hint}"


def _name_problems(name: str, required: str, built_in: Collection[str]) -> list[str]:
    if not NAME_PATTERN.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        rule = f"at most {MAX_NAME_CHARS} of `a-z`, `0-9` and single hyphens, a letter first"
        return [f"`name` {name[:60]!r} must be {rule}."]
    if name.split("-", maxsplit=1)[0] == "spend":
        return [f"`name` {name!r} would be mistaken for the ledger of what is spent."]
    if name in built_in:
        return [f"`name` {name!r} is a built-in task: choose another one."]
    if required and name != required:
        return [f"`name` is {name!r}, but the file is named {required!r}: they must be the same."]
    return []


def _name_from_path(path: str) -> str:
    stem = path.rpartition("/")[2].partition(".")[0].lower()
    words = re.findall(r"[a-z0-9]+", stem)
    return "-".join(["prompt", *words])[:MAX_NAME_CHARS].strip("-")


def _read_line(front: Mapping[str, Any], key: str, problems: list[str]) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or "\n" in value.strip() or len(value) > MAX_LINE_CHARS:
        problems.append(f"`{key}` must be one line of at most {MAX_LINE_CHARS} characters.")
        return ""
    return value.strip()


def _read_choice(
    front: Mapping[str, Any], key: str, choices: tuple[str, ...], problems: list[str]
) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or value.strip().lower() not in choices:
        problems.append(f"`{key}` must be one of: {', '.join(choices)}.")
        return ""
    return value.strip().lower()


def _read_list(front: Mapping[str, Any], key: str, problems: list[str]) -> tuple[str, ...]:
    """Read a list of strings, or one string with one item per line."""
    value = front.get(key)
    items = value.splitlines() if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        problems.append(f"`{key}` must be a list of strings, or a string with one item per line.")
        return ()
    return tuple(item.strip() for item in items if item.strip())


def _read_severities(front: Mapping[str, Any], problems: list[str]) -> tuple[Severity, ...]:
    """Read the allowed severities; the default is all."""
    value = front.get("severities")
    items = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if items is None:
        return tuple(Severity)
    names = [str(item).strip().lower() for item in items if item] if isinstance(items, list) else []
    known = [severity.value for severity in Severity]
    if not names or any(name not in known for name in names):
        problems.append(f"`severities` must be a list of some of: {', '.join(known)}.")
        return tuple(Severity)
    return tuple(severity for severity in Severity if severity.value in names)


def _create_answer_model(severities: tuple[Severity, ...], *, verdict: bool) -> type[ResponseModel]:
    """Create the answer model: with only these severities, and with a verdict if asked for."""
    item: type[BaseFinding] = BaseFinding
    if len(severities) < len(Severity):
        allowed = StrEnum("Severity", [(s.name, s.value) for s in severities])  # type: ignore[misc]
        allowed.__doc__ = Severity.__doc__
        item = create_model(
            "CustomFinding",
            __base__=BaseFinding,
            __doc__=BaseFinding.__doc__,
            severity=(Annotated[allowed, LowerCased], ...),
        )
    report = create_model("CustomReport", __base__=ResponseModel, findings=(list[item], ...))  # type: ignore[valid-type]
    if not verdict:
        return report
    return create_model("CustomValidation", __base__=report, **_VERDICT_FIELDS)
