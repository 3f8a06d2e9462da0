"""Reading the files out of a prompt."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .params import texts

OPENING = re.compile(r"<(change|file)((?:\s+[\w-]+=\"[^\"]*\")*)\s*>\s*")
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
    changed: bool = False
    """Whether the prompt shows a change of this file."""

    @property
    def complete(self) -> bool:
        """Tell whether the lines begin at the first and have no gap."""
        return sorted(self.lines) == list(range(1, len(self.lines) + 1))

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
    """The files of the last user message."""

    files: list[SourceFile]

    @property
    def changed(self) -> bool:
        """Tell whether the prompt shows any change."""
        return any(file.changed for file in self.files)


def read(params: Mapping[str, Any]) -> Prompt:
    """Read the last user message of a request."""
    said = [m for m in params.get("messages", ()) if m.get("role") == "user"]
    text = "\n".join(texts(said[-1].get("content"))) if said else ""
    files: dict[str, SourceFile] = {}
    block, current, number = "", SourceFile(path=""), 0
    for line in text.split("\n"):
        opening = OPENING.fullmatch(line)
        if opening and not block:
            block = opening[1]
            marks = {k: html.unescape(v) for k, v in ATTRIBUTE.findall(opening[2])}
            current = files.setdefault(
                marks.get("path", ""), SourceFile(path=marks.get("path", ""))
            )
            current.language = marks.get("language", current.language)
            current.changed = current.changed or block == "change"
        elif block and line.strip() == f"</{block}>":
            block = ""
        elif block == "file" and (found := NUMBERED.fullmatch(line)):
            current.lines[int(found[1])] = found[2]
        elif block == "change":
            number = _hunk_line(line, number, current)
    return Prompt(files=[file for file in files.values() if file.lines])


def _hunk_line(line: str, number: int, file: SourceFile) -> int:
    """Note an added line; give the number of the next line of the new file."""
    if head := HUNK.match(line):
        return int(head[1])
    if line.startswith("+"):
        file.added.add(number)
    return number if line.startswith(("-", "\\")) else number + 1
