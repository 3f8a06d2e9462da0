"""Files for which no test can be written: types, settings, stories, steps of a migration."""

import ast
import re
from pathlib import PurePosixPath

from tree_sitter import Node

from batch_action.syntax import python, treesitter

_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"\.d\.[cm]?ts|.*\.d\.[cm]?ts|.*\.pyi", "it has only types"),
    (r".*\.(?:stories|story)\.[cm]?[jt]sx?", "it is a story, which its own tool shows and tests"),
    (
        r".*\.(?:config|conf|setup)(?:\.[\w-]+)?\.(?:[cm]?[jt]s|py)|\.[\w.-]+\.[cm]?[jt]s",
        "it configures a tool",
    ),
    (r"(?:gulp|grunt|jake|cake)file(?:\.\w+)*\.[cm]?[jt]s", "it configures a tool"),
    (
        r"(?:setup|conftest|noxfile|fabfile|manage|wsgi|asgi|sitecustomize|versioneer)\.py",
        "it configures a tool",
    ),
)
_MIGRATION_FOLDERS = frozenset({"migrations", "migrate", "migration", "versions"})
_MIGRATION_NAME = re.compile(r"(?:[vV]?\d{3,}|[0-9a-f]{12})[_.-].*|.*[_-]\d{10,}\.\w+")
_CALLABLE = frozenset(
    {
        *("arrow_function", "function_expression", "function_declaration", "method_definition"),
        *("generator_function", "generator_function_declaration"),
    }
)
_MADE_BY_CALL = frozenset({"call_expression", "new_expression"})


def reason_by_path(path: str) -> str | None:
    """Return why a file gets no tests as far as its path tells; None if it may."""
    pure = PurePosixPath(path)
    for pattern, reason in _BY_NAME:
        if re.fullmatch(pattern, pure.name, re.IGNORECASE):
            return reason
    in_docs = any(part in ("doc", "docs") for part in pure.parts[:-1])
    if pure.name == "conf.py" and in_docs:
        return "it configures a tool"
    if _MIGRATION_FOLDERS & {*pure.parts[:-1]} and _MIGRATION_NAME.fullmatch(pure.name):
        return "it is a database migration"
    return None


def reason_by_text(text: str, language: str) -> str | None:
    """Return why a file gets no tests as far as its text tells; None if it may, or is unclear."""
    if language == "python":
        module = python.parse(text)
        return _reason_of_python(module) if module is not None else None
    tree = treesitter.parse(text, language) if language in treesitter.LANGUAGES else None
    if tree is None:
        return None
    found = [node for _, node in treesitter.nodes(tree)]
    if language == "go":
        kinds = ("function_declaration", "method_declaration")
        return None if any(node.type in kinds for node in found) else "it has no function to test"
    if any(node.type in _CALLABLE for node in found):
        return None
    values = any(node.type in _MADE_BY_CALL for node in found if not _is_import(node))
    return None if values else "it has no function to test"


def _is_import(node: Node) -> bool:
    """Return whether a call only loads another module: `require('./x')`, `import('./x')`."""
    called = node.child_by_field_name("function")
    return called is not None and (called.text or b"") in (b"require", b"import")


def _reason_of_python(module: ast.Module) -> str | None:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and any(
            "migrations.Migration" in ast.unparse(b) for b in node.bases
        ):
            return "it is a database migration"
    names = {t.id for s in module.body for t in _targets(s) if isinstance(t, ast.Name)}
    if {"revision", "down_revision"} <= names:
        return "it is a database migration"
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    has_code = any(
        (isinstance(node, functions) and not _is_stub(node)) or isinstance(node, ast.Lambda)
        for node in ast.walk(module)
    )
    return None if has_code else "it has no function to test"


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function declares a signature only: its body is `...`, `pass` or a text."""
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (isinstance(statement, ast.Raise) and "NotImplementedError" in ast.unparse(statement))
        for statement in function.body
    )
