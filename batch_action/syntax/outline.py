"""The outline of a source text: its imports, and where its definitions begin and end.

JavaScript, TypeScript and Go are read by their grammars. Other languages, and texts that do not
parse, are read by their indentation, which for Python is the syntax itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

MAX_SIGNATURE_LINES = 12
NEVER = 1 << 40
"""Farther than any line is indented."""
MAX_READ_CHARS = 300
"""What is read of a line to find out what it defines."""


class DefinitionKind(Enum):
    """What a definition holds."""

    FUNCTION = auto()
    TYPE = auto()
    """A class, module or the like: it holds other definitions."""
    VALUE = auto()
    """Any other statement at the top level."""


class Definition(NamedTuple):
    """A range of lines that defines something; all numbers are 1-based and inclusive."""

    kind: DefinitionKind
    names: tuple[str, ...]
    """What it is called; empty when it has no name."""
    first: int
    """The first line of the comment above it, else `start`."""
    start: int
    """The first line of its signature, decorators included."""
    body: int
    """The first line after its signature."""
    last: int
    parent: int | None = None
    """The index of the innermost definition around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The definitions of a text, an outer one before those in it, and the lines of its imports."""

    definitions: tuple[Definition, ...]
    imports: tuple[int, ...]


_IMPORT = re.compile(
    r"(?:import|from|use|using|package|require|require_once|require_relative|include|include_once"
    r"|source|extern crate|#\s*include|#\s*import|@import|@use|library|open)\b"
)
_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|open|data"
    r"|inner|pub|pub\([^)]*\)|unsafe|partial|readonly|declare|async|virtual|override|inline|extern"
    r"|const|case|companion|fileprivate|typedef|strictfp|annotation|value|final|local|defp?"
    r"|template\s*<.{0,200}?>)\s+)*"
)
_TYPE_WORDS = (
    r"class|interface|trait|impl|namespace|module|object|extension|record|protocol|actor|mixin"
    r"|contract|library|mod|defmodule|enum\s+class|package"
)
_TYPE = re.compile(
    rf"{_MODIFIERS}(?:(?P<open>{_TYPE_WORDS})|struct|union|enum)(?:<[^>]*>)?"
    r"(?:\s+(?P<name>[A-Za-z_]\w*(?:(?:\.|::)\w+)*)|\s*(?=[{:(]))"
)
_FUNCTION_WORDS = "def|function|func|fn|fun|sub|proc|procedure|macro|init|constructor"
_FUNCTION = re.compile(
    rf"{_MODIFIERS}(?:{_FUNCTION_WORDS})\b(?:\s*\([^)]*\)\s*(?=\w))?"
    r"\s*(?:self\.|&)?(?P<name>[A-Za-z_$][\w$]*[?!]?)?"
)
_PLAIN_FUNCTION = re.compile(
    rf"(?:async\s+)?def\s+(?!(?:{_TYPE_WORDS}|struct|union|enum|{_FUNCTION_WORDS}|pub)\()"
    r"(?P<name>[A-Za-z_]\w*)\("
)
"""Most functions of Python: `_TYPE` does not match them, and `_FUNCTION` finds the same name."""
_NAMED_CALL = re.compile(r"(?P<name>~?[A-Za-z_$][\w$]*)\s*\(")
_CONTROL = re.compile(
    r"(?:if|else|elif|elsif|for|foreach|while|switch|match|return|try|catch|except|finally|do|lock"
    r"|throw|raise|new|assert|await|yield|with|unless|until|when|case|del|print|using|echo)\b"
)
_VALUE_NAME = re.compile(
    r"#\s*define\s+(?P<macro>\w+)|(?P<assigned>[A-Za-z_$][\w$-]*)[\"']?(?:\[[^\]]*\])*\s*"
    r"(?::(?!:)[^=]*)?(?:=(?![=>])|:(?!:)|$)|(?P<last>[A-Za-z_]\w*)\s*[;(]"
)
_CONTINUES = re.compile(r"[)\]}{]|(?:end|fi|done|esac|then|do|begin|in)\b")
# With what a match of some of these expressions begins: most lines begin with none of it.
_IMPORT_SIGNS = "#@efiloprsu"
_COMMENT_SIGNS = "/*-<;%#"
_CONTINUING_SIGNS = ")]}{efdtbi"
_DECORATOR_SIGNS = "@#[t"
_COMMENT = re.compile(r"(?://|/\*|\*(?!\w)|--|<!--|;|%|#(?!\[|!\[|\s*(?:include|import|define)\b))")
_DIRECTIVE = re.compile(r"#\s*(?:if|ifdef|ifndef|else|elif|endif|pragma|region|endregion)\b")
_LABEL = re.compile(r"(?:public|private|protected|signals|slots|\w+)(?:\s+slots)?:\s*$")
_DECORATOR = re.compile(r"@\w|#!?\[|\[\w[\w.]*(?:\(.*)?\]\s*$|template\s*<.*>\s*$")
# A group with `*+` matches wrongly before Python 3.11.5 (gh-106052); in `(?>…)` it does not.
_PYTHON_STRING = (
    r'"""(?>(?:[^"\\]++|\\[\s\S]|"(?!""))*)(?:"""|\Z)'
    r"|'''(?>(?:[^'\\]++|\\[\s\S]|'(?!''))*)(?:'''|\Z)"
    r'|"(?>(?:[^"\\\n]++|\\[\s\S])*)"?'
    r"|'(?>(?:[^'\\\n]++|\\[\s\S])*)'?"
)
_PYTHON_ON_ONE_LINE = (
    r"[^\"'#]++|#[^\n]*+"
    r'|"""(?>(?:[^"\\\n]++|\\[^\n]|"(?!""))*)"""|"(?!"")(?>(?:[^"\\\n]++|\\[^\n])*)(?!\\)"?'
    r"|'''(?>(?:[^'\\\n]++|\\[^\n]|'(?!''))*)'''|'(?!'')(?>(?:[^'\\\n]++|\\[^\n])*)(?!\\)'?"
)
_TO_PYTHON_STRING = re.compile(rf"(?>(?:{_PYTHON_ON_ONE_LINE})*)(?P<string>{_PYTHON_STRING})")
"""A string that may have several lines, and all that comes before it."""
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*(?:[^*]|\*(?!/))*(?:\*/|\Z)", re.MULTILINE)
_LABELLED = frozenset({"c", "cpp", "csharp", "objectivec", "cuda", "java"})


def outline_by_indentation(text: str, language: str, lines: Sequence[str]) -> Outline:
    r"""Return the outline of any text, read by its indentation; only `\n` ends a line."""
    if lines and lines[-1] == "":  # it ends the last line
        lines = lines[:-1]
    reader = _IndentationReader(lines=lines, language=language)
    inside = _continuation_lines(text, language)
    number = at = 0
    while number < len(lines):
        if reader.leaf_indent != NEVER and reader.comment_above is None:
            # No line that is indented farther decides anything.
            passed = text[at : (end := _less_indented(text, at, reader.leaf_indent))]
            last = number
            if code := passed.rstrip():
                reader.last = last = number + 1 + code.count("\n")
            number, at = number + passed.count("\n"), end
            if inside:
                blank = range(last + 1, number + 1)
                reader.last = max(inside.intersection(blank), default=reader.last)
            if end == len(text):
                break
        line = lines[number]
        number, at = number + 1, at + len(line) + 1
        content = line.lstrip()
        if not content or number in inside:
            reader.skip(number, is_code=number in inside)
            continue
        width = len(line) - len(content)
        indent = width if "\t" not in line[:width] else len(line[:width].expandtabs(8))
        if indent > reader.leaf_indent:
            reader.last = number
        else:
            reader.read(number, indent, content[:MAX_READ_CHARS])
    reader.close(0)
    return Outline(
        definitions=tuple(reader.built[key] for key in sorted(reader.built)),
        imports=tuple(reader.imports),
    )


def _less_indented(text: str, at: int, indent: int) -> int:
    """Return where the next line begins that may be indented as far as this, or less.

    *at*: where a line begins. Without one, return the end of the text.
    """
    found = _line_start(indent).search(text, at - 1)
    return found.start() + 1 if found else len(text)


@lru_cache(maxsize=100)
def _line_start(indent: int) -> re.Pattern[str]:
    return re.compile(rf"\n[^\S\n]{{0,{indent}}}\S")


def _continuation_lines(text: str, language: str) -> set[int]:
    """Return the lines that begin inside of a string or a block comment."""
    found: set[int] = set()
    line, at = 1, 0
    for start, end in _long_strings(text) if language == "python" else _block_comments(text):
        first = line + text.count("\n", at, start)
        line, at = first + text.count("\n", start, end), end
        found.update(range(first + 1, line + 1))
    return found


def _long_strings(text: str) -> Iterator[tuple[int, int]]:
    if '"""' in text or "'''" in text or "\\\n" in text:
        at = 0
        while match := _TO_PYTHON_STRING.match(text, at):
            at = match.end()
            yield match.span("string")


def _block_comments(text: str) -> Iterator[tuple[int, int]]:
    if "/*" in text:
        yield from (match.span() for match in _BLOCK_COMMENT.finditer(text))


@dataclass(slots=True)
class _Open:
    """A definition whose last line is not known yet."""

    index: int
    indent: int
    kind: DefinitionKind
    names: tuple[str, ...]
    first: int
    start: int
    body: int
    parent: int | None


@dataclass(slots=True, kw_only=True)
class _IndentationReader:
    """Reads a text line by line and keeps the definitions that are open."""

    lines: Sequence[str]
    language: str
    built: dict[int, Definition] = field(default_factory=dict)
    """By the order in which they begin."""
    imports: list[int] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    count: int = 0
    last: int = 0
    """The last line with code."""
    comment_above: int | None = None
    """The first line of the comment or decorators right above."""
    decorated_from: int | None = None
    signature_until: int = 0
    leaf_indent: int = NEVER
    """What is indented farther is inside of a definition that holds no others."""

    def skip(self, number: int, *, is_code: bool) -> None:
        """Pass over an empty line, or one that belongs to what began above it."""
        if is_code:
            self.last = number
        else:
            self.comment_above = None

    def read(self, number: int, indent: int, content: str) -> None:
        """Read one line of code or comment."""
        if number <= self.signature_until:
            self.last = number
            return
        if self._is_neutral(content):
            if self.comment_above is None:
                self.comment_above = number
            return
        if self._continues(indent, content):
            self.close(indent + 1)
            if content.startswith("{") and self.stack and self.stack[-1].body == number:
                self.stack[-1].body = number + 1
            self.last, self.comment_above = number, None
            return
        self.close(indent)
        top = self.stack[-1] if self.stack else None
        if content[0] in _DECORATOR_SIGNS and _DECORATOR.match(content):
            first = number if self.comment_above is None else self.comment_above
            start = number if self.decorated_from is None else self.decorated_from
            end = self._signature_end(number)
            self.last = self.signature_until = end
            self.comment_above, self.decorated_from = first, start
            return
        self._begin(number, indent, content, top)

    def _is_neutral(self, content: str) -> bool:
        """Return whether a line is a comment or the like: it ends nothing, whatever its indent."""
        if content[0] in _COMMENT_SIGNS and _COMMENT.match(content):
            return self.language not in ("markdown", "css", "scss", "less") or content[0] in "/*"
        return self.language in _LABELLED and bool(
            _DIRECTIVE.match(content) or (_LABEL.match(content) and self.stack)
        )

    def _continues(self, indent: int, content: str) -> bool:
        """Return whether a line belongs to what begins at its own indent above it."""
        if content[0] not in _CONTINUING_SIGNS or not _CONTINUES.match(content):
            return False
        return any(item.indent == indent for item in self.stack)

    def _begin(self, number: int, indent: int, content: str, top: _Open | None) -> None:
        end = self._signature_end(number)
        if top is None and content[0] in _IMPORT_SIGNS and _IMPORT.match(content):
            self.imports.extend(range(number, end + 1))
            self.last = self.signature_until = end
            self.comment_above = self.decorated_from = None
            return
        kind, names = self._classify(number, end, content)
        if kind is DefinitionKind.VALUE:
            if top is not None:
                self.last, self.comment_above, self.decorated_from = number, None, None
                return
            names, end = _value_names(content), number
        start = number if self.decorated_from is None else self.decorated_from
        first = start if self.comment_above is None else self.comment_above
        parent = None if top is None else top.index
        self.stack.append(_Open(self.count, indent, kind, names, first, start, end + 1, parent))
        self.count += 1
        self._find_leaf()
        self.last = self.signature_until = end
        self.comment_above = self.decorated_from = None

    def _classify(
        self, number: int, end: int, content: str
    ) -> tuple[DefinitionKind, tuple[str, ...]]:
        """Return what a line defines, and its names; those of a value are left to be found."""
        if match := _PLAIN_FUNCTION.match(content):
            return DefinitionKind.FUNCTION, (match["name"],)
        match = _TYPE.match(content)
        if match and (match["open"] or "(" not in content):
            return DefinitionKind.TYPE, _names(match["name"])
        if match := _FUNCTION.match(content):
            return DefinitionKind.FUNCTION, _names(match["name"])
        if self._has_body(number, end) and not _CONTROL.match(content):
            call = _NAMED_CALL.search(content)
            if call and "=" not in content[: call.start()]:
                return DefinitionKind.FUNCTION, _names(call["name"])
        return DefinitionKind.VALUE, ()

    def _has_body(self, number: int, end: int) -> bool:
        """Return whether a signature that ends at *end* is followed by a body in braces."""
        text = self.lines[end - 1][-MAX_READ_CHARS:].rstrip()
        if text.endswith(("{", "=>")):
            return True
        if text.endswith((";", ",", "}")):
            return False
        following = self.lines[end].strip() if end < len(self.lines) else ""
        return following.startswith(("{", ":")) and end - number < MAX_SIGNATURE_LINES

    def _signature_end(self, number: int) -> int:
        """Return the last line of what begins here, as far as its parentheses tell."""
        depth = 0
        lines = self.lines[number - 1 : number - 1 + MAX_SIGNATURE_LINES]
        for at, whole in enumerate(lines, number):
            line = whole[:MAX_READ_CHARS]
            depth += line.count("(") + line.count("[") - line.count(")") - line.count("]")
            if depth <= 0:
                return at
        return number

    def close(self, indent: int) -> None:
        """End every definition that is indented as far as this, or farther."""
        while self.stack and self.stack[-1].indent >= indent:
            item = self.stack.pop()
            last, body = self.last, min(item.body, self.last + 1)
            self.built[item.index] = Definition(
                item.kind, item.names, item.first, item.start, body, last, item.parent
            )
        self._find_leaf()

    def _find_leaf(self) -> None:
        top = self.stack[-1] if self.stack else None
        is_leaf = top is not None and top.kind is not DefinitionKind.TYPE
        self.leaf_indent = top.indent if top is not None and is_leaf else NEVER


def _names(name: str | None) -> tuple[str, ...]:
    """Return the last name of a path such as `pkg::Type.method`, if there is one."""
    if name and "." not in name and ":" not in name:
        return (name,)
    return tuple(part for part in re.split(r"[.:]+", name or "")[-1:] if part)


def _value_names(content: str) -> tuple[str, ...]:
    match = _VALUE_NAME.search(content)
    return _names(match and (match["macro"] or match["assigned"] or match["last"]))


def around(outline: Outline, number: int) -> Iterator[int]:
    """Yield the indexes of the definitions around a line, the outermost first."""
    for index, item in enumerate(outline.definitions):
        if item.first <= number <= item.last:
            yield index
        elif item.first > number:
            return
