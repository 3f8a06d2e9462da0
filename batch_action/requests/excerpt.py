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
from batch_action.text import count_bytes, covers, runs

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
        size = count_bytes(whole)
        share = MIN_SAVING if self.mode == "auto" else 0.0
        allowed = size - max(MIN_SAVED_BYTES, share * (size + self.system_bytes))
        if count_bytes(text_of.render(self._changed)) > allowed:
            return whole, None  # No need to parse it.
        if count_bytes(text_of.render(self._touched)) > allowed:
            return whole, None
        text = text_of.render(self._shown)
        return (text, self._around_changes) if count_bytes(text) <= allowed else (whole, None)

    @cached_property
    def _around_changes(self) -> set[int]:
        """The lines that are shown in a row with touched ones: all that an answer may close."""
        found: set[int] = set()
        for first, last in runs(self._shown):
            run = range(first, last + 1)
            if not self._touched.isdisjoint(run):
                found.update(run)
        return found

    @cached_property
    def _touched(self) -> set[int]:
        return touched_lines(self.file.lines, self._changed)

    @cached_property
    def _changed(self) -> set[int]:
        return changed_lines(self._hunks, len(self.file.lines))

    @cached_property
    def _shown(self) -> Sequence[int]:
        file = self.file
        outline = outline_of(file.text, file.language, file.lines)
        chooser = _Chooser(file.text, file.lines, outline, self._changed, self._touched)
        return chooser.choose(removed_names(file.diff))

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
    lines = lines_of(text)
    changed = changed_lines(hunks, len(lines))
    touched = touched_lines(lines, changed)
    chooser = _Chooser(text, lines, outline_of(text, language, lines), changed, touched)
    return set(chooser.choose(removed_names(diff)))


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

    text: str
    lines: Sequence[str]
    outline: Outline
    changed: Collection[int]
    touched: Collection[int]
    """The lines whose neighborhood has changed: an answer that does not repeat a finding there
    closes it."""

    def choose(self, removed_names: Iterable[str]) -> Sequence[int]:
        """Return the numbers of the lines to show, in order."""
        items, around = self.outline.definitions, self._around_changes
        shown = {*self.touched}.union(*_widen(self.changed, CONTEXT_LINES))
        blocks = set(filter(self._is_block, around))
        loose = [number for number, inside in self._inside.items() if blocks.isdisjoint(inside)]
        shown.update(*_widen(loose, LOOSE_CONTEXT_LINES))
        shown.update(self._head(), self.outline.imports, *map(_signature, items))
        enclosing: set[int] = set()
        for index in around:
            if items[index].kind is DefinitionKind.TYPE:
                shown.update(self._fields(index, with_constructors=True))
            else:
                enclosing.update(self._enclosing(items[index]))
        shown |= enclosing
        shown.update(*self._named(enclosing))
        for found in self._uses({*removed_names, *self._changed_names()}, shown):
            shown.update(found)
        return _without_short_gaps(shown, len(self.lines))

    @cached_property
    def _inside(self) -> dict[int, tuple[int, ...]]:
        """By each changed line the indexes of the definitions around it, the innermost first."""
        return {number: self._around(number) for number in self.changed}

    @cached_property
    def _around_changes(self) -> frozenset[int]:
        return frozenset().union(*set(self._inside.values()))

    def _head(self) -> Iterable[int]:
        first = min((item.first for item in self.outline.definitions), default=len(self.lines) + 1)
        imports = self.outline.imports
        first = min(first, imports[0]) if imports else first
        return range(1, min(first - 1, MAX_HEAD_LINES) + 1)

    def _is_block(self, index: int) -> bool:
        item = self.outline.definitions[index]
        return item.kind is not DefinitionKind.TYPE and item.last - item.start >= CONTEXT_LINES

    @cached_property
    def _starts(self) -> list[int]:
        return [item.first for item in self.outline.definitions]

    def _around(self, number: int) -> tuple[int, ...]:
        """Return the indexes of the definitions around a line, the innermost first."""
        items = self.outline.definitions
        found: list[int] = []
        index: int | None = bisect_right(self._starts, number) - 1
        while index is not None and index >= 0:
            item = items[index]
            if item.last >= number:
                found.append(index)
            index = item.parent
        return tuple(found)

    def _enclosing(self, item: Definition) -> Iterable[int]:
        """Return the lines of a changed definition, or those around its changes."""
        if item.last - item.start < MAX_FUNCTION_LINES:
            return range(item.first, item.last + 1)
        inside = {number for number in self.changed if item.first <= number <= item.last}
        near: set[int] = set().union(*_widen(inside, LONG_CONTEXT_LINES))
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

    def _named(self, enclosing: Iterable[int]) -> Iterator[Iterable[int]]:
        """Yield the lines of what changed lines or the signatures around them name.

        With the statements that the rest of the changed functions names, such as constants.
        """
        items, around = self.outline.definitions, self._around_changes
        others = {index: item for index, item in enumerate(items) if index not in around}
        signatures = {*self.changed}.union(*(_signature(items[index]) for index in around))
        near = self._names_in(signatures, others.values())
        values = [item for item in others.values() if item.kind is DefinitionKind.VALUE]
        far = self._names_in(enclosing, values) if values else near
        for index, item in others.items():
            is_near = not near.isdisjoint(item.names)
            if item.kind is DefinitionKind.VALUE:
                if is_near or not far.isdisjoint(item.names):
                    yield range(item.start, min(item.last, item.start + MAX_VALUE_LINES - 1) + 1)
            elif is_near and item.kind is DefinitionKind.TYPE:
                yield self._fields(index, with_constructors=True)
            elif is_near:
                yield range(item.first, min(item.last, item.first + MAX_NAMED_LINES) + 1)

    def _names_in(self, numbers: Iterable[int], items: Iterable[Definition]) -> set[str]:
        """Return the names of these definitions that the lines name."""
        lines = self.lines
        text = "\n".join([lines[number - 1][:MAX_READ_CHARS] for number in numbers])
        found = {name for item in items for name in item.names if name in text}
        return found.intersection(_NAME.findall(text)) if found else found

    def _changed_names(self) -> Iterator[str]:
        """Yield the names of what changed, by which the rest of the file may use it."""
        items = self.outline.definitions
        for inside in set(self._inside.values()):
            names = (items[index].names for index in inside)
            yield from next((each for each in names if each and CONSTRUCTORS.isdisjoint(each)), ())

    def _uses(self, names: Iterable[str], shown: Collection[int]) -> Iterator[Iterable[int]]:
        """Yield the callers of what changed, or of long ones the lines around the call."""
        numbers = (number for number in self._lines_with(names) if number not in shown)
        for number in islice(numbers, MAX_USES):
            yield range(number - 2, number + 3)
            for index in self._around(number):
                item = self.outline.definitions[index]
                if item.kind is DefinitionKind.TYPE:
                    break
                if item.last - item.start < MAX_CALLER_LINES:
                    yield range(item.start, item.last + 1)
                else:
                    yield range(item.start, item.body)

    def _lines_with(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of the lines in which one of the names occurs."""
        text = self.text
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


def _signature(item: Definition) -> Iterable[int]:
    if item.kind is not DefinitionKind.VALUE:
        return range(item.start, item.body)
    # The first line of a block; a statement of one line is shown where something names it.
    return range(item.start, item.start + 1) if item.last > item.start + 1 else ()


def _widen(numbers: Iterable[int], by: int) -> Iterator[range]:
    """Yield the ranges of the numbers, and of as many before and after each; they may overlap."""
    return (range(first - by, last + by + 1) for first, last in runs(numbers))


def _without_short_gaps(shown: Iterable[int], count: int) -> Sequence[int]:
    """Return the numbers of a text with so many lines, and those of short gaps between them."""
    numbers = sorted([number for number in shown if 1 <= number <= count])
    for before, after in list(zip([0, *numbers], [*numbers, count + 1], strict=True)):
        if 1 < after - before <= MIN_GAP_LINES:
            numbers += range(before + 1, after)
    return sorted(numbers)
