"""Message params of one request: the shared instructions first, the file last."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from batch_action.models.files import ContextFile, FilePart, RelatedFile, SourceFile
from batch_action.tasks.task import Task
from batch_action.text import number_lines, runs

_LINE_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
LINE_BREAKS = str.maketrans(dict.fromkeys(_LINE_BREAKS, " "))
"""Characters that a model may read as the end of a line although git does not. They become spaces,
so that no text can leave its numbered line."""


MAX_GAP = 2
"""Empty lines in a row that are shown."""
_GAP = "\n" * (MAX_GAP + 2)
"""Between two lines, around more of them in a row."""


def system_text(task: Task, guidelines: str, facts: str = "") -> str:
    """Return the instructions that all requests of a run share, byte for byte.

    Args:
        task: the task, whose prompt comes first.
        guidelines: the text of the repository's guidelines files; may be empty.
        facts: what the task needs to know of the repository, e.g. its licenses; may be empty.
    """
    text = f"{task.prompt}\n\n{facts.strip()}" if facts.strip() else task.prompt
    if not guidelines.strip():
        return text
    return (
        f"{text}\n\n## Guidelines of this repository\n\n"
        "The maintainers wrote the following. Where it asks for more care, or says that something "
        f"is fine here, follow it.\n\n{guidelines.strip()}"
    )


LEFT_OUT = "…"
"""Stands for lines that are left out: a line of the file itself begins with its number."""


def user_text(file: SourceFile, part: FilePart, shown: Collection[int] | None = None) -> str:
    """Return the text of one request; see `PartText`."""
    return PartText(file, part).render(shown)


@dataclass(frozen=True)
class FileElement:
    """The numbered lines of a part of a file."""

    path: str
    language: str
    text: str
    lines: Sequence[str]
    """All of the text."""
    part: FilePart

    def render(self, shown: Collection[int] | None = None) -> str:
        """Return the element with the lines of these numbers; None: with all of them."""
        return "".join(self.pieces(shown))

    def pieces(self, shown: Collection[int] | None) -> tuple[str, str, str]:
        """Return the element as three texts: each copy of the lines takes time."""
        part = self.part
        note = "" if part.count == 1 else f' part="{part.number} of {part.count}"'
        note += "" if shown is None else ' complete="no"'
        head = (
            f'<file path="{_name(self.path)}" language="{escape(self.language)}" '
            f'first-line="{part.start_line}" last-line="{part.end_line}"{note}>\n'
        )
        return head, self._lines.render(shown), "\n</file>"

    @cached_property
    def _lines(self) -> "_NumberedLines":
        part, lines = self.part, self.lines
        if part.count > 1:
            lines = lines[part.start_line - 1 : part.end_line]
        return _NumberedLines(self.text, lines, part.start_line)


@dataclass(frozen=True)
class PartText:
    """What the request about a part of a file says, whole or with some of its lines.

    That is the file's hints, its changed hunks, its context files, and its numbered lines. Every
    source line starts with its number, every hunk line with its sign and every other line with an
    angle bracket, so that nothing in a file can look like the end of its element.
    """

    file: SourceFile
    part: FilePart
    """The lines that are reviewed."""

    def render(self, shown: Collection[int] | None = None) -> str:
        """Return the text with the lines of these numbers; None: with all of them."""
        return "".join((self._before, *self._element.pieces(shown)))

    @cached_property
    def _element(self) -> FileElement:
        file = self.file
        return FileElement(file.path, file.language, file.text, file.lines, self.part)

    @cached_property
    def _before(self) -> str:
        """All that comes before the lines."""
        file, change = self.file, ""
        if file.diff:
            change = (
                f'<change path="{_name(file.path)}" status="{file.status}">\n'
                f"{_without_line_breaks(file.diff).rstrip()}\n</change>\n"
            )
        return (
            "".join(_hint(name, text) for name, text in file.hints)
            + change
            + "".join(_context_file(context_file) for context_file in file.context_files)
            + related_text(file.related)
        )


def _hint(name: str, text: str) -> str:
    return quoted_element(name, "", text)


def quoted_element(name: str, attributes: str, text: str) -> str:
    """Return an element with a text, each of whose lines begins with an angle bracket."""
    lines = _without_line_breaks(text).rstrip("\n").split("\n")
    return "\n".join([f"<{name}{attributes}>", *(f"> {line}" for line in lines), f"</{name}>\n"])


def _context_file(file: ContextFile) -> str:
    note = "" if file.complete else ' complete="no"'
    element, each = file.kind, file.text.removesuffix("\n").split("\n")
    lines = _NumberedLines(file.text, each, 1).render()
    return f'<{element} path="{_name(file.path)}"{note}>\n{lines}\n</{element}>\n'


def related_text(files: Iterable[RelatedFile]) -> str:
    """Return the lines of other files as elements of a request; empty without files."""
    return "".join(map(_related_file, files))


def _related_file(file: RelatedFile) -> str:
    width = len(str(max(number for number, _ in file.lines)))
    shown: list[str] = []
    previous = file.lines[0][0] - 1
    for number, line in file.lines:
        shown += [LEFT_OUT] * (number != previous + 1)
        shown.append(f"{number:>{width}}| {_without_line_breaks(line.rstrip(chr(13)))}")
        previous = number
    return f'<related path="{_name(file.path)}">\n' + "\n".join(shown) + "\n</related>\n"


@dataclass(frozen=True)
class _NumberedLines:
    """Lines of a text with their numbers; those of a long gap, as in a notebook, are left out."""

    text: str
    """With at least these lines."""
    lines: Sequence[str]
    first: int
    """The number of the first one."""

    def render(self, shown: Collection[int] | None = None) -> str:
        """Join the lines of these numbers, and a sign for those that are left out; None: all."""
        if shown is None:
            return "\n".join(filter(None, self._each)) if self._has_gap else self._numbered
        joined: list[str] = []
        at, end = self.first, self.first + len(self.lines)
        for first, last in [*runs(n for n in shown if at <= n < end), (end, end)]:
            if at < first and joined[-1:] != [LEFT_OUT]:
                joined.append(LEFT_OUT)
            joined += filter(None, self._each[first - self.first : last + 1 - self.first])
            at = last + 1
        return "\n".join(joined)

    @cached_property
    def _numbered(self) -> str:
        """All lines, those of gaps too."""
        lines = self.lines
        if _has_line_breaks(self.text):
            lines = [_without_line_breaks(line.rstrip(chr(13))) for line in lines]
        return number_lines(lines, self.first, len(str(self.first + len(lines) - 1)))

    @cached_property
    def _each(self) -> list[str]:
        """The lines; those of a long gap are empty."""
        numbered, lines = self._numbered.split("\n"), self.lines
        if self._has_gap:
            for index in range(MAX_GAP, len(lines)):
                if not any(lines[index - MAX_GAP : index + 1]):
                    numbered[index] = ""
        return numbered

    @property
    def _has_gap(self) -> bool:
        """Whether a gap may be among the lines; what follows the last line end is no line."""
        return _GAP in "\n{}\n".format(self.text.removesuffix("\n"))


def _name(path: str) -> str:
    return escape(_without_line_breaks(path.replace("\n", " ")), quote=True)


def _without_line_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").translate(LINE_BREAKS) if _has_line_breaks(text) else text


def _has_line_breaks(text: str) -> bool:
    return any(map(text.__contains__, _LINE_BREAKS))


def message_params(
    task: Task, text: str, *, model: str, effort: str | None, max_tokens: int
) -> dict[str, Any]:
    """Build message params: structured output, no tools, sampling parameters or prefill.

    *text* is the result of `user_text`. The `system` is empty: the request file adds the text that
    all requests share.
    """
    config: dict[str, Any] = {"format": {"type": "json_schema", "schema": task.schema}}
    if effort is not None:
        config["effort"] = effort
    return {
        "model": model,
        "max_tokens": max_tokens,
        "system": [],
        "messages": [{"role": "user", "content": text}],
        "output_config": config,
    }


def max_answer_tokens(task: Task, input_tokens: int, doublings: int, limit: int | None) -> int:
    """Return `max_tokens`: the task's base plus a share of the input, doubled per truncation.

    *limit* is the model's own maximum, if known.
    """
    tokens = min(
        task.max_output_tokens, task.base_output_tokens + int(task.output_ratio * input_tokens)
    )
    return min(tokens << doublings, limit or 128_000)
