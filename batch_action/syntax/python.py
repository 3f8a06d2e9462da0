"""Compare Python code without its docstrings and comments, with `ast` and `tokenize`."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from batch_action.syntax import directives
from batch_action.syntax.directives import CodeComment

_LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
)
_ENCODING = re.compile(r"[ \t\f\ufeff]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
"""https://docs.python.org/3/reference/lexical_analysis.html#encoding-declarations"""
_PLAIN_DECORATORS = frozenset(
    {
        *("property", "setter", "getter", "deleter", "cached_property", "cache", "lru_cache"),
        *("staticmethod", "classmethod", "abstractmethod", "abstractproperty", "override", "final"),
        *("overload", "wraps", "contextmanager", "asynccontextmanager", "dataclass", "fixture"),
        *(
            "total_ordering",
            "singledispatch",
            "singledispatchmethod",
            "unique",
            "runtime_checkable",
        ),
    }
)
"""Decorators that do not read docstrings; any other may: a command's help, a tool's prompt."""
_READING_BASES = frozenset({"Signature", "BaseModel", "Tool", "BaseTool", "Schema", "Command"})
"""Base classes that give the docstring of a class to others."""
_MACHINE_FORMAT = re.compile(
    r"^\s*(?:>>>|---\s*$|\.\. code-block|:=|::=|\||[a-z_]\w*\s+:(?:\s|$)|swagger:|@\w)"
    r"|\A\s*[a-z_]\w*\s*:(?:\s|$)",
    re.MULTILINE,
)
"""Docstrings that are code for somebody: doctests, YAML for an API, rules of a grammar."""
_RUN_BY_TOOLS = re.compile(
    r"^\s*(?:>>>\s|---\s*$|\.\. (?:doctest|testcode|testsetup)::)", re.MULTILINE
)
_NUMPY_SECTION = re.compile(
    r"^[ \t]*[A-Z][a-z]+(?: [A-Z][a-z]+)?[ \t]*\n[ \t]*-{4,}[ \t]*$", re.MULTILINE
)
"""`Parameters` and a line below it: what follows are names and types, `x : int`."""
_GRAMMAR_TOOLS = frozenset({"ply", "yacc", "lex"})
_GRAMMAR_RULE = re.compile(r"[pt]_")
"""Functions whose docstrings, new ones too, are rules: https://ply.readthedocs.io/en/latest/ply.html"""
_Position = tuple[int, int]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class _ParsedCode:
    """The parts of a text that are compared."""

    structure: str
    """The syntax tree without string statements, docstrings included."""
    tokens: tuple[str, ...]
    directives: tuple[CodeComment, ...]
    comments: tuple[str, ...]
    docstrings: tuple[str | None, ...]
    """Of the module and of each class and function, in the order of the text."""
    read_by_others: tuple[bool, ...]
    """Whether something may read each of them, in the same order."""
    reads_docstrings: bool
    """The code may read its own docstrings."""


