"""Python: code without its docstrings and comments, by the language's own parser."""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from batch_action.syntax import directives
from batch_action.syntax.directives import Comment

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
_Place = tuple[int, int]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    """A text taken apart."""

    shape: str
    """The syntax tree without bare strings: docstrings and what is written like them."""
    tokens: tuple[str, ...]
    directives: tuple[Comment, ...]
    comments: tuple[str, ...]
    docstrings: tuple[str | None, ...]
    """Of the module and of each class and function, in the order of the text."""
    reads_itself: bool
    """The code looks at its own docstrings."""


def parse(text: str) -> ast.Module | None:
    """The syntax tree, or None: no Python, or none that this version of Python knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            return None


def docstrings(text: str) -> list[str]:
    """All docstrings of a text, in its order; none when it does not parse."""
    tree = parse(text)
    if tree is None:
        return []
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, Documented))
    return [one for one in found if one]


def changed(old: str, new: str) -> str | None:
    """Why the new text is more than the old code with other documentation; None when it is not."""
    one, other = _taken_apart(old), _taken_apart(new)
    if one is None or other is None:
        return "does not parse"
    if one.shape != other.shape:
        return "changes the code"
    if one.tokens != other.tokens:
        return "writes the code in another way"
    if one.directives != other.directives or _metadata(one, other):
        return "adds, drops or moves a comment that tools read"
    if one.reads_itself and _redocumented(one, other):
        return "changes docstrings that the code reads"
    return None


def _metadata(one: _Code, other: _Code) -> bool:
    """Whether inline script metadata (PEP 723) differs: each of its lines is a comment."""
    return any(c.startswith("# ///") for c in one.comments) and one.comments != other.comments


def _redocumented(one: _Code, other: _Code) -> bool:
    pairs = list(zip(one.docstrings, other.docstrings, strict=True))
    return pairs[0][0] != pairs[0][1] or any(a is not None and a != b for a, b in pairs)


def _taken_apart(text: str) -> _Code | None:
    text = text.replace("\r\n", "\n")
    tree = parse(text)
    if tree is None or not _future_first(tree):
        return None
    try:
        return _code(tree, text)
    except (tokenize.TokenError, SyntaxError, RecursionError, MemoryError):
        return None


def _code(tree: ast.Module, text: str) -> _Code:
    told = tuple(
        ast.get_docstring(node, clean=False)
        for node in _walked(tree)
        if isinstance(node, Documented)
    )
    spans = list(_spans(tree, text))
    tokens: list[str] = []
    found: list[Comment] = []
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.append(token.string)
            alone = not token.line[: token.start[1]].strip()
            if kept := directives.in_python(Comment(len(tokens), token.string, alone)):
                found.append(kept)
        elif token.type not in _LAYOUT and not _within(token.start, spans):
            tokens.append(token.string)
    reads_itself = "__doc__" in tokens or "docopt" in tokens
    _strip(tree)
    return _Code(
        shape=ast.dump(tree),
        tokens=tuple(tokens),
        directives=tuple(found),
        comments=tuple(comments),
        docstrings=told,
        reads_itself=reads_itself,
    )


def _walked(node: ast.AST) -> Iterator[ast.AST]:
    """Every node, in the order of the text."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walked(child)


def _bare(node: ast.AST) -> bool:
    """A string that is a whole statement: it does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _spans(tree: ast.Module, text: str) -> Iterator[tuple[_Place, _Place]]:
    """From where to where each bare string stands, as the tokenizer counts: in characters."""
    lines = text.split("\n")

    def place(line: int, offset: int) -> _Place:
        return line, len(lines[line - 1].encode()[:offset].decode("utf-8", "replace"))

    for node in ast.walk(tree):
        if _bare(node) and isinstance(node, ast.Expr):
            end = node.end_lineno or node.lineno, node.end_col_offset or 0
            yield place(node.lineno, node.col_offset), place(*end)


def _within(start: _Place, spans: list[tuple[_Place, _Place]]) -> bool:
    return any(first <= start < last for first, last in spans)


def _strip(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                setattr(node, name, [one for one in body if not _bare(one)])


def _future_first(tree: ast.Module) -> bool:
    """Whether nothing but one docstring stands before `from __future__ import`."""
    future = [
        n
        for n, node in enumerate(tree.body)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    first = 1 if tree.body and _bare(tree.body[0]) else 0
    return not future or (future[0] == first and all(b - a == 1 for a, b in pairwise(future)))
