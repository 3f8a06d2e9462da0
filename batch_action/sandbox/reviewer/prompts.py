"""Read the files back out of a prompt."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_action.sandbox.anthropic.params import content_texts

OPENING = re.compile(r"<(change|file|before|test|related|claim)((?:\s+[\w-]+=\"[^\"]*\")*)\s*>\s*")
NOTE = re.compile(r"<([a-z][a-z-]*)>\s*")
ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")
NUMBERED = re.compile(r"\s*(\d+)\| ?(.*)")
HUNK_LINE = re.compile(r"([+-])\s*(\d*)\| ?(.*)")


@dataclass(kw_only=True, slots=True)
class SourceFile:
    """The lines of one file that a prompt shows."""

    path: str
    language: str = ""
    lines: dict[int, str] = field(default_factory=dict)
    added: set[int] = field(default_factory=set)
    """The numbers of the lines that the change added."""
    removed: list[str] = field(default_factory=list)
    """The lines that the change removed."""
    changed: bool = False
    """Whether the prompt shows a change of the file."""
    whole: bool = True
    """Whether the prompt shows the whole file, not a part of it."""

    @property
    def complete(self) -> bool:
        """Whether all lines of the file are shown."""
        return self.whole and sorted(self.lines) == list(range(1, len(self.lines) + 1))

    @property
    def text(self) -> str:
        """The lines shown, each with a line feed."""
        return "".join(f"{line}\n" for line in self.lines.values())

    def contiguous_parts(self) -> list[dict[int, str]]:
        """Split the lines into parts without gaps."""
        parts: list[dict[int, str]] = []
        for number in sorted(self.lines):
            if not parts or number - 1 not in parts[-1]:
                parts.append({})
            parts[-1][number] = self.lines[number]
        return parts


@dataclass(kw_only=True, slots=True)
class Prompt:
    """The files and other elements of the last user message."""

    files: list[SourceFile]
    before: SourceFile | None = None
    """The older version of the file."""
    tests: list[SourceFile] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    """The quoted text of other elements, by element name."""
    claims: dict[int, str] = field(default_factory=dict)
    """The quoted text of claims that are to be checked, by number."""
    checks_licenses: bool = False
    """Whether the system prompt names the licenses of the repository."""
    repository_licenses: tuple[str, ...] = ()
    """The licenses of the repository, from the system prompt."""
    denied_licenses: tuple[str, ...] = ()
    """The licenses that the system prompt denies."""

    @property
    def changed(self) -> bool:
        """Whether the prompt shows any change."""
        return any(file.changed for file in self.files)


def read_prompt(params: Mapping[str, Any]) -> Prompt:
    """Read the system prompt and the last user message of a request."""
    messages = [m for m in params.get("messages", ()) if m.get("role") == "user"]
    text = "\n".join(content_texts(messages[-1].get("content"))) if messages else ""
    reader = _PromptReader()
    for line in text.split("\n"):
        reader.read_line(line)
    system = "\n".join(content_texts(params.get("system")))
    return Prompt(
        files=[file for file in reader.files.values() if file.lines],
        before=next((file for element, file in reader.context_files if element == "before"), None),
        tests=[file for element, file in reader.context_files if element == "test"],
        sections={name: "\n".join(lines) for name, lines in reader.sections.items()},
        claims={number: "\n".join(lines) for number, lines in reader.claims.items()},
        checks_licenses="\n- Its own license: " in system,
        repository_licenses=_licenses_after(system, "Its own license"),
        denied_licenses=_licenses_after(system, "Denied here"),
    )


@dataclass(slots=True)
class _PromptReader:
    """Reads a message line by line."""

    files: dict[str, SourceFile] = field(default_factory=dict)
    context_files: list[tuple[str, SourceFile]] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)
    claims: dict[int, list[str]] = field(default_factory=dict)
    element: str = ""
    current: SourceFile = field(default_factory=lambda: SourceFile(path=""))

    def read_line(self, line: str) -> None:
        """Read one line."""
        if not self.element:
            self._open_element(line)
        elif line.strip() == f"</{self.element}>":
            self.element = ""
        elif self.element == "claim":
            self.claims[max(self.claims)].append(line.removeprefix(">").removeprefix(" "))
        elif self.element in self.sections and line.startswith(">"):
            self.sections[self.element].append(line[1:].removeprefix(" "))
        elif self.element == "change":
            _read_hunk_line(line, self.current)
        elif numbered := NUMBERED.fullmatch(line):
            number = int(numbered[1])
            if self.current.lines and self.current.whole:
                # Of a long gap, the prompt shows the first empty lines.
                self.current.lines |= dict.fromkeys(range(max(self.current.lines) + 1, number), "")
            self.current.lines[number] = numbered[2]

    def _open_element(self, line: str) -> None:
        if note := NOTE.fullmatch(line):
            self.element = note[1]
            self.sections.setdefault(note[1], [])
        elif opening := OPENING.fullmatch(line):
            self.element = opening[1]
            attributes = {k: html.unescape(v) for k, v in ATTRIBUTE.findall(opening[2])}
            if self.element == "claim":
                self.claims[int(attributes["number"])] = []
                return
            self.current = self._file(self.element, attributes.get("path", ""))
            self.current.language = attributes.get("language", self.current.language)
            if self.element != "change":
                is_part = "part" in attributes or attributes.get("first-line", "1") != "1"
                self.current.whole = attributes.get("complete", "yes") != "no" and not is_part
            self.current.changed = self.current.changed or self.element == "change"

    def _file(self, element: str, path: str) -> SourceFile:
        if element in ("file", "change"):
            return self.files.setdefault(path, SourceFile(path=path))
        self.context_files.append((element, SourceFile(path=path)))
        return self.context_files[-1][1]


def _licenses_after(text: str, label: str) -> tuple[str, ...]:
    """List the license names in backticks after a label of the system prompt."""
    match = re.search(rf"^- {label}: (.*)$", text, re.MULTILINE)
    quoted = re.findall(r"`([^`]+)`", match[1]) if match else []
    names = (name for text in quoted for name in re.split(r"[()\s]+|\bOR\b|\bAND\b", text))
    return tuple(dict.fromkeys(name for name in names if name))


def _read_hunk_line(line: str, file: SourceFile) -> None:
    """Record an added line by its number, or a removed one."""
    if changed := HUNK_LINE.fullmatch(line):
        if changed[1] == "-":
            file.removed.append(changed[3])
        elif changed[2]:
            file.added.add(int(changed[2]))
