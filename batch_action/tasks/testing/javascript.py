"""Tests in JavaScript, TypeScript and Go that grow: every test that was there is kept."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from batch_action.syntax import trees
from batch_action.tasks.testing.python import DROPS, RUNS, SHADOWS, again

GROUPS = frozenset({"describe", "suite"})
CASES = frozenset({"it", "test"})
GO_TEST = re.compile(r"(?:Test|Fuzz|Benchmark|Example)(?![a-z])")
"""https://pkg.go.dev/testing#pkg-overview; `TestMain` is none, it runs the others."""
GO_RUNS = frozenset({"init", "TestMain"})
"""Functions that Go calls by itself, before or around all tests of the package."""
ALONE = frozenset({"fit", "fdescribe", "ftest"})
IMPORTS = frozenset({"import_statement", "import_declaration"})
SPECIFIED = frozenset(
    {"lexical_declaration", "type_declaration", "const_declaration", "var_declaration"}
)
"""Declarations of several names, each with a part of its own."""
PARTS = frozenset({"variable_declarator", "type_spec", "type_alias", "const_spec", "var_spec"})
DECLARED = frozenset(
    {
        *IMPORTS,
        *SPECIFIED,
        "function_declaration",
        "method_declaration",
        "interface_declaration",
        "type_alias_declaration",
        "class_declaration",
    }
)


def has_tests(text: str, language: str) -> bool:
    """Whether what runs the tests of the language finds one in it."""
    tree = trees.parse(text, language)
    if tree is None:
        return False
    if language == "go":
        top = _parts(tree.root_node)
        packaged = any(node.type == "package_clause" for node in top)
        return packaged and any(_is_go_test(node) for node in top)
    found = (node for _, node in trees.nodes(tree) if node.type == "call_expression")
    return any(_called(node) in CASES for node in found)


def _is_go_test(node: Node) -> bool:
    names = _names(node) if node.type == "function_declaration" else ()
    return any(GO_TEST.match(name) and name not in GO_RUNS for name in names)


def runs_alone(text: str, language: str) -> bool:
    """Whether a test switches all others off: Go has no way to."""
    tree = trees.parse(text, language) if language != "go" else None
    found = (node for _, node in trees.nodes(tree)) if tree else ()
    chains = (_chain(node) for node in found if node.type == "call_expression")
    return any(chain[0] in ALONE or "only" in chain[1:] for chain in chains if chain)


def problem(old: str, new: str, language: str) -> str | None:
    """Why the new text does not extend the old one; None when it does."""
    one, other = trees.parse(old, language), trees.parse(new, language)
    if one is None or other is None:
        return "does not parse"
    if reason := _body(_parts(one.root_node), _parts(other.root_node), top=True):
        return reason
    if language == "go" and GO_RUNS & {*_names_of(other.root_node)} - {*_names_of(one.root_node)}:
        return RUNS
    comments = Counter(_comments(one.root_node))
    comments.subtract(_comments(other.root_node))
    return "drops comments that were there" if max(comments.values(), default=0) > 0 else None


def _body(old: Sequence[Node], new: Sequence[Node], *, top: bool) -> str | None:
    imported = {pair for node in new for pair in _imports(node)}
    rest = iter(new)
    added: list[Node] = []
    for node in old:
        if node.type in IMPORTS:
            if not imported.issuperset(_imports(node)):
                return DROPS
            continue
        same, between = again(_face(node), rest, _face)
        if same is None:
            return DROPS
        added += between
        inside, now = _block(node), _block(same)
        if inside is not None and now is not None:
            reason = _body(_parts(inside), _parts(now), top=False)
            if reason is not None:
                return reason
    fresh = [*added, *rest]
    if {n for one in fresh for n in _names(one)} & {n for one in old for n in _names(one)}:
        return SHADOWS
    return RUNS if any(not _quiet(node, top=top) for node in fresh) else None


def _quiet(node: Node, *, top: bool) -> bool:
    """Whether an added statement does nothing to the tests that were there."""
    if node.type in DECLARED:
        return top or node.type not in IMPORTS
    call = node.named_children[0] if node.type == "expression_statement" else None
    return call is not None and call.type == "call_expression" and _called(call) in GROUPS | CASES


def _names_of(node: Node) -> Iterator[str]:
    return (name for one in _parts(node) for name in _names(one))


def _names(node: Node) -> Iterator[str]:
    """What a declaration declares; a method is named with what it is of."""
    if node.type in SPECIFIED or node.type == "var_spec_list":
        yield from _names_of(node)
    elif node.type in DECLARED or node.type in PARTS:
        receiver = node.child_by_field_name("receiver")
        of = "".join(_leaves(receiver)) if receiver is not None else ""
        names = (_text(name) for name in node.children_by_field_name("name"))
        yield from (of + name for name in names if name not in ("_", ","))


def _face(node: Node) -> tuple[str, ...]:
    """What must be the same: all of a statement, but of a group only what is before its body."""
    block = _block(node)
    end = block.start_byte if block is not None else node.end_byte
    below = (one for one in _below(node) if one.start_byte < end and one.type != "comment")
    return tuple(f"{one.type} {'' if _inner(one) else _text(one)}" for one in below)


def _block(node: Node) -> Node | None:
    """The body of a `describe(…)`; None when the statement is none."""
    call = node.named_children[0] if node.type == "expression_statement" else None
    if call is None or call.type != "call_expression" or _called(call) not in GROUPS:
        return None
    arguments = call.child_by_field_name("arguments")
    last = arguments.named_children[-1] if arguments and arguments.named_children else None
    body = last.child_by_field_name("body") if last else None
    return body if body is not None and body.type == "statement_block" else None


def _called(call: Node) -> str:
    """The name that is called: `describe` of `describe.each(…)(…)`."""
    return next(iter(_chain(call)), "")


def _chain(call: Node) -> list[str]:
    """All names of a call: `test`, `only` and `each` of `test.only.each(…)(…)`."""
    names: list[str] = []
    node = call.child_by_field_name("function")
    while node is not None and node.type in ("member_expression", "call_expression"):
        inner = "object" if node.type == "member_expression" else "function"
        member = node.child_by_field_name("property")
        names += [_text(member)] if member is not None else []
        node = node.child_by_field_name(inner)
    return [*([_text(node)] if node is not None else []), *reversed(names)]


def _imports(node: Node) -> Iterator[tuple[str, str]]:
    if node.type == "import_declaration":
        specs = (one for one in _below(node) if one.type == "import_spec")
        yield from (("go", " ".join(_leaves(one))) for one in specs)
    if node.type != "import_statement":
        return
    source = node.child_by_field_name("source")
    name = _text(source).strip("'\"") if source is not None else ""
    yield name, ""
    for one in _below(node):
        plain = one.type == "identifier" and one.parent and one.parent.type == "import_clause"
        if plain or one.type in ("import_specifier", "namespace_import"):
            yield name, " ".join(_text(one).split())


def _parts(node: Node) -> list[Node]:
    return [one for one in node.named_children if one.type != "comment"]


def _comments(node: Node) -> Iterator[str]:
    return (_text(one) for one in _below(node) if one.type == "comment")


def _leaves(node: Node) -> Iterator[str]:
    pieces = (one for one in _below(node) if one.type != "comment" and not _inner(one))
    return (_text(one) for one in pieces)


def _inner(node: Node) -> bool:
    """Whether a node is made of others."""
    return bool(node.child_count) and node.type not in trees.ATOMS


def _below(node: Node) -> Iterator[Node]:
    """Every node of a subtree, atoms not entered."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        if one.type not in trees.ATOMS:
            waiting += reversed(one.children)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
