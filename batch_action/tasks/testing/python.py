"""Check that a Python test file extends another one: nothing is lost, redefined or disabled."""

import ast
import fnmatch
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from batch_action.syntax import python

_Node = TypeVar("_Node")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ADDABLE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)

_HARMLESS = re.compile(
    r"pytest\.(?:mark\.[a-z]\w*|fixture|param|importorskip|approx)|staticmethod|classmethod|property"
)
"""What may be called when a test file is imported without being named."""

DROPS_CODE = "drops or changes existing code"
DROPS_COMMENTS = "drops existing comments"
REDEFINES_NAME = "redefines an existing name"
RUNS_CODE = "adds code that runs outside of tests"


def has_tests(
    text: str, functions: Sequence[str] = ("test",), classes: Sequence[str] = ("Test",)
) -> bool:
    """Return whether pytest would find a test in a text.

    *functions* and *classes* are its `python_functions` and `python_classes`.
    """
    return any(not name.endswith(".") for name in _tests(text, functions, classes))


def repeated_tests(text: str, functions: Sequence[str], classes: Sequence[str]) -> set[str]:
    """Return the tests and test classes that a later one of the same name replaces."""
    counts = Counter(_tests(text, functions, classes))
    return {name.rstrip(".") for name, count in counts.items() if count > 1}


def _tests(text: str, functions: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """Yield each test that pytest would find, `TestA.test_b`, and each class of tests, `TestA.`."""
    tree = python.parse(text)
    todo = [("", functions, statement) for statement in (tree.body if tree else ())]
    while todo:
        prefix, names, node = todo.pop()
        if isinstance(node, ast.ClassDef):
            is_case = any(ast.unparse(base).endswith("TestCase") for base in node.bases)
            if is_case or _is_named(node.name, classes):
                yield f"{prefix}{node.name}."
                inner = ("test",) if is_case else functions
                todo += [(f"{prefix}{node.name}.", inner, each) for each in node.body]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _is_named(node.name, names):
                yield f"{prefix}{node.name}"
        elif isinstance(node, ast.If | ast.Try | ast.With):
            # Of several branches one runs: a name in each of them is defined once.
            todo += [(prefix, names, each) for each in node.body]


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name begins like one of the patterns, or matches it."""
    return any(
        fnmatch.fnmatchcase(name, pattern)
        if re.search(r"[*?\[]", pattern)
        else name.startswith(pattern)
        for pattern in patterns
    )


def lines_run_at_import(text: str) -> list[int]:
    """Return the lines with statements that run when the file is imported, besides definitions."""
    tree = python.parse(text)
    todo: list[ast.AST] = list(tree.body) if tree else []
    lines: set[int] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, Definition):
            # A decorator is called, whether or not it is written as a call.
            called = (d for d in node.decorator_list if not isinstance(d, ast.Call))
            lines.update(d.lineno for d in called if not _HARMLESS.fullmatch(ast.unparse(d)))
            todo += node.decorator_list
            if isinstance(node, ast.ClassDef):
                todo += [*node.bases, *node.keywords, *node.body]
                lines.update(k.value.lineno for k in node.keywords)
            else:
                todo += [node.args, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.Call | ast.Await):
            name = ast.unparse(node.func if isinstance(node, ast.Call) else node)
            if not _HARMLESS.fullmatch(name):
                lines.add(node.lineno)
            todo += ast.iter_child_nodes(node)
        elif isinstance(node, ast.Delete | ast.AugAssign | ast.Raise | ast.Assert):
            lines.add(node.lineno)
        elif isinstance(node, ast.Lambda):
            todo.append(node.args)
        else:
            todo += ast.iter_child_nodes(node)
    return sorted(lines)


def extension_problem(old: str, new: str) -> str | None:
    """Return why the new text does not extend the old one; None if it does."""
    old_tree, new_tree = python.parse(old), python.parse(new)
    if old_tree is None or new_tree is None:
        return "does not parse"
    if problem := _body_problem(old_tree.body, new_tree.body):
        return problem
    return DROPS_COMMENTS if Counter(_comments(old)) - Counter(_comments(new)) else None


def _body_problem(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> str | None:
    imported = {origin for node in new for origin in _imports(node)}
    rest = iter(new)
    added: list[ast.stmt] = []
    for node in old:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if not imported.issuperset(_imports(node)):
                return DROPS_CODE
            continue
        match, skipped = find_next(_signature(node), rest, _signature)
        if match is None:
            return DROPS_CODE
        added += skipped
        if isinstance(node, ast.ClassDef) and isinstance(match, ast.ClassDef):
            problem = _body_problem(node.body, match.body)
            if problem:
                return problem
    return _additions_problem([*added, *rest], old)


def find_next(
    signature: object, rest: Iterator[_Node], signature_of: Callable[[_Node], object]
) -> tuple[_Node | None, list[_Node]]:
    """Return the next statement with this signature, or None, and the statements before it."""
    skipped: list[_Node] = []
    for node in rest:
        if signature_of(node) == signature:
            return node, skipped
        skipped.append(node)
    return None, skipped


def _signature(node: ast.stmt) -> str:
    """Return what may not change: a whole statement, but only the head of a class."""
    if not isinstance(node, ast.ClassDef):
        return ast.dump(node)
    parts = [*node.decorator_list, *node.bases, *node.keywords]
    return f"class {node.name}: {[ast.dump(part) for part in parts]}"


def _additions_problem(added: Sequence[ast.stmt], old: Sequence[ast.stmt]) -> str | None:
    old_names = {*_bound_names(old), "pytestmark", "pytest_plugins", "__test__"}
    old_imports = {origin for node in old for origin in _imports(node)}
    for node in added:
        names = set(_bound_names([node]))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {name for origin, name in _imported_names(node) if origin not in old_imports}
        is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_constant and not isinstance(node, (*ADDABLE, ast.Assign, ast.AnnAssign)):
            return RUNS_CODE
        if names & old_names:
            return REDEFINES_NAME
    return None


def _bound_names(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that a block defines, imports, assigns or deletes."""
    for node in body:
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (name for _, name in _imported_names(node))
        else:
            names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            yield from (n.id for n in names if isinstance(n.ctx, (ast.Store, ast.Del)))


def _imports(node: ast.stmt) -> Iterator[tuple[str, ...]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (origin for origin, _ in _imported_names(node))


def _imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the origin of each import (module, name, alias) and the name that it binds."""
    module = f"{'.' * node.level}{node.module or ''}" if isinstance(node, ast.ImportFrom) else "="
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        yield (module, alias.name, alias.asname or ""), name


def _comments(text: str) -> list[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
