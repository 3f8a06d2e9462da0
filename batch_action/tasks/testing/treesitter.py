"""Check that a JavaScript, TypeScript or Go test file extends another one, with tree-sitter."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from tree_sitter import Node

from batch_action.syntax import treesitter
from batch_action.tasks.testing.python import (
    DROPS_CODE,
    DROPS_COMMENTS,
    REDEFINES_NAME,
    RUNS_CODE,
    find_next,
)

GROUP_CALLS = frozenset({"describe", "suite"})
TEST_CALLS = frozenset({"it", "test"})
GO_TEST = re.compile(r"(?:Test|Fuzz|Benchmark|Example)(?![a-z])")
"""https://pkg.go.dev/testing#pkg-overview"""
GO_AUTOMATIC = frozenset({"init", "TestMain"})
"""Functions that Go itself calls, before or around all tests of the package."""
EXCLUSIVE_CALLS = frozenset({"fit", "fdescribe", "ftest"})
"""Calls that disable all other tests of the file."""
IMPORTS = frozenset({"import_statement", "import_declaration"})
GROUPED_DECLARATIONS = frozenset(
    {"lexical_declaration", "type_declaration", "const_declaration", "var_declaration"}
)
"""Declarations that may declare several names, each in a part of its own."""
DECLARATION_PARTS = frozenset(
    {"variable_declarator", "type_spec", "type_alias", "const_spec", "var_spec"}
)
DECLARATIONS = frozenset(
    {
        *IMPORTS,
        *GROUPED_DECLARATIONS,
        "function_declaration",
        "method_declaration",
        "interface_declaration",
        "type_alias_declaration",
        "class_declaration",
    }
)

DEFINITIONS = frozenset(
    {*IMPORTS, "function_declaration", "method_declaration", "package_clause", "type_declaration"}
)
"""Statements that run nothing when a file is loaded."""
CALLS = frozenset({"call_expression", "new_expression", "await_expression"})
HARMLESS_CALLS = frozenset(
    {*GROUP_CALLS, *TEST_CALLS, "beforeAll", "beforeEach", "afterAll", "afterEach"}
)
"""Calls that only register their functions when a file is loaded."""
FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function"})


def has_tests(text: str, language: str) -> bool:
    """Return whether a test framework of the language would find a test in a text."""
    tree = treesitter.parse(text, language)
    if tree is None:
        return False
    if language == "go":
        nodes = _code_children(tree.root_node)
        has_package = any(node.type == "package_clause" for node in nodes)
        return has_package and any(_is_go_test(node) for node in nodes)
    calls = (node for _, node in treesitter.nodes(tree) if node.type == "call_expression")
    return any(_called_name(call) in TEST_CALLS for call in calls)


def _is_go_test(node: Node) -> bool:
    names = _declared_names(node) if node.type == "function_declaration" else ()
    return any(GO_TEST.match(name) and name not in GO_AUTOMATIC for name in names)


def is_exclusive(text: str, language: str) -> bool:
    """Return whether a test disables all others; Go has no such tests."""
    tree = treesitter.parse(text, language) if language != "go" else None
    nodes = (node for _, node in treesitter.nodes(tree)) if tree else ()
    chains = (_call_chain(node) for node in nodes if node.type == "call_expression")
    return any(chain[0] in EXCLUSIVE_CALLS or "only" in chain[1:] for chain in chains if chain)


def go_package(text: str) -> str:
    """Return the name in a Go file's package clause; empty if it has none."""
    tree = treesitter.parse(text, "go")
    return _package_of(tree.root_node) if tree else ""


def _package_of(root: Node) -> str:
    clauses = (node for node in _code_children(root) if node.type == "package_clause")
    return next((_text(clause).split()[-1] for clause in clauses), "")


def go_names(text: str) -> tuple[str, frozenset[str]]:
    """Return the package of a Go file, and the names that it declares for the whole package."""
    tree = treesitter.parse(text, "go")
    if tree is None:
        return "", frozenset()
    return _package_of(tree.root_node), frozenset(_package_names(tree.root_node))


