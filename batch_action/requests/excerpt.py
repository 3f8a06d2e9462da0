"""Show a changed file whole, or the lines of it that a review needs."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

from batch_action.models.files import FilePart, Hunk, SourceFile
from batch_action.requests import prompt
from batch_action.selection.content import lines_of
from batch_action.syntax.grammars import outline_of
from batch_action.syntax.neighborhoods import touched_lines
from batch_action.syntax.outline import Definition, DefinitionKind, Outline
from batch_action.text import covers, runs

MIN_SAVING = 1 / 3
"""The share of a request that an excerpt saves, or `auto` shows the file."""
MIN_SAVED_BYTES = 32
"""More than the note that an excerpt is not complete costs."""
CONTEXT_LINES = 3
"""Lines shown around each changed line in any case."""
LOOSE_CONTEXT_LINES = 18
"""Lines shown around a changed line that is in no function or other statement."""
MAX_FUNCTION_LINES = 150
"""Of a longer function, only the lines around its changes are shown."""
LONG_CONTEXT_LINES = 40
"""How many of them on each side."""
MAX_HEAD_LINES = 30
"""Lines shown before the first definition."""
MAX_NAMED_LINES = 40
"""Of a longer definition that changed lines name, the first lines are shown."""
MAX_VALUE_LINES = 6
"""The same of a statement, such as a constant, that a changed function names."""
MAX_CALLER_LINES = 25
"""Of a longer caller, only the lines around the call are shown."""
MAX_USES = 20
"""Uses of what changed that are shown."""
MAX_FIELD_LINES = 20
"""Lines in a row of a class that are shown between its methods."""
MIN_GAP_LINES = 3
"""A shorter gap is shown."""
MAX_READ_CHARS = 1_000
"""Of each line, for the names in it."""

_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_IN_NAME = re.compile(r"[\w$]")
_REMOVED_NAME = re.compile(
    r"^-.{0,80}?\b(?:def|function|func|fn|fun|class|struct|interface|const|let|type)\s+"
    r"(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*)"
    r"|^- *\| (?P<value>[A-Za-z_$][\w$]*)\s*=[^=]",
    re.MULTILINE,
)
CONSTRUCTORS = frozenset(
    {
        *("__init__", "__new__", "__post_init__", "constructor", "initialize", "init", "new"),
        "__construct",
    }
)


@dataclass(frozen=True)
class FileText:
    """What the requests about one file say: the whole file, or an excerpt where that is smaller."""

    file: SourceFile
    """Without hunks it is shown whole."""
    mode: Literal["auto", "excerpt", "file"]
    """The setting `context`."""
    system_bytes: int
    """The size of the instructions; they count in the share that `auto` asks for."""
    changed_since: Sequence[Hunk] = ()
    """What else has changed since a finding may have been reported, beside what the file's diff
    shows: an excerpt shows it, too."""

    def is_within(self, shown: str) -> bool:
        """Return whether these lines are all whose neighborhood was touched."""
        return all(covers(shown, *run) for run in runs(self._touched))

    def render(self, part: FilePart) -> tuple[str, set[int] | None]:
        """Return the request about this part, and what it shows around the changes; None: all."""
        text_of = prompt.PartText(self.file, part)
        whole = text_of.render()
        if self.mode == "file" or not self.file.hunks:
            return whole, None
        size = len(whole.encode())
        share = MIN_SAVING if self.mode == "auto" else 0.0
        allowed = size - max(MIN_SAVED_BYTES, share * (size + self.system_bytes))
        if len(text_of.render(self._changed).encode()) > allowed:
            return whole, None  # No need to parse it.
        text = text_of.render(self._shown)
        return (text, self._around_changes) if len(text.encode()) <= allowed else (whole, None)

    @cached_property
    def _around_changes(self) -> set[int]:
        """The lines that are shown in a row with touched ones: all that an answer may close."""
        return {
            number
            for first, last in runs(self._shown)
            if not self._touched.isdisjoint(range(first, last + 1))
            for number in range(first, last + 1)
        }

    @cached_property
    def _touched(self) -> set[int]:
        return touched_lines(lines_of(self.file.text), self._changed)

    @cached_property
    def _changed(self) -> set[int]:
        return changed_lines(self._hunks, self.file.parts[-1].end_line)

    @cached_property
    def _shown(self) -> set[int]:
        file = self.file
        return _choose(file.text, file.language, self._changed, self._touched, file.diff)

    @property
    def _hunks(self) -> Sequence[Hunk]:
        return (*self.file.hunks, *self.changed_since)


def choose_lines(text: str, language: str, hunks: Sequence[Hunk], diff: str = "") -> set[int]:
    r"""Return the numbers of the lines to show; never raises, whatever the text.

    They are the file's head and imports, the definitions around the changed lines, those that
    changed lines name, the uses of what changed, the fields and constructors of the types around
    it, and the signature of everything else.

    Args:
        text: the file at head, whose lines end with `\n`.
        language: its language, as in `SelectedFile`.
        hunks: what changed, counted as git counts.
        diff: the change as a unified diff, for the names of what was removed; may be empty.
    """
    changed = changed_lines(hunks, len(lines_of(text)))
    return _choose(text, language, changed, touched_lines(lines_of(text), changed), diff)


def _choose(
    text: str, language: str, changed: Collection[int], touched: Collection[int], diff: str
) -> set[int]:
    chooser = _Chooser(lines_of(text), outline_of(text, language), changed, touched)
    return chooser.choose(set(removed_names(diff)))


def removed_names(diff: str) -> list[str]:
    """Return the names that were defined on removed lines of a unified diff."""
    return [match["name"] or match["value"] for match in _REMOVED_NAME.finditer(diff)]


def changed_lines(hunks: Iterable[Hunk], count: int) -> set[int]:
    """Return the lines that were added, and the two around each place where lines were removed."""
    found: set[int] = set()
    for hunk in hunks:
        length = hunk.new_lines or 2
        found.update(range(hunk.new_start, hunk.new_start + length))
    return {number for number in found if 1 <= number <= count}


@dataclass(frozen=True)
class _Chooser:
    """Chooses the lines of one file."""

    lines: Sequence[str]
    outline: Outline
    changed: Collection[int]
    touched: Collection[int]
    """The lines whose neighborhood has changed: an answer that does not repeat a finding there
    closes it."""

    def choose(self, removed_names: Collection[str]) -> set[int]:
        """Return the numbers of the lines to show."""
        shown = {*self.touched, *_widen(self.changed, CONTEXT_LINES)}
        loose = {n for n in self.changed if not any(map(self._is_block, self._around(n)))}
        shown.update(_widen(loose, LOOSE_CONTEXT_LINES))
        shown.update(self._head(), self.outline.imports)
        for item in self.outline.definitions:
            shown.update(self._signature(item))
        around = {index for number in self.changed for index in self._around(number)}
        enclosing: set[int] = set()
        for index in around:
            item = self.outline.definitions[index]
            if item.kind is DefinitionKind.TYPE:
                shown.update(self._fields(index, with_constructors=True))
            else:
                enclosing.update(self._enclosing(item))
        shown |= enclosing
        shown.update(self._named(around, enclosing))
        shown.update(self._uses(self._changed_names(removed_names), shown))
        return set(_without_short_gaps(shown, len(self.lines)))

    def _head(self) -> Iterable[int]:
        first = min((item.first for item in self.outline.definitions), default=len(self.lines) + 1)
        imports = self.outline.imports
        first = min(first, imports[0]) if imports else first
        return range(1, min(first - 1, MAX_HEAD_LINES) + 1)

    def _signature(self, item: Definition) -> Iterable[int]:
        if item.kind is not DefinitionKind.VALUE:
            return range(item.start, item.body)
        # The first line of a block; a statement of one line is shown where something names it.
        return range(item.start, item.start + 1) if item.last > item.start + 1 else ()

    def _is_block(self, index: int) -> bool:
        item = self.outline.definitions[index]
        return item.kind is not DefinitionKind.TYPE and item.last - item.start >= CONTEXT_LINES

    @cached_property
    def _starts(self) -> list[int]:
        return [item.first for item in self.outline.definitions]

    def _around(self, number: int) -> Iterator[int]:
        """Yield the indexes of the definitions around a line, the innermost first."""
        items = self.outline.definitions
        index: int | None = bisect_right(self._starts, number) - 1
        while index is not None and index >= 0:
            if items[index].last >= number:
                yield index
            index = items[index].parent

    def _enclosing(self, item: Definition) -> Iterable[int]:
        """Return the lines of a changed definition, or those around its changes."""
        if item.last - item.start < MAX_FUNCTION_LINES:
            return range(item.first, item.last + 1)
        inside = {number for number in self.changed if item.first <= number <= item.last}
        near = set(_widen(inside, LONG_CONTEXT_LINES))
        return (number for number in near if item.first <= number <= item.last)

    @cached_property
    def _members(self) -> dict[int, list[Definition]]:
        """By the index of each type its definitions."""
        found: defaultdict[int, list[Definition]] = defaultdict(list)
        for item in self.outline.definitions:
            if item.parent is not None:
                found[item.parent].append(item)
        return found

    def _fields(self, index: int, *, with_constructors: bool) -> Iterator[int]:
        """Yield the lines of a type that are in none of its methods, and its constructors'."""
        item = self.outline.definitions[index]
        constructors = {*CONSTRUCTORS, *item.names}
        at = item.start
        for member in [*self._members.get(index, ()), None]:
            end = member.start if member else item.last + 1
            yield from range(at, min(end, at + MAX_FIELD_LINES))
            if member is None:
                return
            at = max(at, member.last + 1)
            if with_constructors and not constructors.isdisjoint(member.names):
                yield from range(member.first, min(member.last, member.first + MAX_NAMED_LINES) + 1)

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(self.outline.definitions):
            for name in item.names:
                found[name].append(index)
        return found

    def _names_in(self, numbers: Iterable[int]) -> set[str]:
        lines = (self.lines[number - 1][:MAX_READ_CHARS] for number in numbers)
        return set(_NAME.findall("\n".join(lines)))

    def _named(self, around: Collection[int], enclosing: Iterable[int]) -> Iterator[int]:
        """Yield the definitions that changed lines or the signatures around them name.

        With the statements that the rest of the changed functions names, such as constants.
        """
        signatures = {n for i in around for n in self._signature(self.outline.definitions[i])}
        near = self._names_in(signatures | set(self.changed))
        far = self._names_in(enclosing)
        for name in far | near:
            for index in self._by_name.get(name, ()):
                item = self.outline.definitions[index]
                if index in around:
                    continue
                if item.kind is DefinitionKind.VALUE:
                    yield from range(
                        item.start, min(item.last, item.start + MAX_VALUE_LINES - 1) + 1
                    )
                elif name in near and item.kind is DefinitionKind.TYPE:
                    yield from self._fields(index, with_constructors=True)
                elif name in near:
                    yield from range(item.first, min(item.last, item.first + MAX_NAMED_LINES) + 1)

    def _changed_names(self, removed_names: Collection[str]) -> set[str]:
        """Return the names of what changed, by which the rest of the file may use it."""
        found = set(removed_names)
        for number in self.changed:
            for index in self._around(number):
                names = set(self.outline.definitions[index].names)
                if names and names.isdisjoint(CONSTRUCTORS):
                    found |= names
                    break
        return found

    def _uses(self, names: Collection[str], shown: Collection[int]) -> Iterator[int]:
        """Yield the callers of what changed, or of long ones the lines around the call."""
        numbers = (number for number in self._lines_with(names) if number not in shown)
        for number in islice(numbers, MAX_USES):
            yield from _widen([number], 2)
            for index in self._around(number):
                item = self.outline.definitions[index]
                if item.kind is DefinitionKind.TYPE:
                    break
                if item.last - item.start < MAX_CALLER_LINES:
                    yield from range(item.start, item.last + 1)
                else:
                    yield from range(item.start, item.body)

    def _lines_with(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of the lines in which one of the names occurs."""
        text = "\n".join(self.lines)
        places: list[int] = []
        for name in names:
            at = text.find(name)
            while at >= 0:
                end = at + len(name)
                if not _IN_NAME.match(text, end) and not _IN_NAME.match(
                    text, at - 1 if at else end
                ):
                    places.append(at)
                at = text.find(name, end)
        found: list[int] = []
        number, at = 1, 0
        for place in sorted(places):
            number, at = number + text.count("\n", at, place), place
            found.append(number)
        return sorted(set(found))


def _widen(numbers: Iterable[int], by: int) -> Iterator[int]:
    """Yield the numbers, and as many before and after each."""
    end = 0
    for number in sorted(numbers):
        yield from range(max(end, number - by), number + by + 1)
        end = number + by + 1


def _without_short_gaps(shown: Iterable[int], count: int) -> Iterator[int]:
    """Yield the numbers of a text with so many lines, and those of short gaps between them."""
    previous = 0
    for number in sorted({n for n in shown if 1 <= n <= count}):
        if number - previous <= MIN_GAP_LINES:
            yield from range(previous + 1, number)
        yield number
        previous = number
    if 0 < count - previous < MIN_GAP_LINES:
        yield from range(previous + 1, count + 1)
