"""Lines of other files that call or define what a change touches: context, not under review."""

import builtins
import keyword
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from batch_action.clients.git import GitRepo
from batch_action.clients.git.search import Line, can_grep, grep
from batch_action.clients.secrets import mask
from batch_action.models.files import ChangeType, FileChange, RelatedFile, SourceFile
from batch_action.requests import pricing, prompt
from batch_action.requests.excerpt import CONSTRUCTORS, changed_lines, removed_names
from batch_action.selection import content, filters
from batch_action.selection.paths import extensions_of, language_of
from batch_action.selection.reader import Candidates
from batch_action.syntax.grammars import outline_of
from batch_action.syntax.outline import Definition, DefinitionKind, Outline, around

MAX_CHANGED_FILES = 200
"""A run with more, such as a rename across the repository, looks for none: it would take longer
than all else, and most of what would be found is under review itself."""
MAX_TOKENS = 1_500
"""Tokens of related code in one request."""
MAX_SYMBOLS = 12
"""Changed names of one file whose uses are looked for."""
MAX_USED_NAMES = 24
"""Names on the added lines of one file whose definitions are looked for."""
MAX_HITS = 60
"""A name that is found more often says nothing."""
MAX_PLACES = 24
"""Places that are read for one reviewed file."""
MAX_PLACES_OF_NAME = 12
"""How many of them are of one name."""
MAX_SHOWN_OF_NAME = 3
CONTEXT_LINES = 3
"""Lines shown around a call in a longer function."""
MAX_WHOLE_LINES = 12
"""A caller that is not longer is shown whole."""
MAX_DEFINITION_LINES = 15
"""Lines shown of a definition."""
MAX_LINE_CHARS = 200
MIN_NAME_CHARS, MAX_NAME_CHARS = 3, 100
MAX_OUTPUT_BYTES = 8_000_000
"""What is read of git's answer about some files. If there is more, the most common names are not
looked for: else the files whose paths sort last would not be seen."""
MAX_SEARCHES = 4
"""How often git is asked about the same files, each time for fewer names."""

FAMILIES: Mapping[str, tuple[str, ...]] = {
    language: family
    for family in (
        ("javascript", "jsx", "typescript", "tsx", "vue", "svelte"),
        ("c", "cpp", "cuda", "objectivec"),
        ("java", "kotlin", "scala", "groovy"),
        *((name,) for name in ("python", "go", "ruby", "rust", "php", "csharp", "swift", "dart")),
    )
    for language in family
}
"""Language to those whose code can use its code."""

_USED_NAME = re.compile(
    r"(?<![\w$])(?:(?P<called>[A-Za-z_]\w*)(?=\s*(?:<[\w, ]{1,40}>)?\()"
    r"|(?P<type>[A-Z]\w*[a-z]\w*)|(?P<constant>[A-Z][A-Z\d]*_[A-Z\d_]+))(?![\w$])",
    re.ASCII,
)
_WORD = re.compile(r"\w+", re.ASCII)
_IMPORT = re.compile(
    r"\s*(?:(?:import|from|use|using|package|require\w*|#\s*include)\b|export\s*[{*]|\}\s*from\b)"
)
_DEFINING = re.compile(
    r"\b(?:def|class|func|function|fn|fun|struct|interface|type|enum|trait|impl|module|object|record"
    r"|protocol|const|let|var|val|static|#\s*define)\s+(?:\([^()]*\)\s*)?(?:self\.)?\Z",
    re.ASCII,
)
"""What comes before a name on the line that defines it."""
_SIGNATURE = re.compile(
    r"\s*(?!(?:if|for|while|switch|return|else|match|await|new|guard|unless|catch|throw|yield|case|when"
    r"|elif|using|lock|try|defer|go|do|in)\b)(?:[\w<>\[\],.&:?@]+\s+)*[*&]*\Z",
    re.ASCII,
)
"""Only modifiers and types, as before the name of a method."""
_ASSIGNMENT = re.compile(r"\s*(?:[a-z]+\s+){0,4}(\w+)\s*(?::[^=]*)?=(?![=>])", re.ASCII)
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--)")
_COMMON_NAMES = frozenset(
    {
        *(*keyword.kwlist, *dir(builtins), "self", "cls", "main", "get", "set", "run", "test"),
        *("abstract", "case", "catch", "const", "constructor", "declare", "default", "describe"),
        *("enum", "error", "expect", "export", "extends", "final", "func", "function", "interface"),
        *(
            "internal",
            "let",
            "namespace",
            "new",
            "null",
            "private",
            "protected",
            "public",
            "readonly",
        ),
        *("require", "return", "sizeof", "static", "string", "struct", "super", "switch", "this"),
        *("throw", "typeof", "undefined", "union", "var", "void", "Array", "Boolean", "Date"),
        *(
            "Error",
            "Math",
            "Number",
            "Object",
            "Promise",
            "String",
            "Vec",
            "make",
            "append",
            "panic",
        ),
    }
)
"""Names of languages, and those that say nothing."""


