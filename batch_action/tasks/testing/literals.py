"""Read the value that a JavaScript or TypeScript configuration file exports, without running it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from tree_sitter import Node

from batch_action.syntax import treesitter

CONFIG_FOLDER = "<configDir>"
"""Stands for `__dirname` in a string."""

_MAX_DEPTH = 60
_WRAPPERS = frozenset(
    {
        *("parenthesized_expression", "as_expression", "satisfies_expression"),
        *("await_expression", "non_null_expression", "type_assertion"),
    }
)
_FUNCTIONS = frozenset({"arrow_function", "function_expression", "function_declaration"})
_DIRNAMES = frozenset({"__dirname", "import.meta.dirname"})

Constants = Mapping[str, Node]


def exported_value(text: str) -> Any:
    """Return what a module exports by default, as far as its literals tell.

    Objects become dicts, arrays lists. Calls such as `defineConfig({…})` count as what they are
    given, functions as what they return, names as the constants they stand for. What depends on
    anything else is left out: of an object its key, of an array its element.

    Returns:
        None when the module does not parse, or exports nothing that can be read.
    """
    tree = treesitter.parse(text, "typescript") or treesitter.parse(text, "javascript")
    if tree is None:
        return None
    statements = tree.root_node.named_children
    exported = next((node for s in statements if (node := _exported(s)) is not None), None)
    with suppress(RecursionError):
        return _value(exported, dict(_constants(statements)), 0) if exported else None
    return None


def _exported(statement: Node) -> Node | None:
    if statement.type == "export_statement":
        declared = statement.child_by_field_name("declaration")
        is_function = declared is not None and declared.type == "function_declaration"
        return statement.child_by_field_name("value") or (declared if is_function else None)
    inner = statement.named_children[0] if statement.type == "expression_statement" else None
    if inner is None or inner.type != "assignment_expression":
        return None
    target = inner.child_by_field_name("left")
    is_export = target is not None and _text(target) in ("module.exports", "exports.default")
    return inner.child_by_field_name("right") if is_export else None


def _constants(statements: list[Node]) -> Iterator[tuple[str, Node]]:
    for statement in statements:
        if statement.type in ("lexical_declaration", "variable_declaration"):
            for each in statement.named_children:
                name, value = (each.child_by_field_name(field) for field in ("name", "value"))
                if name is not None and value is not None and name.type == "identifier":
                    yield _text(name), value


def _value(node: Node | None, constants: Constants, depth: int) -> Any:
    """Return the value of an expression; None if it is unknown."""
    if node is None or depth > _MAX_DEPTH:
        return None
    if node.type in _WRAPPERS:
        return _value(next(iter(node.named_children), None), constants, depth + 1)
    if node.type in _FUNCTIONS:
        return _returned(node, constants, depth + 1)
    read = _READERS.get(node.type)
    return read(node, constants, depth + 1) if read else None


def _object(node: Node, constants: Constants, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in node.named_children:
        if child.type == "spread_element":
            spread = _value(next(iter(child.named_children), None), constants, depth)
            found |= spread if isinstance(spread, dict) else {}
        elif child.type == "shorthand_property_identifier":
            found[_text(child)] = _value(constants.get(_text(child)), constants, depth)
        elif child.type == "pair" and (key := child.child_by_field_name("key")) is not None:
            name = _string(key) if key.type == "string" else _text(key)
            found[name] = _value(child.child_by_field_name("value"), constants, depth)
    return {name: value for name, value in found.items() if value is not None}


def _array(node: Node, constants: Constants, depth: int) -> list[Any]:
    found: list[Any] = []
    for child in node.named_children:
        if child.type == "spread_element":
            spread = _value(next(iter(child.named_children), None), constants, depth)
            found += spread if isinstance(spread, list) else []
        else:
            found.append(_value(child, constants, depth))
    return [value for value in found if value is not None]


def _template(node: Node, _constants: Constants, _depth: int) -> str | None:
    text = re.sub(r"\$\{\s*(?:__dirname|import\.meta\.dirname)\s*\}", CONFIG_FOLDER, _text(node))
    return None if "${" in text else _unescape(text[1:-1])


def _name(node: Node, constants: Constants, depth: int) -> Any:
    name = _text(node)
    if name in _DIRNAMES:
        return CONFIG_FOLDER
    if node.type == "identifier":
        return _value(constants.get(name), constants, depth)
    value = _value(node.child_by_field_name("object"), constants, depth)
    member = node.child_by_field_name("property")
    return value.get(_text(member)) if isinstance(value, dict) and member is not None else None


def _call(node: Node, constants: Constants, depth: int) -> Any:
    function, arguments = (node.child_by_field_name(f) for f in ("function", "arguments"))
    if function is None or arguments is None:
        return None
    values = [_value(child, constants, depth) for child in arguments.named_children]
    if re.fullmatch(r"(?:path\.)?(?:join|resolve)", _text(function)):
        return "/".join(values) if all(isinstance(value, str) for value in values) else None
    objects = [value for value in values if isinstance(value, dict)]
    merged: dict[str, Any] = {}
    for value in objects:
        merged = _merge(merged, value)
    return merged if objects else next((v for v in values if isinstance(v, list)), None)


def _merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both objects as one, as `mergeConfig` does; lists are joined."""
    merged = dict(first)
    for name, value in second.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = [*old, *value]
        else:
            merged[name] = value
    return merged


def _returned(node: Node, constants: Constants, depth: int) -> Any:
    body = node.child_by_field_name("body")
    if body is None or body.type != "statement_block":
        return _value(body, constants, depth)
    statements = body.named_children
    results = [s for s in statements if s.type == "return_statement" and s.named_children]
    inner = {**constants, **dict(_constants(statements))}
    return _value(results[-1].named_children[0], inner, depth) if results else None


def _sum(node: Node, constants: Constants, depth: int) -> str | None:
    sides = [_value(node.child_by_field_name(f), constants, depth) for f in ("left", "right")]
    is_sum = any(child.type == "+" for child in node.children)
    return "".join(sides) if is_sum and all(isinstance(side, str) for side in sides) else None


def _string(node: Node) -> str:
    return _unescape(_text(node)[1:-1])


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


_READERS: Mapping[str, Callable[[Node, Constants, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": lambda node, _constants, _depth: _string(node),
    "template_string": _template,
    "true": lambda *_: True,
    "false": lambda *_: False,
    "identifier": _name,
    "member_expression": _name,
    "call_expression": _call,
    "binary_expression": _sum,
}
