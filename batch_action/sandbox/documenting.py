"""A file with the documentation that a plain rule can write: it says little, and what it is."""

import ast
import re
from collections.abc import Iterator

from .prompts import SourceFile
from .publicity import names, parsed

SIGNED = "(sandbox reviewer, not Claude)"
SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented(file: SourceFile) -> tuple[str, int] | None:
    """Write the file with a sentence above what has none, and count them; none if all have one."""
    if not file.complete:
        return None
    if file.path.endswith((".py", ".pyi")):
        added = dict(_python(file.text))
    elif file.path.endswith(SCRIPTS):
        added = dict(_script(file))
    elif file.path.endswith(".go"):
        added = dict(_go(file))
    else:
        added = {}
    if not added:
        return None
    lines = [
        f"{added[number]}\n{line}\n" if number in added else f"{line}\n"
        for number, line in file.lines.items()
    ]
    return "".join(lines), len(added)


def _python(text: str) -> Iterator[tuple[int, str]]:
    """The lines to write, each before the line of a number."""
    tree = parsed(text)
    if tree is None:
        return
    if tree.body and ast.get_docstring(tree) is None:
        yield _first_line(tree.body[0]), f'"""This module. {SIGNED}"""\n'
    for node in ast.walk(tree):
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        first = _first_line(node.body[0])
        if ast.get_docstring(node) is None and first > _header_end(node):
            indent = " " * node.body[0].col_offset
            yield first, f'{indent}"""{_words(node.name)}. {SIGNED}"""'


def _first_line(node: ast.stmt) -> int:
    above = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(one.lineno for one in above)])


def _header_end(node: Definition) -> int:
    """The last line that certainly belongs to the header."""
    inside: list[ast.AST] = list(node.bases) if isinstance(node, ast.ClassDef) else [node.args]
    ends = [getattr(one, "end_lineno", None) or 0 for top in inside for one in ast.walk(top)]
    returns = getattr(node, "returns", None)
    return max([node.lineno, *ends, returns.end_lineno if returns else 0])


def _script(file: SourceFile) -> Iterator[tuple[int, str]]:
    for name in names(file):
        above = file.lines.get(name.line - 1, "").strip()
        if not above.endswith("*/") and not above.startswith(("@", "//")):
            yield name.line, f"/** {_words(name.name)}. {SIGNED} */"


def _go(file: SourceFile) -> Iterator[tuple[int, str]]:
    for name in names(file):
        above = file.lines.get(name.line - 1, "").strip()
        if not above.endswith("*/") and not above.startswith("//"):
            word = name.name.rpartition(".")[2]
            yield name.line, f"// {word}: {_words(word).lower()}. {SIGNED}"


def _words(name: str) -> str:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return " ".join(part.lower() for part in parts).capitalize() or name