def _package_names(root: Node) -> Iterator[str]:
    return (
        name
        for node in _code_children(root)
        if node.type not in IMPORTS
        for name in _declared_names(node)
        if name != "init"
    )


def names_declared_twice(
    text: str, language: str, others: Iterable[tuple[str, frozenset[str]]]
) -> set[str]:
    """Return the names that a test file declares twice, or its Go package declares, too.

    Neither would compile. *others*: package and names of the other files of a Go test's folder.
    """
    tree = treesitter.parse(text, language)
    if tree is None:
        return set()
    root = tree.root_node
    counts = Counter(_package_names(root) if language == "go" else _script_names(root))
    taken: set[str] = set()
    if language == "go":
        own = _package_of(root)
        taken = {name for p, names in others if p == own for name in names}
    return {name for name, count in counts.items() if count > 1 or name in taken}


def _script_names(root: Node) -> Iterator[str]:
    """Yield the names that a script may declare only once; those of types may be repeated."""
    for node in _code_children(root):
        if node.type in ("lexical_declaration", "class_declaration"):
            yield from _declared_names(node)


def lines_run_at_import(text: str, language: str) -> list[int]:
    """Return the first lines of statements that call something when loaded, besides tests."""
    tree = treesitter.parse(text, language)
    return list(_lines_run_by(_code_children(tree.root_node))) if tree else []


def _lines_run_by(statements: Sequence[Node]) -> Iterator[int]:
    for node in statements:
        call, body = _call_of(node), _group_body(node)
        name_called = _called_name(call) if call else ""
        if body is None and name_called in GROUP_CALLS:
            runs = True  # `describe('x', () => f())`, `describe('x', f)`
        elif name_called in HARMLESS_CALLS:
            calls = (n for n in _descendants(node, FUNCTIONS) if n.type in CALLS)
            runs = any(_called_name(n) not in HARMLESS_CALLS for n in calls)
        elif node.type in DEFINITIONS:
            name = node.child_by_field_name("name")
            runs = name is not None and _text(name) in GO_AUTOMATIC
        else:
            runs = any(child.type in CALLS for child in _descendants(node, ()))
        if runs:
            yield node.start_point.row + 1
        if body is not None:
            yield from _lines_run_by(_code_children(body))


def extension_problem(old: str, new: str, language: str) -> str | None:
    """Return why the new text does not extend the old one; None if it does."""
    old_tree, new_tree = treesitter.parse(old, language), treesitter.parse(new, language)
    if old_tree is None or new_tree is None:
        return "does not parse"
    old_root, new_root = old_tree.root_node, new_tree.root_node
    problem = _body_problem(_code_children(old_root), _code_children(new_root), top=True)
    if problem:
        return problem
    added_names = {*_names_declared_in(new_root)} - {*_names_declared_in(old_root)}
    if language == "go" and GO_AUTOMATIC & added_names:
        return RUNS_CODE
    return DROPS_COMMENTS if Counter(_comments(old_root)) - Counter(_comments(new_root)) else None


def _body_problem(old: Sequence[Node], new: Sequence[Node], *, top: bool) -> str | None:
    imported = {origin for node in new for origin in _imports(node)}
    rest = iter(new)
    added: list[Node] = []
    for node in old:
        if node.type in IMPORTS:
            if not imported.issuperset(_imports(node)):
                return DROPS_CODE
            continue
        match, skipped = find_next(_signature(node), rest, _signature)
        if match is None:
            return DROPS_CODE
        added += skipped
        old_body, new_body = _group_body(node), _group_body(match)
        if old_body is not None and new_body is not None:
            problem = _body_problem(_code_children(old_body), _code_children(new_body), top=False)
            if problem:
                return problem
    added += rest
    old_names = {name for node in old for name in _declared_names(node)}
    if any(name in old_names for node in added for name in _declared_names(node)):
        return REDEFINES_NAME
    return RUNS_CODE if any(not _is_allowed_addition(node, top=top) for node in added) else None


def _is_allowed_addition(node: Node, *, top: bool) -> bool:
    """Return whether an added statement cannot affect existing tests."""
    if node.type in DECLARATIONS:
        return top or node.type not in IMPORTS
    call = _call_of(node)
    return call is not None and _called_name(call) in GROUP_CALLS | TEST_CALLS


