"""Outlines of JavaScript, TypeScript and Go, read by their grammars."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from tree_sitter import Node, Query, QueryCursor

from batch_action.syntax import treesitter
from batch_action.syntax.bodies import without_bodies
from batch_action.syntax.outline import (
    MAX_READ_CHARS,
    Definition,
    DefinitionKind,
    Outline,
    outline_by_indentation,
)

MAX_PARSED_CHARS = 2_000_000
"""Longer texts are read by their indentation."""
MAX_CALLBACK_LINES = 150
"""A longer function without a name, such as that of `describe`, holds others, as a class does."""

# Names and bodies are asked of the nodes: in a query each takes some milliseconds to compile.
_FUNCTION_VALUE = "[(arrow_function) (function_expression)] @value"
_SCRIPT = f"""
(function_declaration) @function
(generator_function_declaration) @function
(method_definition) @function
(variable_declarator name: (identifier) value: {_FUNCTION_VALUE}) @function
(pair value: {_FUNCTION_VALUE}) @function
(assignment_expression right: {_FUNCTION_VALUE}) @function
(call_expression arguments: (arguments {_FUNCTION_VALUE})) @callback
(class_declaration) @type
(import_statement) @import
"""
_TYPED = """
(interface_declaration) @type
(abstract_class_declaration) @type
(enum_declaration) @type
(internal_module) @type
"""
_FIELDS = {
    "javascript": "(field_definition value: {}) @function",
    "typescript": "(public_field_definition value: {}) @function",
}
_GO = """
(function_declaration) @function
(method_declaration) @function
(type_declaration (type_spec) @value) @type
(import_declaration) @import
(package_clause) @import
"""
_NAME_FIELDS = ("name", "key", "left", "property")
_BODY_FIELDS = ("body", "type")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")


def _query_text(language: str) -> str:
    if language == "go":
        return _GO
    if language in ("typescript", "tsx"):
        return _SCRIPT + _TYPED + _FIELDS["typescript"].format(_FUNCTION_VALUE)
    return _SCRIPT + _FIELDS["javascript"].format(_FUNCTION_VALUE)


@cache
def _query(language: str) -> Query:
    return Query(treesitter.grammar_of(language), _query_text(language))


def outline_of(text: str, language: str, lines: Sequence[str] | None = None) -> Outline:
    r"""Return the outline of a text in any language; only `\n` ends a line.

    Never raises: what has no grammar or does not parse is read by its indentation. *lines*: those
    of the text, if known.
    """
    # Other line ends would count for some parsers; after the last one there is no line.
    if "\r" in text:
        text, lines = text.replace("\r\n", "\n").replace("\r", " "), None
    text = text.removesuffix("\n")
    lines = text.split("\n") if lines is None else lines
    language = "javascript" if language == "jsx" else language
    if language in treesitter.LANGUAGES and len(text) <= MAX_PARSED_CHARS:
        # Go's grammar wants an end of the last line. What is left without bodies may not parse.
        tree = treesitter.parse(f"{without_bodies(text, language)}\n", language)
        if tree is None:
            tree = treesitter.parse(f"{text}\n", language)
        if tree is not None:
            return _read(tree.root_node, lines, language)
    return outline_by_indentation(text, language, lines)


def _read(root: Node, lines: Sequence[str], language: str) -> Outline:
    """Join what the grammar's query finds and the other statements at the top level."""
    imports: set[int] = set()
    top = {_first(node): node for node in reversed(root.children) if node.is_named}
    found: list[Definition] = []
    for _, captures in QueryCursor(_query(language)).matches(root):
        if "import" in captures:
            node = captures["import"][0]
            imports.update(range(_first(node), _last(node) + 1))
        elif item := _definition(captures, top, lines):
            found.append(item)
    defined = imports | {item.start for item in found}
    for start, node in top.items():
        if start not in defined and node.type not in ("comment", "hash_bang_line"):
            names, first = _value_names(lines[start - 1]), _comment_above(lines, start)
            kind = DefinitionKind.VALUE
            found.append(Definition(kind, names, first, start, start + 1, _last(node)))
    return Outline(definitions=tuple(_nested(found)), imports=tuple(sorted(imports)))


def _first(node: Node) -> int:
    return node.start_point.row + 1


def _last(node: Node) -> int:
    row, column = node.end_point
    return max(row + (column > 0), _first(node))


def _definition(
    captures: Mapping[str, list[Node]], top: Mapping[int, Node], lines: Sequence[str]
) -> Definition | None:
    key = next(filter(captures.__contains__, ("function", "callback", "type")))
    node = captures[key][0]
    value = captures["value"][0] if "value" in captures else node
    body, name = _child(value, _BODY_FIELDS), None
    if key != "callback":
        name = _child(node, _NAME_FIELDS) or _child(value, _NAME_FIELDS)
    if body is None or (name is None and key != "callback"):
        return None
    start, last = _first(node), _last(node)
    if start in top:  # With what comes before and after it in its statement, e.g. `export`.
        last = max(last, _last(top[start]))
    if key == "callback" and start == last:
        return None
    is_type = key == "type" or (key == "callback" and last - start >= MAX_CALLBACK_LINES)
    kind = DefinitionKind.TYPE if is_type else DefinitionKind.FUNCTION
    after = min(max(_first(body), start) + 1, last + 1)
    names = _names(name.text) if name else ()
    return Definition(kind, names, _comment_above(lines, start), start, after, last)


def _child(node: Node, fields: Iterable[str]) -> Node | None:
    """Return the first child that is one of these fields of the node."""
    for field in fields:
        if child := node.child_by_field_name(field):
            return child
    return None


def _names(text: bytes | None) -> tuple[str, ...]:
    """Return the last name of a path such as `a.b`; a name may be quoted, or be empty."""
    name = (text or b"").decode("utf-8", "replace").rpartition(".")[2].strip("'\"`#")
    return (name,) if name else ()


def _comment_above(lines: Sequence[str], start: int) -> int:
    """Return the first of the comments and decorators right above a line."""
    while start > 1 and lines[start - 2].lstrip().startswith(("//", "/*", "*", "@")):
        start -= 1
    return start


def _value_names(line: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(line[:MAX_READ_CHARS].partition("=")[0]))


def _nested(found: list[Definition]) -> Iterator[Definition]:
    """Yield the definitions in their order, each with the index of the one around it."""
    stack: list[tuple[int, Definition]] = []
    seen: set[tuple[int, int]] = set()
    count = 0
    for item in sorted(found, key=lambda d: (d.start, -d.last, d.kind is DefinitionKind.VALUE)):
        if (item.start, item.last) in seen:
            continue
        seen.add((item.start, item.last))
        while stack and stack[-1][1].last < item.start:
            stack.pop()
        parent = stack[-1][0] if stack else None
        yield item if parent is None else item._replace(parent=parent)
        stack.append((count, item))
        count += 1
