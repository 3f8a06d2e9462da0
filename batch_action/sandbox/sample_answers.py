"""Answers that were written by hand for the sample repositories: a good review to read.

A sample's folder has `answers.yml` and, below `drafts`, whole test files at their paths. A finding
is reported for each version of its file that contains its evidence.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

import yaml

from batch_action.sandbox.anthropic.schemas import resolve_reference
from batch_action.sandbox.reviewer.answers import answer_by_rules
from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile, read_prompt
from batch_action.sandbox.sample_repositories import SUFFIX, Sample

REST = "…"
"""Ends a line of an evidence that quotes only the beginning of a line."""


class SampleAnswers:
    """Answers to the requests of one task about one sample."""

    def __init__(self, sample: Sample, task: str) -> None:
        """Read the answers of *sample* for *task*, a task of batch-action."""
        self._folder = files("batch_action.sandbox") / sample.folder
        self._task = task
        self._written: dict[str, Any] = yaml.safe_load(
            (self._folder / "answers.yml").read_text(encoding="utf-8")
        )

    @property
    def exist(self) -> bool:
        """Whether there are answers for the task: there are none for a user's own."""
        return self._task in self._written["tasks"]

    def __call__(self, params: Mapping[str, Any]) -> str:
        """Answer the params of a message; without a written answer, the rules answer."""
        prompt = read_prompt(params)
        schema = params["output_config"]["format"]["schema"]
        inner = schema["properties"]
        answer = None
        if "files" in inner:
            answer = {"files": list(self._drafts(prompt))}
        elif "verdict" in inner:
            answer = self._verdict(prompt, schema)
        elif "findings" in inner:
            answer = {"findings": list(self._findings(prompt, schema))}
        if answer is None:
            return answer_by_rules(params, trifles=False)
        return json.dumps(answer, ensure_ascii=False)

    def _findings(self, prompt: Prompt, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        item = schema["properties"]["findings"]["items"]
        fields = (resolve_reference(item["$ref"], schema) or {}) if "$ref" in item else item
        for file in prompt.files:
            for written in self._written["findings"]:
                place = _find(file, written["evidence"]) if written["path"] == file.path else None
                if place and self._task in written["category"]:
                    finding = _finding(file, written, place) | {
                        "category": written["category"][self._task]
                    }
                    yield {name: finding.get(name) for name in fields["properties"]}

    def _verdict(self, prompt: Prompt, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        for written in self._written["verdicts"]:
            file = prompt.files[0]
            if written["path"] == file.path and written["has"] in file.text:
                return {
                    "findings": list(self._findings(prompt, schema)),
                    "summary": written["summary"],
                    "security": False,
                    "verdict": written["verdict"],
                }
        return None

    def _drafts(self, prompt: Prompt) -> Iterator[dict[str, Any]]:
        if target := prompt.sections.get("target"):
            path = dict(line.split(": ", 1) for line in target.splitlines() if ": " in line)["path"]
            draft = self._folder / "drafts" / f"{path}{SUFFIX}"
            if draft.is_file():
                yield _draft(path, draft.read_text("utf-8"), self._written["tests"][path])
            return
        for file in prompt.files:
            insertions = self._written["documentation"].get(file.path, ())
            if text := _insert(file.text, insertions):
                yield _draft(file.path, text, "Documents what the names and types do not say.")


def _draft(path: str, text: str, summary: str) -> dict[str, Any]:
    return {"path": path, "text": text, "summary": summary, "security": False}


def _find(file: SourceFile, evidence: str) -> tuple[int, int] | None:
    """Return the first and last line that an evidence quotes, without regard to indentation."""
    quoted = evidence.split("\n")
    for first in file.lines:
        shown = [file.lines.get(first + n, "").strip() for n in range(len(quoted))]
        if all(map(_is_quoted, shown, quoted)):
            return first, first + len(quoted) - 1
    return None


def _is_quoted(line: str, quoted: str) -> bool:
    quoted = quoted.strip()
    return line.startswith(quoted.removesuffix(REST)) if quoted.endswith(REST) else line == quoted


def _finding(
    file: SourceFile, written: Mapping[str, Any], place: tuple[int, int]
) -> dict[str, Any]:
    numbers = range(place[0], place[1] + 1)
    indent = file.lines[place[0]][: -len(file.lines[place[0]].lstrip())]
    suggestion = written.get("suggestion")
    return {
        "confidence": "high",
        "security": False,
        "trigger": "",
        **{name: value for name, value in written.items() if name not in ("path", "category")},
        "start_line": place[0],
        "end_line": place[1],
        "evidence": "\n".join(file.lines[number] for number in numbers),
        "suggestion": suggestion and _indent(suggestion, indent),
        "pre_existing": file.changed and not file.added.intersection(numbers),
    }


def _indent(text: str, indent: str) -> str:
    return "\n".join(f"{indent}{line}" if line else "" for line in text.split("\n"))


def _insert(text: str, insertions: Sequence[Mapping[str, str]]) -> str:
    """Return the text with documentation; empty when there is no place for any.

    `above` names the line that a text comes before, `below` the line that it comes after, indented
    more.
    """
    lines: list[str] = []
    count = 0
    for line in text.removesuffix("\n").split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        above = [i["text"] for i in insertions if i.get("above") == line.strip()]
        below = [i["text"] for i in insertions if i.get("below") == line.strip()]
        lines += [_indent(new, indent) for new in above]
        lines.append(line)
        lines += [_indent(new, indent + "    ") for new in below]
        count += len(above) + len(below)
    return "\n".join(lines) + "\n" if count else ""


def answer_function(sample: Sample | None, task: str) -> tuple[Callable[..., str], bool]:
    """Return what answers in place of Claude, and whether a person wrote it for the sample."""
    if sample is not None and (answers := SampleAnswers(sample, task)).exist:
        return answers, True
    return partial(answer_by_rules, trifles=False), False
