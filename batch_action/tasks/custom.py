"""Tasks of the user's own: a Markdown file whose front matter says what the prompt below it is."""

import difflib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, create_model

from batch_action.errors import ConfigError
from batch_action.models.file_results import Verdict
from batch_action.models.findings import Severity
from batch_action.models.responses import FileAssessment, TaskResponse
from batch_action.tasks.responses import BaseFinding, Folded, ResponseModel, raised, to_raw_findings
from batch_action.tasks.task import Task

FOLDER = ".github/batch-action/tasks"
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
LONGEST_NAME = 40
"""Goes into artifact names, branch names and the marker of an issue."""
LARGEST = 100_000
KEYS = ("name", "description", "kind", "paths", "model", "effort", "severities")
Effort = Literal["low", "medium", "high", "xhigh", "max", "none"]
_FRONT = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)(.*)", re.DOTALL | re.MULTILINE)


class CustomFinding(BaseFinding):
    """Something that the instructions ask for."""

    security: bool


JUDGED: dict[str, Any] = {
    "summary": (str, ...),
    "verdict": (Annotated[Verdict, BeforeValidator(raised)], ...),
}
"""What an answer of kind `verdict` ends with: what a ruling rests on comes before it."""


def path_of(name: str) -> str:
    """Where the task of this name is."""
    return f"{FOLDER}/{name}.md"


def parse(path: str, text: str, taken: Mapping[str, Task], *, name: str = "") -> Task:
    """The task in a Markdown file.

    Args:
        path: where it is, for the messages.
        text: its content.
        taken: the tasks that ship: their names are not free.
        name: the name it must have; empty: its own, or one made of the path.

    Raises:
        ConfigError: with everything that is wrong with it.

    """
    problems: list[str] = []
    front, body = _parted(text, problems)
    problems += [_unknown(key) for key in front if key not in KEYS]
    told = _text(front, "name", problems) or name or _named_after(path)
    problems += _misnamed(told, name, taken)
    description = _text(front, "description", problems)
    if not description and name:
        problems.append("`description` is missing: one line that says what the task looks for.")
    kind = _word(front, "kind", ("findings", "verdict"), problems) or "findings"
    effort = _word(front, "effort", get_args(Effort), problems)
    severities = _severities(front, problems)
    paths = _lines(front, "paths", problems)
    model = _text(front, "model", problems)
    if not body.strip():
        problems.append("the prompt is missing: it stands below the second `---`.")
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        count = "this" if len(problems) == 1 else f"these {len(problems)} things"
        raise ConfigError(f"The task {path} needs attention for {count}:\n{listed}")
    verdict = kind == "verdict"
    answer = _answer(severities, verdict=verdict)
    return Task(
        name=told,
        description=description or f"The prompt in {path}",
        answer=answer,
        response=_reading(told, verdict=verdict),
        whole=verdict,
        rules=("custom", "custom_verdict", "common") if verdict else ("custom", "common"),
        instructions=body.strip(),
        origin=path,
        defaults={
            key: value
            for key, value in (("paths", paths), ("model", model), ("effort", effort))
            if value
        },
    )


def _parted(text: str, problems: list[str]) -> tuple[dict[str, Any], str]:
    """The front matter and the prompt; a file without front matter is all prompt."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    if not text.startswith("---"):
        return {}, text
    found = _FRONT.match(text)
    if found is None:
        problems.append("its front matter does not end: a line `---` stands above the prompt.")
        return {}, "x"
    try:
        front = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(f"its front matter is no valid YAML: {' '.join(str(error).split())[:200]}.")
        return {}, found[2]
    if front is None:
        return {}, found[2]
    if not isinstance(front, dict):
        problems.append("its front matter must hold `key: value` lines.")
        return {}, found[2]
    return front, found[2]


def _unknown(key: object) -> str:
    close = difflib.get_close_matches(str(key)[:40], KEYS, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(KEYS)}."
    return f"`{str(key)[:40]}` is no key of a task: {hint}"


def _misnamed(told: str, wanted: str, taken: Mapping[str, Task]) -> list[str]:
    if not NAME.fullmatch(told) or len(told) > LONGEST_NAME:
        rule = f"at most {LONGEST_NAME} of `a-z`, `0-9` and single hyphens, a letter first"
        return [f"`name` {told[:60]!r} must be {rule}."]
    if told in taken:
        return [f"`name` {told!r} is a task that ships with batch-action: choose another one."]
    if wanted and told != wanted:
        return [f"`name` is {told!r}, but the file is named {wanted!r}: they must be the same."]
    return []


def _named_after(path: str) -> str:
    """A name for a prompt that has none."""
    stem = path.rpartition("/")[2].partition(".")[0].lower()
    words = re.findall(r"[a-z0-9]+", stem)
    return "-".join(["prompt", *words])[:LONGEST_NAME].strip("-")


def _text(front: Mapping[str, Any], key: str, problems: list[str]) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or "\n" in value.strip() or len(value) > 200:  # noqa: PLR2004
        problems.append(f"`{key}` must be one line of text, of at most 200 characters.")
        return ""
    return value.strip()


def _word(front: Mapping[str, Any], key: str, words: tuple[str, ...], problems: list[str]) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or value.strip().lower() not in words:
        problems.append(f"`{key}` must be one of: {', '.join(words)}.")
        return ""
    return value.strip().lower()


def _lines(front: Mapping[str, Any], key: str, problems: list[str]) -> tuple[str, ...]:
    """A list of texts, or one text with an item a line."""
    value = front.get(key)
    items = value.splitlines() if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        problems.append(f"`{key}` must be a list of texts, or text with one item a line.")
        return ()
    return tuple(item.strip() for item in items if item.strip())


def _severities(front: Mapping[str, Any], problems: list[str]) -> tuple[Severity, ...]:
    """The severities that may be used; all, if nothing is said."""
    value = front.get("severities")
    named = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    every = tuple(Severity)
    if named is None:
        return every
    known = {severity.value: severity for severity in every}
    words = [str(word).strip().lower() for word in named if word] if isinstance(named, list) else []
    if not words or any(word not in known for word in words):
        problems.append(f"`severities` must be a list of some of: {', '.join(known)}.")
        return every
    return tuple(severity for severity in every if severity.value in words)


def _answer(severities: tuple[Severity, ...], *, verdict: bool) -> type[ResponseModel]:
    """The answer's model: the severities that are allowed, and a ruling if there is one."""
    item: type[BaseFinding] = CustomFinding
    if len(severities) < len(Severity):
        allowed = StrEnum("Severity", [(s.name, s.value) for s in severities])  # type: ignore[misc]
        item = create_model(
            "OwnRemark", __base__=CustomFinding, severity=(Annotated[allowed, Folded], ...)
        )
    listed = create_model("Report", __base__=ResponseModel, findings=(list[item], ...))  # type: ignore[valid-type]
    return create_model("Judged", __base__=listed, **JUDGED) if verdict else listed


def _reading(name: str, *, verdict: bool) -> Callable[[Any], TaskResponse]:
    def reading(answer: Any) -> TaskResponse:
        remarks = to_raw_findings(answer.findings, category=name)
        if not verdict:
            return TaskResponse(raw_findings=remarks)
        denied = answer.verdict is Verdict.VALID and bool(remarks)
        ruling = Verdict.UNCERTAIN if denied else answer.verdict
        return TaskResponse(
            raw_findings=remarks, assessment=FileAssessment(verdict=ruling, summary=answer.summary)
        )

    return reading
