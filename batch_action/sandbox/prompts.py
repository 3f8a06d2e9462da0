"""Reading the files out of a prompt."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .params import texts

OPENING = re.compile(r"<(change|file|before|test)((?:\s+[\w-]+=\"[^\"]*\")*)\s*>\s*")
REMARK = re.compile(r"<([a-z][a-z-]*)>\s*")
ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")
NUMBERED = re.compile(r"\s*(\d+)\| ?(.*)")
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(kw_only=True, slots=True)
class SourceFile:
    """The lines that a prompt shows of one file."""

    path: str
    language: str = ""
    lines: dict[int, str] = field(default_factory=dict)
    added: set[int] = field(default_factory=set)
    """The numbers of the lines that the change brought."""
    removed: list[str] = field(default_factory=list)
    """The lines that the change took away."""
    changed: bool = False
    """Whether the prompt shows a change of this file."""
    whole: bool = True
    """Whether the prompt says that all of it is shown."""

    @property
    def complete(self) -> bool:
        """Tell whether the lines begin at the first and have no gap."""
        return sorted(self.lines) == list(range(1, len(self.lines) + 1))

    @property
    def text(self) -> str:
        """The lines that are shown, each with its end."""
        return "".join(f"{line}\n" for line in self.lines.values())

    def runs(self) -> list[dict[int, str]]:
        """Split the lines into stretches without a gap."""
        runs: list[dict[int, str]] = []
        for number in sorted(self.lines):
            if not runs or number - 1 not in runs[-1]:
                runs.append({})
            runs[-1][number] = self.lines[number]
        return runs


@dataclass(kw_only=True, slots=True)
class Prompt:
    """The files of the last user message, and what stands beside them."""

    files: list[SourceFile]
    before: SourceFile | None = None
    """The older version of the file."""
    tests: list[SourceFile] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """What the message says besides, by the name of the element."""
    legal: bool = False
    """Whether the instructions tell of the repository's licenses."""
    own: tuple[str, ...] = ()
    """The repository's licenses, as the instructions tell them."""
    denied: tuple[str, ...] = ()
    """The licenses that the instructions forbid."""

    @property
    def changed(self) -> bool:
        """Tell whether the prompt shows any change."""
        return any(file.changed for file in self.files)


def read(params: Mapping[str, Any]) -> Prompt:
    """Read the last user message of a request."""
    said = [m for m in params.get("messages", ()) if m.get("role") == "user"]
    text = "\n".join(texts(said[-1].get("content"))) if said else ""
    reader = _Reader()
    for line in text.split("\n"):
        reader.take(line)
    beside = reader.beside
    shared = "\n".join(texts(params.get("system")))
    return Prompt(
        files=[file for file in reader.files.values() if file.lines],
        before=next((file for block, file in beside if block == "before"), None),
        tests=[file for block, file in beside if block == "test"],
        notes={name: "\n".join(lines) for name, lines in reader.notes.items()},
        legal="\n- Its own license: " in shared,
        own=_licenses(shared, "Its own license"),
        denied=_licenses(shared, "Denied here"),
    )


@dataclass(slots=True)
class _Reader:
    """Goes through a message line by line."""

    files: dict[str, SourceFile] = field(default_factory=dict)
    beside: list[tuple[str, SourceFile]] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    block: str = ""
    current: SourceFile = field(default_factory=lambda: SourceFile(path=""))
    number: int = 0

    def take(self, line: str) -> None:
        """Read one line."""
        if not self.block:
            self._open(line)
        elif line.strip() == f"</{self.block}>":
            self.block = ""
        elif self.block in self.notes and line.startswith(">"):
            self.notes[self.block].append(line[1:].removeprefix(" "))
        elif self.block == "change":
            self.number = _hunk_line(line, self.number, self.current)
        elif found := NUMBERED.fullmatch(line):
            self.current.lines[int(found[1])] = found[2]

    def _open(self, line: str) -> None:
        if note := REMARK.fullmatch(line):
            self.block = note[1]
            self.notes.setdefault(note[1], [])
        elif opening := OPENING.fullmatch(line):
            self.block = opening[1]
            marks = {k: html.unescape(v) for k, v in ATTRIBUTE.findall(opening[2])}
            self.current = self._file(self.block, marks.get("path", ""))
            self.current.language = marks.get("language", self.current.language)
            self.current.whole = marks.get("complete", "yes") != "no"
            self.current.changed = self.current.changed or self.block == "change"

    def _file(self, block: str, path: str) -> SourceFile:
        if block in ("file", "change"):
            return self.files.setdefault(path, SourceFile(path=path))
        self.beside.append((block, SourceFile(path=path)))
        return self.beside[-1][1]


def _licenses(text: str, label: str) -> tuple[str, ...]:
    """The names in code signs after a label of the instructions."""
    found = re.search(rf"^- {label}: (.*)$", text, re.MULTILINE)
    quoted = re.findall(r"`([^`]+)`", found[1]) if found else []
    names = (name for one in quoted for name in re.split(r"[()\s]+|\bOR\b|\bAND\b", one))
    return tuple(dict.fromkeys(name for name in names if name))


def _hunk_line(line: str, number: int, file: SourceFile) -> int:
    """Note an added line; give the number of the next line of the new file."""
    if head := HUNK.match(line):
        return int(head[1])
    if line.startswith("+"):
        file.added.add(number)
    if line.startswith("-"):
        file.removed.append(line[1:])
    return number if line.startswith(("-", "\\")) else number + 1
