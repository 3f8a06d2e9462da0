"""The public names of a file with their signatures."""

import ast
import re
import threading
from dataclasses import dataclass

from batch_action.sandbox.reviewer.prompts import SourceFile


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicName:
    """A public function, method or class."""

    name: str
    signature: str
    line: int
    kind: str
    """`function` or `class`."""


SCRIPT_EXPORT = re.compile(
    r"^export\s+(?:default\s+)?(?:async\s+)?(?P<kind>function|class)\s*\*?\s*(?P<name>\w+)"
    r"(?P<rest>[^{]*)|^export\s+(?:const|let)\s+(?P<value>\w+)(?P<arrow>\s*=\s*(?:async\s*)?"
    r"\([^)]*\)[^=]*=>)?",
    re.MULTILINE,
)
COMMONJS_EXPORT = re.compile(r"^(?:module\.)?exports\.(?P<name>\w+)\s*=", re.MULTILINE)
GO_FUNCTION = re.compile(
    r"^func\s+(?:\(\w*\s*\*?(?P<of>\w+)\)\s*)?(?P<name>[A-Z]\w*)(?P<rest>\([^{]*)", re.MULTILINE
)


def public_names(file: SourceFile) -> list[PublicName]:
    """List the names that other files can use."""
    if file.path.endswith((".py", ".pyi")):
        return _python_module_names(file.text)
    if file.path.endswith(".go"):
        return [
            _name_from(file, m, f"{m['of']}.{m['name']}" if m["of"] else m["name"], m["rest"])
            for m in GO_FUNCTION.finditer(file.text)
        ]
    names = [
        _name_from(file, m, m["name"] or m["value"], m["rest"] or m["arrow"] or "")
        for m in SCRIPT_EXPORT.finditer(file.text)
    ]
    return names + [_name_from(file, m, m["name"], "") for m in COMMONJS_EXPORT.finditer(file.text)]


_PARSE_LOCK = threading.Lock()


def parse_python(text: str) -> ast.Module | None:
    """Parse Python; None when the text is not valid Python.

    One thread at a time: Python 3.11 counts the recursion depth of all threads together and can
    raise SystemError (https://github.com/python/cpython/issues/106905).
    """
    with _PARSE_LOCK:
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _name_from(file: SourceFile, match: re.Match[str], name: str, rest: str) -> PublicName:
    groups = match.groupdict()
    function = groups.get("kind") == "function" or groups.get("arrow") or "(" in rest
    return PublicName(
        name=name,
        signature=" ".join(rest.split()),
        line=file.text.count("\n", 0, match.start()) + 1,
        kind="function" if function else groups.get("kind") or "value",
    )


def _python_module_names(text: str) -> list[PublicName]:
    tree = parse_python(text)
    names: list[PublicName] = []
    for node in tree.body if tree else ():
        names += _python_names(node, "")
    return names


def _python_names(node: ast.stmt, above: str) -> list[PublicName]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.name.startswith("_"):
            word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
            signature = f"{word}({ast.unparse(node.args)})"
            name = above + node.name
            return [PublicName(name=name, signature=signature, line=node.lineno, kind="function")]
        case ast.ClassDef() if not node.name.startswith("_"):
            bases = ", ".join(ast.unparse(base) for base in node.bases)
            own = PublicName(
                name=above + node.name, signature=bases, line=node.lineno, kind="class"
            )
            inner = (_python_names(child, f"{above}{node.name}.") for child in node.body)
            return [own, *(name for names in inner for name in names)]
    return []
