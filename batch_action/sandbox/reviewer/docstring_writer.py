"""Add docstrings and documentation comments that repeat the names."""

import ast
import re
from collections.abc import Iterator

from batch_action.sandbox.reviewer.prompts import SourceFile
from batch_action.sandbox.reviewer.public_names import parse_python, public_names

SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def add_documentation(file: SourceFile) -> tuple[str, int] | None:
    """Return the file with the missing documentation and the number of additions; else None."""
    if not file.complete:
        return None
    if file.path.endswith((".py", ".pyi")):
        added = dict(_python_docstrings(file.text))
    elif file.path.endswith(SCRIPTS):
        added = dict(_jsdoc_comments(file))
    elif file.path.endswith(".go"):
        added = dict(_go_comments(file))
    else:
        added = {}
    if not added:
        return None
    lines = [
        f"{added[number]}\n{line}\n" if number in added else f"{line}\n"
        for number, line in file.lines.items()
    ]
    return "".join(lines), len(added)


def _python_docstrings(text: str) -> Iterator[tuple[int, str]]:
    """Yield docstrings with the number of the line that each comes before."""
    tree = parse_python(text)
    if tree is None:
        return
    if tree.body and ast.get_docstring(tree) is None:
        yield _first_line(tree.body[0]), '"""This module."""\n'
    lines = text.split("\n")
    for node in ast.walk(tree):
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        first = _first_line(node.body[0])
        if ast.get_docstring(node) is None and first > _header_end(node):
            line = lines[first - 1]
            indent = line[: len(line) - len(line.lstrip())]
            yield first, f'{indent}"""{_sentence(node.name)}."""'


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _header_end(node: Definition) -> int:
    """Return the last line that certainly belongs to the header."""
    inside: list[ast.AST] = list(node.bases) if isinstance(node, ast.ClassDef) else [node.args]
    ends = [getattr(node, "end_lineno", None) or 0 for part in inside for node in ast.walk(part)]
    returns = getattr(node, "returns", None)
    return max([node.lineno, *ends, returns.end_lineno if returns else 0])


def _jsdoc_comments(file: SourceFile) -> Iterator[tuple[int, str]]:
    for name in public_names(file):
        above = file.lines.get(name.line - 1, "").strip()
        if not above.endswith("*/") and not above.startswith(("@", "//")):
            yield name.line, f"/** {_sentence(name.name)}. */"


def _go_comments(file: SourceFile) -> Iterator[tuple[int, str]]:
    for name in public_names(file):
        above = file.lines.get(name.line - 1, "").strip()
        if not above.endswith("*/") and not above.startswith("//"):
            word = name.name.rpartition(".")[2]
            yield name.line, f"// {word}: {_sentence(word).lower()}."


def _sentence(name: str) -> str:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return " ".join(part.lower() for part in parts).capitalize() or name