def parse(text: str | bytes) -> ast.Module | None:
    """Return the syntax tree; None if the running version of Python cannot parse the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            return None


def is_read_as_utf8(text: str) -> bool:
    """Return whether Python reads the bytes of a text as what it says, and as UTF-8 only.

    A comment such as `coding: utf-7` on one of the first lines turns other comments into code.
    """
    names = (_ENCODING.match(line) for line in re.split(r"\r\n|\r|\n", text)[:2])
    if any(m and m[1].lower().replace("_", "-") not in ("utf-8", "utf8") for m in names):
        return False
    tree, as_read = parse(text), parse(text.encode("utf-8", "replace"))
    return tree is None or (as_read is not None and ast.dump(as_read) == ast.dump(tree))


def docstrings(text: str) -> list[str]:
    """Return all docstrings of a text; none if it does not parse."""
    tree = parse(text)
    if tree is None:
        return []
    texts = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, Documented))
    return [text for text in texts if text]


def find_code_change(old: str, new: str) -> str | None:
    """Return in what the new text differs besides documentation; None if in nothing."""
    before, after = _parse_code(old), _parse_code(new)
    if before is None or after is None:
        return "does not parse"
    if before.structure != after.structure:
        return "changes the code"
    if before.tokens != after.tokens:
        return "changes how the code is written"
    if before.directives != after.directives or _changes_script_metadata(before, after):
        return "adds, drops or moves a comment that tools read"
    return _docstring_problem(before, after)


def _docstring_problem(before: _ParsedCode, after: _ParsedCode) -> str | None:
    if before.reads_docstrings and _changes_existing_docstrings(before, after):
        return "changes docstrings that the code reads"
    pairs = list(zip(before.docstrings, after.docstrings, before.read_by_others, strict=True))
    if any(is_read and old_text != new_text for old_text, new_text, is_read in pairs):
        return "changes a docstring that a decorator, a base class or a tool reads"
    if any(new != old and _RUN_BY_TOOLS.search(new or "") for old, new, _ in pairs):
        return "adds an example to a docstring that doctest or another tool would run"
    return None


def _changes_script_metadata(before: _ParsedCode, after: _ParsedCode) -> bool:
    """Return whether a text with inline script metadata (PEP 723) changes any comment."""
    has_metadata = any(comment.startswith("# ///") for comment in before.comments)
    return has_metadata and before.comments != after.comments


def _changes_existing_docstrings(before: _ParsedCode, after: _ParsedCode) -> bool:
    """Return whether a docstring changes, or one is added to the module."""
    pairs = list(zip(before.docstrings, after.docstrings, strict=True))
    return pairs[0][0] != pairs[0][1] or any(old is not None and old != new for old, new in pairs)


def _parse_code(text: str) -> _ParsedCode | None:
    text = text.replace("\r\n", "\n")
    tree = parse(text)
    if tree is None or not _has_leading_future_imports(tree):
        return None
    try:
        return _extract_code(tree, text)
    except (tokenize.TokenError, SyntaxError, RecursionError, MemoryError):
        return None


def _extract_code(tree: ast.Module, text: str) -> _ParsedCode:
    documented = [node for node in _walk_in_order(tree) if isinstance(node, Documented)]
    docstrings = tuple(ast.get_docstring(node, clean=False) for node in documented)
    lines = text.split("\n")
    spans = list(_string_statement_spans(tree, text))
    tokens: list[str] = []
    found: list[CodeComment] = []
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.append(token.string)
            own_line = not token.line[: token.start[1]].strip()
            follows = lines[token.start[0]].strip() if token.start[0] < len(lines) else ""
            is_code = own_line and follows != "" and follows[0] not in "#\"'"
            comment = CodeComment(len(tokens), token.string, own_line, is_code)
            if directive := directives.python_directive(comment):
                found.append(directive)
        elif token.type not in _LAYOUT and not any(a <= token.start < b for a, b in spans):
            tokens.append(token.string)
    has_grammar = not _GRAMMAR_TOOLS.isdisjoint(tokens)
    _remove_string_statements(tree)
    return _ParsedCode(
        structure=ast.dump(tree),
        tokens=tuple(tokens),
        directives=tuple(found),
        comments=tuple(comments),
        docstrings=docstrings,
        read_by_others=tuple(
            _is_read_by_others(node, docstring)
            or (has_grammar and _GRAMMAR_RULE.match(getattr(node, "name", "")) is not None)
            for node, docstring in zip(documented, docstrings, strict=True)
        ),
        reads_docstrings="__doc__" in tokens or "docopt" in tokens,
    )


def _is_read_by_others(node: Documented, docstring: str | None) -> bool:
    """Return whether a decorator, a base class or a tool may read a docstring, there or not."""
    if docstring is not None and _is_for_machines(docstring):
        return True
    if isinstance(node, ast.Module):
        return False
    decorators = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return any(_last_name(each) not in _PLAIN_DECORATORS for each in decorators) or any(
        _last_name(base) in _READING_BASES for base in bases
    )


def _is_for_machines(docstring: str) -> bool:
    """Return whether a docstring is code for somebody; sections in the style of NumPy are not."""
    before, *sections = _NUMPY_SECTION.split(docstring)
    return bool(_MACHINE_FORMAT.search(before) or any(map(_RUN_BY_TOOLS.search, sections)))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _walk_in_order(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node in the order of the text, unlike `ast.walk`."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk_in_order(child)


def _is_string_statement(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _string_statement_spans(tree: ast.Module, text: str) -> Iterator[tuple[_Position, _Position]]:
    """Yield start and end of each string statement in characters, as `tokenize` counts."""
    lines = text.split("\n")

    def position(line: int, offset: int) -> _Position:
        return line, len(lines[line - 1].encode()[:offset].decode("utf-8", "replace"))

    for node in ast.walk(tree):
        if _is_string_statement(node) and isinstance(node, ast.Expr):
            end = node.end_lineno or node.lineno, node.end_col_offset or 0
            yield position(node.lineno, node.col_offset), position(*end)


def _remove_string_statements(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                setattr(node, name, [child for child in body if not _is_string_statement(child)])


def _has_leading_future_imports(tree: ast.Module) -> bool:
    """Return whether at most one docstring comes before `from __future__ import`."""
    indexes = [
        index
        for index, node in enumerate(tree.body)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    first = 1 if tree.body and _is_string_statement(tree.body[0]) else 0
    return indexes == list(range(first, first + len(indexes)))