class Names(NamedTuple):
    """The names of one reviewed file that are looked for in others."""

    changed: Collection[str]
    used: Collection[str]


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of a file at head with a name that is looked for."""

    path: str
    number: int
    name: str
    defines: bool


@dataclass(frozen=True, slots=True)
class _Text:
    """A file from which lines may be shown."""

    lines: Sequence[str]
    """Masked."""
    outline: Outline


@dataclass
class RelatedCode:
    """Finds lines of other files for the files of one run."""

    git: GitRepo
    candidates: Candidates
    _texts: dict[str, _Text | None] = field(default_factory=dict)
    """By path; None for a file that this configuration would not send."""
    problem: str = ""
    """Why none is shown; empty while it is."""

    def __post_init__(self) -> None:
        """Look for none where that would take too long."""
        if (count := len(self.candidates.changes)) > MAX_CHANGED_FILES:
            self.problem = f"{count} files have changed, more than {MAX_CHANGED_FILES}"

    def attach(self, files: Sequence[SourceFile]) -> Iterator[SourceFile]:
        """Yield the files with their related code; git is asked once for all of them."""
        if self.problem:
            yield from files
            return
        names = {file.path: names_of(file) for file in files if file.language in FAMILIES}
        names = {path: found for path, found in names.items() if found.changed or found.used}
        places = self._find(names, {file.language for file in files if file.path in names})
        chosen = {
            file.path: self._rank(file, names[file.path], places)
            for file in files
            if file.path in names
        }
        self._read({place.path for found in chosen.values() for place in found})
        for file in files:
            related = self._show(chosen.get(file.path, ()))
            yield replace(file, related=related) if related else file

    def _find(
        self, names: Mapping[str, Names], languages: Collection[str]
    ) -> Mapping[str, list[_Place]]:
        """Return by name where it is in the code at head."""
        wanted = {name for found in names.values() for name in (*found.changed, *found.used)}
        family = {language for name in languages for language in FAMILIES[name]}
        extensions = sorted(extensions_of(family))
        lines: Sequence[Line] = ()
        for _ in range(MAX_SEARCHES):
            if not wanted:
                return {}
            pattern = rf"\b{prefix_tree(wanted)}\b"
            lines, is_whole = grep(
                self.git.runner, self.candidates.head, pattern, extensions, MAX_OUTPUT_BYTES
            )
            common = frozenset() if is_whole else _most_common(lines, wanted)
            if not common:
                break
            wanted -= common
        if not (lines or self._can_grep):
            self.problem = "this git was built without PCRE"
        return _places_in(lines, wanted)

    @cached_property
    def _can_grep(self) -> bool:
        return can_grep(self.git.runner, self.candidates.head)

    def _rank(
        self, file: SourceFile, names: Names, places: Mapping[str, list[_Place]]
    ) -> list[_Place]:
        """Return the first places to show: in the nearest folders, of the rarest names."""
        family = FAMILIES[file.language]
        ranked: list[tuple[int, int, _Place]] = []
        for name in dict.fromkeys((*names.changed, *names.used)):
            others = [p for p in places.get(name, ()) if p.path != file.path]
            if name in names.changed:
                others = [place for place in others if not place.defines]
            else:
                others = [place for place in others if place.defines]
            if len(others) <= MAX_HITS:
                ranked += (
                    (_distance(file.path, place.path), len(others), place)
                    for place in others
                    if language_of(place.path) in family
                )
        ranked.sort(key=lambda r: (r[0], r[1], r[2].path, r[2].number))
        counts: Counter[str] = Counter()
        chosen: list[_Place] = []
        for _, _, place in ranked:
            if counts[place.name] < MAX_PLACES_OF_NAME and self._may_be_shown(place.path):
                counts[place.name] += 1
                chosen.append(place)
        return chosen[:MAX_PLACES]

    @cached_property
    def _tree(self) -> Mapping[str, FileChange]:
        return {entry.path: entry for entry in self.git.tree(self.candidates.head)}

    def _may_be_shown(self, path: str) -> bool:
        """Return whether name and kind of the file admit it; attributes and content come later."""
        options = self.candidates.options
        skipped = options.rules.skip(path)
        return path in self._tree and (skipped is None or options.rules.reincludes(path))

    def _read(self, paths: Collection[str]) -> None:
        """Read the files that this configuration would send as well."""
        options = self.candidates.options
        new = sorted(path for path in paths if path not in self._texts)
        self._texts |= dict.fromkeys(new)
        attributes = self.git.attributes(options.attributes_from, new)
        entries = [
            entry
            for path in new
            if not filters.check_change(entry := self._tree[path])
            and not filters.check_name(path, options.rules, attributes.get(path, {}))
        ]
        sizes = self.git.sizes({entry.blob for entry in entries})
        limit = options.max_file_bytes
        entries = [e for e in entries if e.blob in sizes and 0 < sizes[e.blob] <= limit]
        blobs = dict(self.git.blobs({entry.blob for entry in entries}))
        for entry in entries:
            self._texts[entry.path] = self._read_text(entry.path, blobs.get(entry.blob, b""))

    def _read_text(self, path: str, data: bytes) -> _Text | None:
        if content.is_wide(data) or filters.check_bytes(path, data):
            return None
        plain = content.read_text(data)
        reincluded = self.candidates.options.rules.reincludes(path)
        if filters.check_text(path, plain, skip_generated=not reincluded):
            return None
        lines = content.lines_of(mask(plain, path)[0])
        return _Text(lines, outline_of("\n".join(lines), language_of(path)))

    def _show(self, places: Iterable[_Place]) -> tuple[RelatedFile, ...]:
        """Return the lines of these places, as far as they fit."""
        shown: dict[str, dict[int, str]] = {}
        counts: Counter[str] = Counter()
        for place in places:
            text = self._texts.get(place.path)
            if text is None or not 0 < place.number <= len(text.lines):
                continue
            if counts[place.name] == MAX_SHOWN_OF_NAME:
                continue
            more = {n: text.lines[n - 1][:MAX_LINE_CHARS] for n in lines_around(text, place)}
            if more:
                joined = {**shown, place.path: {**shown.get(place.path, {}), **more}}
                size = len(prompt.related_text(_related(joined)).encode())
                if pricing.estimate_tokens(size) > MAX_TOKENS:
                    break
                shown = joined
                counts[place.name] += 1
        return _related(shown)


def _places_in(lines: Iterable[Line], wanted: Collection[str]) -> Mapping[str, list[_Place]]:
    """Return by name where it is on these lines, without those that import it."""
    found: defaultdict[str, list[_Place]] = defaultdict(list)
    for path, number, line in lines:
        if _IMPORT.match(line):
            continue
        for match in _WORD.finditer(line[: 2 * MAX_LINE_CHARS]):
            if (name := match[0]) in wanted:
                found[name].append(_Place(path, number, name, _defines(line, match)))
    return found


def _most_common(lines: Iterable[Line], wanted: Collection[str]) -> frozenset[str]:
    """Return the names without which these lines, which are too many, have room for the others."""
    sizes: Counter[str] = Counter()
    for path, _, line in lines:
        for name in {match[0] for match in _WORD.finditer(line)}.intersection(wanted):
            sizes[name] += len(path) + len(line)
    share = MAX_OUTPUT_BYTES / (2 * len(wanted))
    return frozenset(name for name, size in sizes.items() if size > share)


def _defines(line: str, name: re.Match[str]) -> bool:
    """Return whether a line probably begins the definition of one of its words."""
    before, after = line[: name.start()], line[name.end() :]
    if _DEFINING.search(before):
        return True
    if after.lstrip().startswith("(") and line.rstrip().endswith(("{", "{}")):
        return _SIGNATURE.fullmatch(before) is not None
    assignment = _ASSIGNMENT.match(line)
    return assignment is not None and assignment.start(1) == name.start() and not line[0].isspace()


def _related(shown: Mapping[str, Mapping[int, str]]) -> tuple[RelatedFile, ...]:
    return tuple(
        RelatedFile(path=path, lines=tuple(sorted(lines.items()))) for path, lines in shown.items()
    )


def names_of(file: SourceFile) -> Names:
    """Return the names that a change defines or changes, and those that its added lines use."""
    lines = file.lines
    changed = changed_lines(file.hunks, len(lines))
    added = {n for h in file.hunks for n in range(h.new_start, h.new_start + h.new_lines)}
    if not file.hunks and file.status is ChangeType.ADDED:
        changed = added = set(range(1, len(lines) + 1))
    if not changed:
        return Names((), ())
    outline = outline_of("\n".join(lines), file.language)
    defined = [_defined_names(item, lines) for item in outline.definitions]
    symbols = [*removed_names(file.diff), *_changed_symbols(outline, defined, changed)]
    own = {name for names in defined for name in names}
    used = (
        match[0]
        for number in sorted(added)
        if number <= len(lines) and not _COMMENT.match(line := lines[number - 1][:1_000])
        for match in _USED_NAME.finditer(line)
    )
    return Names(
        _first(symbols, MAX_SYMBOLS), _first((n for n in used if n not in own), MAX_USED_NAMES)
    )


def _first(names: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return the first public names that may say something."""
    public = (
        name
        for name in names
        if MIN_NAME_CHARS <= len(name) <= MAX_NAME_CHARS
        and not name.startswith("_")
        and name not in _COMMON_NAMES
        and _WORD.fullmatch(name)
    )
    return tuple(dict.fromkeys(public))[:limit]


