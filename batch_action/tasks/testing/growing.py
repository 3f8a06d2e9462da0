"""JavaScript and TypeScript tests that grow: every `describe` and `it` that was there is kept."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from batch_action.tasks.syntax import scripts
from batch_action.tasks.testing.extending import DROPS, RUNS, SHADOWS

GROUPS = frozenset({"describe", "suite"})
CASES = frozenset({"it", "test"})
ALONE = (".only", "fit(", "fdescribe(", "ftest(")
DECLARED = frozenset(
    {
        "import_statement",
        "function_declaration",
        "lexical_declaration",
        "interface_declaration",
        "type_alias_declaration",
        "class_declaration",
    }
)


def has_tests(text: str, language: str) -> bool:
    """Whether jest and vitest find a test in it."""
    tree = scripts.parse(text, language)
    found = (node for _, node in scripts.nodes(tree)) if tree else ()
    return any(_called(node) in CASES for node in found if node.type == "call_expression")


def runs_alone(text: str) -> bool:
    """Whether a test switches all others off."""
    plain = "".join(text.split())
    return any(word in plain for word in ALONE)


def problem(old: str, new: str, language: str) -> str | None:
    """Why the new text does not extend the old one; None when it does."""
    one, other = scripts.parse(old, language), scripts.parse(new, language)
    if one is None or other is None:
        return "does not parse"
    if reason := _body(_parts(one.root_node), _parts(other.root_node), top=True):
        return reason
    comments = Counter(_comments(one.root_node))
    comments.subtract(_comments(other.root_node))
    return "drops comments that were there" if max(comments.values(), default=0) > 0 else None


def _body(old: Sequence[Node], new: Sequence[Node], *, top: bool) -> str | None:
    imported = {pair for node in new for pair in _imports(node)}
    rest = iter(new)
    added: list[Node] = []
    for node in old:
        if node.type == "import_statement":
            if not imported.issuperset(_imports(node)):
                return DROPS
            continue
        same, between = _next(node, rest)
        if same is None:
            return DROPS
        added += between
        inside, now = _block(node), _block(same)
        if inside is not None and now is not None:
            reason = _body(_parts(inside), _parts(now), top=False)
            if reason is not None:
                return reason
    fresh = [*added, *rest]
    if {name for node in fresh for name in _names(node)} & {n for one in old for n in _names(one)}:
        return SHADOWS
    return RUNS if any(not _quiet(node, top=top) for node in fresh) else None


def _next(node: Node, rest: Iterator[Node]) -> tuple[Node | None, list[Node]]:
    between: list[Node] = []
    wanted = _face(node)
    for one in rest:
        if _face(one) == wanted:
            return one, between
        between.append(one)
    return None, between


def _quiet(node: Node, *, top: bool) -> bool:
    """Whether an added statement does nothing to the tests that were there."""
    if node.type in DECLARED:
        return top or node.type != "import_statement"
    call = node.named_children[0] if node.type == "expression_statement" else None
    return call is not None and call.type == "call_expression" and _called(call) in GROUPS | CASES


def _names(node: Node) -> Iterator[str]:
    """What a declaration declares."""
    if node.type == "lexical_declaration":
        for one in node.named_children:
            yield from _names(one)
    elif node.type in DECLARED or node.type == "variable_declarator":
        name = node.child_by_field_name("name")
        if name is not None:
            yield _text(name)


def _face(node: Node) -> tuple[str, ...]:
    """What must be the same: all of a statement, but of a group only what is before its body."""
    block = _block(node)
    end = block.start_byte if block is not None else node.end_byte
    return tuple(leaf for leaf, start in _leaves(node) if start < end)


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
    node = call.child_by_field_name("function")
    while node is not None and node.type in ("member_expression", "call_expression"):
        inner = "object" if node.type == "member_expression" else "function"
        node = node.child_by_field_name(inner)
    return _text(node) if node is not None else ""


def _imports(node: Node) -> Iterator[tuple[str, str]]:
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


def _leaves(node: Node) -> Iterator[tuple[str, int]]:
    for one in _below(node):
        atom = one.type in scripts.ATOMS
        if one.type != "comment" and (atom or not one.child_count):
            yield _text(one), one.start_byte


def _below(node: Node) -> Iterator[Node]:
    """Every node of a subtree, atoms not entered."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        if one.type not in scripts.ATOMS:
            waiting += reversed(one.children)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
