"""Validate JSON schemas as structured outputs do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
KEYWORDS = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "$ref",
        "$defs",
        "definitions",
        "$schema",
        "default",
        "title",
        "description",
        "format",
        "pattern",
    }
)
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
MAX_OPTIONAL = 24
MAX_UNIONS = 16
LOOKAROUNDS = ("(?=", "(?!", "(?<", "\\b", "\\B", "\\1", "\\2")


def schema_error(schema: object) -> str | None:
    """Return why structured outputs refuse a schema; None when it is valid."""
    if not isinstance(schema, Mapping):
        return "output_config.format.schema: Input should be a valid dictionary"
    nodes = list(_nodes(schema, ()))
    for node in nodes:
        error = _node_error(node, schema)
        if error:
            return f"output_config.format.schema: {error}"
    if _is_recursive(schema, schema, ()):
        return "output_config.format.schema: Circular reference detected in schema definitions"
    optional = sum(len(set(_properties(n)) - set(n.get("required", ()))) for n in nodes)
    if optional > MAX_OPTIONAL:
        return f"Schemas contain too many optional parameters ({optional}; limit {MAX_OPTIONAL})"
    unions = sum("anyOf" in n or isinstance(n.get("type"), list) for n in nodes)
    if unions > MAX_UNIONS:
        return f"Schemas contain too many parameters with union types ({unions}; {MAX_UNIONS})"
    return None


def _properties(node: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = node.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _children(node: Mapping[str, Any]) -> Iterator[Any]:
    yield from _properties(node).values()
    for key in ("$defs", "definitions"):
        yield from node.get(key, {}).values()
    for key in ("anyOf", "allOf"):
        yield from node.get(key, ())
    if "items" in node:
        yield node["items"]


def _nodes(node: Any, above: tuple[int, ...]) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping) and id(node) not in above:
        yield node
        for child in _children(node):
            yield from _nodes(child, (*above, id(node)))


def _node_error(node: Mapping[str, Any], root: Mapping[str, Any]) -> str | None:
    unknown = [key for key in node if key not in KEYWORDS]
    if unknown:
        kind = node.get("type", "any")
        return f"For '{kind}' type, property '{unknown[0]}' is not supported"
    types = node.get("type", ())
    types = [types] if isinstance(types, str) else types
    if "$ref" in node and resolve_reference(node["$ref"], root) is None:
        return f"'$ref' {node['$ref']!r} is external or points nowhere"
    if not all(isinstance(child, Mapping) for child in _children(node)):
        return "Schemas inside a schema must be objects"
    if any(isinstance(member, (dict, list)) for member in node.get("enum", ())):
        return "Enum values must be primitives"
    return _type_error(node, types) or _string_error(node)


def _type_error(node: Mapping[str, Any], types: Sequence[str]) -> str | None:
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        return f"'{unknown[0]}' is not a known type"
    if "object" in types and node.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if "array" in types and node.get("minItems", 0) not in (0, 1):
        return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    missing = set(node.get("required", ())) - set(_properties(node))
    return f"required names unknown properties {sorted(missing)}" if missing else None


def _string_error(node: Mapping[str, Any]) -> str | None:
    if "format" in node and node["format"] not in FORMATS:
        return f"For 'string' type, format '{node['format']}' is not supported"
    if any(part in str(node.get("pattern", "")) for part in LOOKAROUNDS):
        return "For 'string' type, 'pattern' uses an unsupported regex feature"
    return None


def resolve_reference(reference: object, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Resolve an internal reference such as `#/$defs/Finding`; None when it points nowhere."""
    node: Any = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    for step in reference.lstrip("#").split("/")[1:]:
        node = node.get(step) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def _is_recursive(node: Any, root: Mapping[str, Any], above: tuple[str, ...]) -> bool:
    if not isinstance(node, Mapping):
        return False
    if "$ref" in node:
        target = str(node["$ref"])
        return target in above or _is_recursive(
            resolve_reference(target, root), root, (*above, target)
        )
    inner = {k: v for k, v in node.items() if k not in ("$defs", "definitions")}
    return any(_is_recursive(child, root, above) for child in _children(inner))