def _defined_names(item: Definition, lines: Sequence[str]) -> tuple[str, ...]:
    """Return the names that other code can use; those of a statement only if it assigns them."""
    if item.kind is not DefinitionKind.VALUE:
        return item.names
    match = _ASSIGNMENT.match(lines[item.start - 1][:MAX_LINE_CHARS])
    return (match[1],) if match else ()


def _changed_symbols(
    outline: Outline, defined: Sequence[tuple[str, ...]], changed: Collection[int]
) -> Iterator[str]:
    """Yield the names by which other files may use what is on the changed lines.

    *defined*: the names of each definition.
    """
    items = outline.definitions
    starts = [item.first for item in items]
    for number in sorted(changed):
        index: int | None = bisect_right(starts, number) - 1
        visible: tuple[str, ...] = ()
        while index is not None and index >= 0:
            item = items[index]
            if not item.first <= number <= item.last:
                pass
            elif item.kind is not DefinitionKind.TYPE:
                # What is inside of it is used through it; a constructor, through its type.
                visible = defined[index] if CONSTRUCTORS.isdisjoint(item.names) else ()
            else:
                visible = visible or item.names
            index = item.parent
        yield from visible


def lines_around(text: _Text, place: _Place) -> Iterable[int]:
    """Return the lines that show a definition, or a use with the signature around it."""
    around_it = [text.outline.definitions[i] for i in around(text.outline, place.number)]
    if place.number in text.outline.imports:
        return ()
    starting = [
        item
        for item in around_it
        if item.start <= place.number < item.body and place.name in _defined_names(item, text.lines)
    ]
    if place.defines or starting:
        if not place.defines:
            return ()  # Something else with the same name.
        item = starting[-1] if starting else None
        last = item.last if item else place.number
        return range(place.number, min(last, place.number + MAX_DEFINITION_LINES - 1) + 1)
    functions = [d for d in around_it if d.kind is DefinitionKind.FUNCTION]
    near = range(max(1, place.number - CONTEXT_LINES), place.number + CONTEXT_LINES + 1)
    if functions and functions[-1].last - functions[-1].start < MAX_WHOLE_LINES:
        near = range(functions[-1].start, functions[-1].last + 1)
    first = [functions[-1].start] if functions else []
    return sorted({n for n in (*first, *near) if n <= len(text.lines)})


def _distance(path: str, other: str) -> int:
    """Return how many steps through folders are between two files."""
    one, two = path.split("/")[:-1], other.split("/")[:-1]
    common = 0
    for first, second in zip(one, two, strict=False):
        if first != second:
            break
        common += 1
    return len(one) + len(two) - 2 * common


def prefix_tree(names: Iterable[str]) -> str:
    """Return an expression that matches exactly these words, in a time that they hardly change."""
    root: dict[str, dict] = {}  # type: ignore[type-arg]
    for name in names:
        node = root
        for char in name:
            node = node.setdefault(char, {})
        node[""] = {}
    return _expression(root)


def _expression(node: Mapping[str, Mapping]) -> str:  # type: ignore[type-arg]
    branches = [char + _expression(rest) for char, rest in sorted(node.items()) if char]
    if not branches:
        return ""
    text = "(?:" + "|".join(branches) + ")" if len(branches) > 1 or "" in node else branches[0]
    return f"{text}?" if "" in node else text
