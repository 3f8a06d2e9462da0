"""The public names of a file and how they are called, by plain rules."""

import ast
import re
import threading
from dataclasses import dataclass

from .prompts import SourceFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A public function, method or class."""

    name: str
    signature: str
    line: int
    kind: str
    """`function` or `class`."""


SCRIPT = re.compile(
    r"^export\s+(?:default\s+)?(?:async\s+)?(?P<kind>function|class)\s*\*?\s*(?P<name>\w+)"
    r"(?P<rest>[^{]*)|^export\s+(?:const|let)\s+(?P<value>\w+)(?P<arrow>\s*=\s*(?:async\s*)?"
    r"\([^)]*\)[^=]*=>)?",
    re.MULTILINE,
)
COMMON = re.compile(r"^(?:module\.)?exports\.(?P<name>\w+)\s*=", re.MULTILINE)
GO = re.compile(
    r"^func\s+(?:\(\w*\s*\*?(?P<of>\w+)\)\s*)?(?P<name>[A-Z]\w*)(?P<rest>\([^{]*)", re.MULTILINE
)


def names(file: SourceFile) -> list[Name]:
    """List what other files can use of this one."""
    if file.path.endswith((".py", ".pyi")):
        return _python(file.text)
    if file.path.endswith(".go"):
        return [
            _named(file, m, f"{m['of']}.{m['name']}" if m["of"] else m["name"], m["rest"])
            for m in GO.finditer(file.text)
        ]
    found = [
        _named(file, m, m["name"] or m["value"], m["rest"] or m["arrow"] or "")
        for m in SCRIPT.finditer(file.text)
    ]
    return found + [_named(file, m, m["name"], "") for m in COMMON.finditer(file.text)]


_PARSING = threading.Lock()


def parsed(text: str) -> ast.Module | None:
    """The tree of a Python text; None when it is none.

    One at a time: Python 3.11 counts the depth of all threads' trees together, and ends in a
    SystemError when two do not come out even (https://github.com/python/cpython/issues/106905).
    """
    with _PARSING:
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _named(file: SourceFile, match: re.Match[str], name: str, rest: str) -> Name:
    groups = match.groupdict()
    function = groups.get("kind") == "function" or groups.get("arrow") or "(" in rest
    return Name(
        name=name,
        signature=" ".join(rest.split()),
        line=file.text.count("\n", 0, match.start()) + 1,
        kind="function" if function else groups.get("kind") or "value",
    )


def _python(text: str) -> list[Name]:
    tree = parsed(text)
    found: list[Name] = []
    for node in tree.body if tree else ():
        found += _python_names(node, "")
    return found


def _python_names(node: ast.stmt, above: str) -> list[Name]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.name.startswith("_"):
            word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
            told = f"{word}({ast.unparse(node.args)})"
            name = above + node.name
            return [Name(name=name, signature=told, line=node.lineno, kind="function")]
        case ast.ClassDef() if not node.name.startswith("_"):
            told = ", ".join(ast.unparse(base) for base in node.bases)
            own = Name(name=above + node.name, signature=told, line=node.lineno, kind="class")
            inner = (_python_names(one, f"{above}{node.name}.") for one in node.body)
            return [own, *(name for names in inner for name in names)]
    return []