def _names_declared_in(node: Node) -> Iterator[str]:
    return (name for child in _code_children(node) for name in _declared_names(child))


def _declared_names(node: Node) -> Iterator[str]:
    """Yield the names that a statement declares; a method's name includes its receiver."""
    if node.type in GROUPED_DECLARATIONS or node.type == "var_spec_list":
        yield from _names_declared_in(node)
    elif node.type in DECLARATIONS or node.type in DECLARATION_PARTS:
        receiver = node.child_by_field_name("receiver")
        types = (
            (child.child_by_field_name("type") for child in receiver.named_children)
            if receiver
            else ()
        )
        prefix = "".join(f"{''.join(_leaves(each))}." for each in types if each).lstrip("*")
        names = (_text(name) for name in node.children_by_field_name("name"))
        yield from (prefix + name for name in names if name not in ("_", ","))


def _signature(node: Node) -> tuple[str, ...]:
    """Return what may not change: a whole statement, but only the head of a group."""
    body = _group_body(node)
    end = body.start_byte if body is not None else node.end_byte
    return tuple(
        f"{child.type} {'' if _has_parts(child) else _text(child)}"
        for child in _descendants(node)
        if child.start_byte < end and child.type != "comment"
    )


def _group_body(node: Node) -> Node | None:
    """Return the body of a statement `describe(…)`; None for other statements."""
    call = _call_of(node)
    if call is None or _called_name(call) not in GROUP_CALLS:
        return None
    arguments = call.child_by_field_name("arguments")
    last = arguments.named_children[-1] if arguments and arguments.named_children else None
    body = last.child_by_field_name("body") if last else None
    return body if body is not None and body.type == "statement_block" else None


def _call_of(node: Node) -> Node | None:
    """Return the call that a statement consists of; None for other statements."""
    call = node.named_children[0] if node.type == "expression_statement" else None
    return call if call is not None and call.type == "call_expression" else None


def _called_name(call: Node) -> str:
    """Return the name that is called: `describe` of `describe.each(…)(…)`."""
    return next(iter(_call_chain(call)), "")


def _call_chain(call: Node) -> list[str]:
    """Return all names of a call: `test`, `only` and `each` of `test.only.each(…)(…)`."""
    names: list[str] = []
    node = call.child_by_field_name("function")
    while node is not None and node.type in ("member_expression", "call_expression"):
        inner = "object" if node.type == "member_expression" else "function"
        member = node.child_by_field_name("property")
        names += [_text(member)] if member is not None else []
        node = node.child_by_field_name(inner)
    return [*([_text(node)] if node is not None else []), *reversed(names)]


def _imports(node: Node) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import; of Go `go` and the whole import spec."""
    if node.type == "import_declaration":
        specs = (child for child in _descendants(node) if child.type == "import_spec")
        yield from (("go", " ".join(_leaves(spec))) for spec in specs)
    if node.type != "import_statement":
        return
    source = node.child_by_field_name("source")
    module = _text(source).strip("'\"") if source is not None else ""
    yield module, ""
    for child in _descendants(node):
        is_default = (
            child.type == "identifier" and child.parent and child.parent.type == "import_clause"
        )
        if is_default or child.type in ("import_specifier", "namespace_import"):
            yield module, " ".join(_text(child).split())


def _code_children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _comments(node: Node) -> Iterator[str]:
    return (_text(child) for child in _descendants(node) if child.type == "comment")


def _leaves(node: Node) -> Iterator[str]:
    return (
        _text(child)
        for child in _descendants(node)
        if child.type != "comment" and not _has_parts(child)
    )


def _has_parts(node: Node) -> bool:
    return bool(node.child_count) and node.type not in treesitter.ATOMS


def _descendants(node: Node, leaves: Collection[str] = treesitter.ATOMS) -> Iterator[Node]:
    """Yield every node of a subtree, but none inside of an atom, or of one of *leaves*."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if current.type not in leaves:
            stack += reversed(current.children)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
