"""Python tests that grow: everything that was there is still there, and runs as it did."""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from batch_action.syntax import python

_Node = TypeVar("_Node")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ADDED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)

DROPS = "drops or changes what was there"
SHADOWS = "takes a name that was there for something else"
RUNS = "adds statements that run by themselves"


def has_tests(text: str) -> bool:
    """Whether pytest finds a test in it."""
    tree = python.parse(text)
    found = (node.name for node in ast.walk(tree) if isinstance(node, Definition)) if tree else ()
    return any(name.startswith(("test", "Test")) for name in found)


def problem(old: str, new: str) -> str | None:
    """Why the new text does not extend the old one; None when it does."""
    one, other = python.parse(old), python.parse(new)
    if one is None or other is None:
        return "does not parse"
    if reason := _body(one.body, other.body, set(_bound(one.body))):
        return reason
    comments = Counter(_comments(old))
    comments.subtract(_comments(new))
    return "drops comments that were there" if max(comments.values(), default=0) > 0 else None


def _body(old: Sequence[ast.stmt], new: Sequence[ast.stmt], names: set[str]) -> str | None:
    """Why one block does not extend another; *names*: what the old block binds."""
    imported = {pair for node in new for pair in _imports(node)}
    rest = iter(new)
    added: list[ast.stmt] = []
    for node in old:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if not imported.issuperset(_imports(node)):
                return DROPS
            continue
        same, between = again(_face(node), rest, _face)
        if same is None:
            return DROPS
        added += between
        if isinstance(node, ast.ClassDef) and isinstance(same, ast.ClassDef):
            inner = set(_bound(node.body))
            if reason := _body(node.body, same.body, inner):
                return reason
    return _additions([*added, *rest], old, names)


def again(
    wanted: object, rest: Iterator[_Node], face: Callable[[_Node], object]
) -> tuple[_Node | None, list[_Node]]:
    """The next statement with this face, and what stands before it; None when there is none."""
    between: list[_Node] = []
    for one in rest:
        if face(one) == wanted:
            return one, between
        between.append(one)
    return None, between


def _face(node: ast.stmt) -> str:
    """What must be the same: all of a statement, but of a class only what stands above its body."""
    if not isinstance(node, ast.ClassDef):
        return ast.dump(node)
    parts = [*node.decorator_list, *node.bases, *node.keywords]
    return f"class {node.name}: {[ast.dump(part) for part in parts]}"


def _additions(added: Sequence[ast.stmt], old: Sequence[ast.stmt], names: set[str]) -> str | None:
    before = {pair for node in old for pair in _imports(node)}
    for node in added:
        fresh = set(_bound([node]))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            fresh = {bound for pair, bound in _pairs(node) if pair not in before}
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not words and not isinstance(node, (*ADDED, ast.Assign, ast.AnnAssign)):
            return RUNS
        if fresh & (names | {"pytestmark", "pytest_plugins", "__test__"}):
            return SHADOWS
    return None


def _bound(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The names a block binds, as far as tests and their helpers are concerned."""
    for node in body:
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (bound for _, bound in _pairs(node))
        else:
            stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            yield from (n.id for n in stored if isinstance(n.ctx, (ast.Store, ast.Del)))


def _imports(node: ast.stmt) -> Iterator[tuple[str, ...]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (pair for pair, _ in _pairs(node))


def _pairs(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[tuple[str, ...], str]]:
    """What each imported name stands for, and the name."""
    origin = f"{'.' * node.level}{node.module or ''}" if isinstance(node, ast.ImportFrom) else "="
    for one in node.names:
        bound = one.asname or one.name.partition(".")[0]
        yield (origin, one.name, one.asname or ""), bound


def _comments(text: str) -> list[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
